"""The tokens of a text as a tree of parentheses, and how a level of it is cut into clauses and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from pytest_querybudget.statements.lexer import KEYWORD, NAME, OP, Token
from pytest_querybudget.values import dataclass

_QUERIES = frozenset(("SELECT", "WITH", "VALUES"))
_CLAUSES = frozenset("SELECT FROM WHERE GROUP HAVING QUALIFY WINDOW ORDER LIMIT OFFSET FETCH FOR INTO".split())
SET_OPERATORS = frozenset(("UNION", "INTERSECT", "EXCEPT", "MINUS"))


@dataclass(slots=True)
class Group:
    """What stands between two parentheses."""

    items: list[Item] = field(default_factory=list)


Item = Token | Group


def tree(tokens: Iterable[Token]) -> list[Item]:
    """Nest tokens by their parentheses; what is never closed ends with the text."""
    top: list[Item] = []
    open_: list[list[Item]] = [top]
    for token in tokens:
        if token == (OP, "("):
            group = Group()
            open_[-1].append(group)
            open_.append(group.items)
        elif token == (OP, ")"):
            if len(open_) > 1:
                open_.pop()
        else:
            open_[-1].append(token)
    return top


def is_word(item: Item | None, *words: str) -> bool:
    """Whether an item is one of these keywords."""
    return isinstance(item, tuple) and item[0] == KEYWORD and item[1] in words


def is_sign(item: Item | None, sign: str) -> bool:
    """Whether an item is this sign."""
    return isinstance(item, tuple) and item == (OP, sign)


def is_name(item: Item | None) -> bool:
    """Whether an item is a name."""
    return isinstance(item, tuple) and item[0] == NAME


def at(items: list[Item], index: int) -> Item | None:
    """The item at an index, None outside."""
    return items[index] if 0 <= index < len(items) else None


def is_query(item: Item | None) -> bool:
    """Whether a group is a query, also one in more parentheses than it needs."""
    while isinstance(item, Group):
        first = at(item.items, 0)
        if is_word(first, *_QUERIES):
            return True
        if len(item.items) > 1 and not is_word(item.items[1], *SET_OPERATORS, "ORDER", "LIMIT"):
            return False
        item = first
    return False


def split(items: list[Item], *words: str) -> Iterator[list[Item]]:
    """Cut a list of conditions at AND or OR; the AND of a BETWEEN and what is inside a CASE stay whole."""
    part: list[Item] = []
    cases, between = 0, False
    for item in items:
        cases += is_word(item, "CASE") - is_word(item, "END")
        if is_word(item, "BETWEEN"):
            between = True
        elif is_word(item, *words) and not cases and not (between and is_word(item, "AND")):
            yield part
            part = []
            continue
        elif is_word(item, "AND") and between and not cases:
            between = False
        part.append(item)
    yield part


def by_commas(items: list[Item]) -> list[list[Item]]:
    """Cut a list at its commas; nothing is no list."""
    parts: list[list[Item]] = [[]]
    for item in items:
        if is_sign(item, ","):
            parts.append([])
        else:
            parts[-1].append(item)
    return parts if items else []


def clauses(items: list[Item]) -> dict[str, list[Item]]:
    """Cut one SELECT into its clauses, by their first words."""
    found: dict[str, list[Item]] = {}
    current: list[Item] = found.setdefault("", [])
    for index, item in enumerate(items):
        if is_word(item, *_CLAUSES) and not _is_within(items, index):
            assert isinstance(item, tuple)  # noqa: S101 - it is a word
            current = found.setdefault(item[1], [])
        else:
            current.append(item)
    return found


def _is_within(items: list[Item], index: int) -> bool:
    """Whether the word of a clause is part of an expression: IS DISTINCT FROM, WITHIN GROUP."""
    before = at(items, index - 1)
    if is_word(items[index], "FROM"):
        return is_word(before, "DISTINCT") and is_word(at(items, index - 2), "IS", "NOT")
    if is_word(items[index], "GROUP"):
        return is_word(before, "WITHIN")
    # MySQL: USE INDEX FOR ORDER BY (...)
    return is_word(items[index], "FOR", "ORDER", "GROUP") and _follows_index(items, index)


def _follows_index(items: list[Item], index: int) -> bool:
    return any(
        isinstance(each, tuple) and each[1].upper() in ("INDEX", "KEY") for each in items[max(index - 2, 0) : index]
    )


def flat(items: Iterable[Item]) -> Iterator[Token]:
    """The tokens of items in their order, parentheses again among them."""
    stack: list[Iterator[Item]] = [iter(items)]
    while stack:
        for item in stack[-1]:
            if isinstance(item, Group):
                yield (OP, "(")
                stack.append(iter(item.items))
                break
            yield item
        else:
            stack.pop()
            if stack:
                yield (OP, ")")
