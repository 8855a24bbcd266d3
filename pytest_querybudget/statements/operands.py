"""The sides of comparisons: columns, functions around columns, values, patterns and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_querybudget.recording.patterns import leading_wildcard
from pytest_querybudget.recording.structure import ColumnUse, Operand
from pytest_querybudget.statements.groups import Group, Item, at, by_commas, flat, is_name, is_query, is_sign, is_word
from pytest_querybudget.statements.lexer import KEYWORD, LITERAL, NAME, OP, PARAM
from pytest_querybudget.statements.normal import render
from pytest_querybudget.statements.scopes import split_path, unquote
from pytest_querybudget.values import dataclass

# A text longer than this says nothing to a person.
_LONGEST = 60
# What types of several words go on with, and the words of `AT TIME ZONE`.
_TYPE_WORDS = frozenset(("without", "time", "zone", "precision", "varying"))
_AT_TIME_ZONE = ("at", "time", "zone")
_CALCULATING = ("+", "-", "*", "/")
_CALLED = frozenset(("CAST", "LEFT", "RIGHT", "REPLACE", "IF"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads operands of one query: `column` places a name, `query` reads a query inside and gives its number."""

    column: Callable[[str], ColumnUse]
    query: Callable[[Group, str], int]

    def operand(self, items: list[Item], role: str = "value") -> Operand:
        """Read one side of a comparison."""
        items = _unwrapped(items)
        cast = _cast_by_sign(items)
        if cast is not None:
            return self._applied("cast", cast, items)
        if len(items) == 1:
            return self._single(items[0], items, role)
        if len(items) > 4 and _lower(items)[1:4] == list(_AT_TIME_ZONE):
            return self._applied("timezone", items[:1], items)
        name = function_name(items)
        if name is not None and len(items) == 2:
            group = items[1]
            assert isinstance(group, Group)  # noqa: S101 - that makes it a call
            return self._applied(name, list(_arguments(group)), items)
        return self._other(items)

    def _single(self, item: Item, items: list[Item], role: str) -> Operand:
        if is_query(item):
            assert isinstance(item, Group)  # noqa: S101 - that makes it a query
            return Operand(text="(SELECT ...)", query=self.query(item, role), is_value=True)
        if isinstance(item, Group):
            return self._row(item, items)
        if item[0] == NAME:
            found = self.column(item[1])
            return Operand(text=_text(items), columns=(found,), column=found)
        is_list = item[0] == PARAM and item[1].startswith("__[POSTCOMPILE")
        return Operand(text=_text(items), is_value=True, wildcard=_begins_with_wildcard(items), listed=is_list)

    def _row(self, group: Group, items: list[Item]) -> Operand:
        parts = [self.operand(each) for each in by_commas(group.items)]
        columns = tuple(each for part in parts for each in part.columns)
        plain = bool(parts) and all(part.column is not None and part.function is None for part in parts)
        return Operand(text=_text(items), columns=columns, listed=not columns, is_row=plain, is_value=not columns)

    def _applied(self, name: str, arguments: list[Item], items: list[Item]) -> Operand:
        """A function: of one column, where its other arguments hold none."""
        parts = [self.operand(each) for each in by_commas(arguments)]
        holders = [each for each in parts if each.columns]
        columns = tuple(each for part in parts for each in part.columns)
        single = holders[0] if len(holders) == 1 else None
        return Operand(
            text=_text(items),
            columns=columns,
            column=single.column if single is not None else None,
            function=name,
            inner=single,
            is_value=not columns,
            wildcard=_begins_with_wildcard(items),
        )

    def _other(self, items: list[Item]) -> Operand:
        columns = tuple(self.columns(items))
        sign = _calculation(items) if len(columns) == 1 else None
        return Operand(
            text=_text(items),
            columns=columns,
            column=columns[0] if sign else None,
            function=sign,
            is_value=not columns,
            wildcard=_begins_with_wildcard(items),
        )

    def columns(self, items: list[Item]) -> Iterator[ColumnUse]:
        """Yield the columns that items name; queries inside are read, and what they name is theirs."""
        types = _words_of_types(items)
        for index, item in enumerate(items):
            if isinstance(item, Group):
                if is_query(item):
                    self.query(item, "exists" if is_word(at(items, index - 1), "EXISTS") else "value")
                else:
                    yield from self.columns(item.items)
            elif item[0] == NAME and index not in types and not _is_no_column(items, index):
                yield self.column(item[1])


