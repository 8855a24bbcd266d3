"""The entries of a FROM: tables, queries and functions, and how each is joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

from pytest_querybudget.recording.structure import Relation
from pytest_querybudget.statements.groups import Group, Item, at, is_name, is_query, is_sign, is_word
from pytest_querybudget.statements.lexer import LITERAL, PARAM
from pytest_querybudget.statements.scopes import split_path, unquote
from pytest_querybudget.values import dataclass

_OUTER = {"LEFT": "left", "RIGHT": "full", "FULL": "full"}
_HINTS = ("USE", "FORCE", "IGNORE", "PARTITION", "TABLESAMPLE", "WITH")
_JOINING = ("JOIN", "STRAIGHT_JOIN", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL")

# A clause, the number of the relation that it joins, and its condition.
Deferred = tuple[str, int, list[Item]]


@dataclass(frozen=True, slots=True)
class Found:
    """A relation, and the names that columns of it can have before their dot."""

    relation: Relation
    labels: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    query: Callable[[Group, str], int]
    cte: Callable[[str], int | None]
    found: list[Found] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)

    def read(self, items: list[Item], join: str) -> None:
        """Read entries up to the end of a FROM, or of a parenthesis in it."""
        index, conditional, lateral = 0, False, False
        while index < len(items):
            item = items[index]
            if is_sign(item, ","):
                join, conditional = ",", False
            elif is_word(item, *_JOINING) and not _is_call(items, index):
                index, join, conditional = _join(items, index)
            elif is_word(item, "LATERAL"):
                lateral = True
            elif is_word(item, "ON"):
                index = self._on(items, index)
                continue
            elif is_word(item, "USING"):
                index += 1
            elif is_word(item, *_HINTS):
                index = self._name(items, _after_hint(items, index))
                continue
            elif isinstance(item, Group) or is_name(item):
                index = self._entry(items, index, Relation("", join=join, conditional=conditional, lateral=lateral))
                lateral = False
                continue
            index += 1

    def _on(self, items: list[Item], index: int) -> int:
        start = index = index + 1
        while index < len(items):
            item = items[index]
            if is_sign(item, ",") or (is_word(item, *_JOINING) and not _is_call(items, index)):
                break
            index += 1
        self.deferred.append(("on", len(self.found) - 1, items[start:index]))
        return index

    def _name(self, items: list[Item], index: int) -> int:
        """Give the latest entry the alias that stands behind its hint."""
        if self.found and is_word(at(items, index), "AS"):
            label, index = _alias(items, index)
            known = self.found[-1]
            if label:
                self.found[-1] = Found(replace(known.relation, label=label), (label.lower(),))
        return index

    def _entry(self, items: list[Item], index: int, base: Relation) -> int:
        item = items[index]
        index += 1
        if isinstance(item, Group) and not is_query(item):
            self.read(item.items, base.join)
            return index
        table: str | None = None
        query: int | None = None
        function = False
        names: tuple[str, ...] = ()
        if isinstance(item, Group):
            query = self.query(item, "from")
        else:
            path = unquote(item[1])
            parts = split_path(path)
            names = (path.lower(), parts[-1].lower())
            if isinstance(at(items, index), Group) and not is_query(at(items, index)):
                function, index = True, index + 1
            else:
                query = self.cte(path.lower())
                table = None if query is not None else path
                query = None if query is not None and query < 0 else query
        label, index = _alias(items, index)
        names = (label.lower(),) if label else names
        self.found.append(
            Found(
                Relation(
                    label=label or (names[-1] if names else ""),
                    table=table,
                    query=query,
                    function=function or (table is None and query is None),
                    lateral=base.lateral,
                    join=base.join,
                    conditional=base.conditional or _is_conditional(items, index),
                ),
                names,
            )
        )
        return index


def read_from(
    items: list[Item], query: Callable[[Group, str], int], cte: Callable[[str], int | None]
) -> tuple[list[Found], list[Deferred]]:
    """Read a FROM: its entries, and the conditions of its joins, which may name entries that come later."""
    reader = _Reader(query, cte)
    reader.read(items, "")
    return reader.found, reader.deferred


def _is_call(items: list[Item], index: int) -> bool:
    """Whether LEFT or RIGHT is the function."""
    return is_word(items[index], "LEFT", "RIGHT") and isinstance(at(items, index + 1), Group)


def _join(items: list[Item], index: int) -> tuple[int, str, bool]:
    """Read the words of a join up to the last one: where that stands, the kind, and whether it is NATURAL."""
    kind, natural = "inner", False
    while is_word(at(items, index), *_JOINING):
        word = items[index][1]  # type: ignore[index]
        kind = _OUTER.get(word, "cross" if word == "CROSS" else kind)
        natural = natural or word == "NATURAL"
        index += 1
    return index - 1, kind, natural


def _alias(items: list[Item], index: int) -> tuple[str | None, int]:
    label = None
    if is_word(at(items, index), "AS"):
        index += 1
    if is_name(at(items, index)):
        label = split_path(items[index][1])[-1]  # type: ignore[index]
        index += 1
        if isinstance(at(items, index), Group):
            index += 1
    return label, index


def _is_conditional(items: list[Item], index: int) -> bool:
    """Whether an entry is joined by columns of the same name."""
    return is_word(at(items, index), "USING")


def _after_hint(items: list[Item], index: int) -> int:
    """The index after `USE INDEX (...)`, `TABLESAMPLE BERNOULLI (1)` and their like."""
    index += 1
    while is_name(at(items, index)) or is_word(at(items, index), "FOR", "ORDER", "GROUP", "BY", "JOIN"):
        index += 1
    following = at(items, index)
    is_value = isinstance(following, tuple) and following[0] in (LITERAL, PARAM)
    index += isinstance(following, Group) or is_value
    # A sample may be asked for as it was drawn before.
    after = at(items, index)
    repeats = isinstance(after, tuple) and after[1].upper() == "REPEATABLE" and isinstance(at(items, index + 1), Group)
    return index + 2 if repeats else index