def _words_of_types(items: list[Item]) -> frozenset[int]:
    """The places of words that are no columns: `::TIMESTAMP WITHOUT TIME ZONE`, `AT TIME ZONE`."""
    names = _lower(items)
    if "time" not in names and _TYPE_WORDS.isdisjoint(names):
        return frozenset()
    found: set[int] = set()
    for index, item in enumerate(items):
        if is_sign(item, "::") or is_word(item, "AS"):
            end = index + 2
            while names[end : end + 1] and (names[end] in _TYPE_WORDS or names[end : end + 2] == ["with", "time"]):
                end += 1
            found.update(range(index + 1, end))
        elif index and names[index : index + 3] == list(_AT_TIME_ZONE):
            found.update(range(index, index + 3))
    return frozenset(found)


def _lower(items: list[Item]) -> list[str]:
    """The words among items, the others as empty texts."""
    return [each[1].lower() if isinstance(each, tuple) and each[0] in (NAME, KEYWORD) else "" for each in items]


def _is_no_column(items: list[Item], index: int) -> bool:
    """Whether a name is that of a function, a type, a label, a collation or a unit."""
    following, before = at(items, index + 1), at(items, index - 1)
    if isinstance(following, Group) and not is_query(following):
        return True
    if isinstance(following, tuple) and (following[0] == LITERAL or is_word(following, "FROM")):
        return True
    if index > 1 and is_word(at(items, index - 2), "INTERVAL"):
        # INTERVAL 1 DAY
        return True
    return is_sign(before, "::") or is_word(before, "AS", "COLLATE")


def function_name(items: list[Item]) -> str | None:
    """The function that items begin with a call of."""
    first, second = at(items, 0), at(items, 1)
    if not isinstance(second, Group) or not isinstance(first, tuple):
        return None
    if first[0] == NAME or (first[0] == KEYWORD and first[1] in _CALLED):
        return split_path(unquote(first[1]))[-1].lower()
    return None


def _arguments(group: Group) -> Iterator[Item]:
    """The arguments of a call: without the type of CAST(x AS type) and the field of EXTRACT(field FROM x)."""
    items = group.items
    start = next((index + 1 for index, each in enumerate(items) if is_word(each, "FROM")), 0)
    for item in items[start:]:
        if is_word(item, "AS", "USING"):
            return
        yield item


def _unwrapped(items: list[Item]) -> list[Item]:
    while len(items) == 1 and isinstance(items[0], Group) and not is_query(items[0]) and items[0].items:
        if any(is_sign(each, ",") for each in items[0].items):
            break
        if _is_value_list(items[0]):
            break
        items = items[0].items
    return items


def _is_value_list(group: Group) -> bool:
    """Whether a group is a list of one value, as IN has it."""
    return len(group.items) == 1 and isinstance(group.items[0], tuple) and group.items[0][0] in (LITERAL, PARAM)


def _cast_by_sign(items: list[Item]) -> list[Item] | None:
    """PostgreSQL's `x::type`: what is cast, or None."""
    for index, item in enumerate(items):
        if is_sign(item, "::"):
            rest = items[index + 1 :]
            plain = all(
                is_name(each) or isinstance(each, Group) or is_sign(each, "::") or is_word(each, "WITH")
                for each in rest
            )
            return items[:index] if plain and index in (1, 2) else None
    return None


def _begins_with_wildcard(items: list[Item]) -> str:
    """The wildcard that a pattern begins with, also one that is put together."""
    item = at(items, 0)
    for _ in range(8):
        if is_name(item) and isinstance(at(items, 1), Group):
            assert isinstance(item, tuple)  # noqa: S101 - it is a name
            if split_path(item[1])[-1].lower() not in ("concat", "lower", "upper", "cast"):
                return ""
            item = at(items, 1)
        if not isinstance(item, Group) or is_query(item):
            break
        items = item.items
        item = at(items, 0)
    if not isinstance(item, tuple) or item[0] != LITERAL:
        return ""
    text = item[1].lstrip("eEnN")
    return leading_wildcard(text[1:]) if text[:1] in ("'", '"') else ""


def _calculation(items: list[Item]) -> str | None:
    """The sign with which something is calculated: `price * ?`; None where anything else is done."""
    sign = None
    for index, item in enumerate(items):
        if isinstance(item, Group):
            if index and is_name(items[index - 1]):
                # A function that is given a column is more than a calculation with it.
                inner = None if any(token[0] == NAME for token in flat(item.items)) else ""
            else:
                inner = "" if len(item.items) == 1 else _calculation(item.items)
            if inner is None or is_query(item):
                return None
            sign = sign or inner
        elif item[0] == OP and item[1] != "::":
            if item[1] not in _CALCULATING or not index:
                return None
            sign = item[1]
        elif item[0] == KEYWORD and item[1] != "INTERVAL":
            return None
    return sign


def _text(items: list[Item]) -> str:
    tokens = []
    for token in flat(items):
        tokens.append(token)
        if len(tokens) > _LONGEST:
            return "..."
    text = render(tokens)
    return text if len(text) <= 2 * _LONGEST else "..."
