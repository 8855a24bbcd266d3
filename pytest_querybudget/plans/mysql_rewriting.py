"""Statements rewritten for EXPLAIN: without locks, with index hints, or for another database.

EXPLAIN of a rewritten text that is wrong is refused by the database and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_querybudget.plans.mysql_statements import Reference, Text, locking_start, quote
from pytest_querybudget.plans.reader import CannotPlan

#: A piece of a new statement: new text, or the offsets of a piece of the old one, which keeps its parameters.
Piece = str | tuple[int, int]


def assemble(text: Text, parameters: Any, pieces: Sequence[Piece]) -> tuple[str, Any]:
    """A new statement from pieces of an old one, with the parameters that belong to them."""
    places = [token for token in text.tokens if (token.kind == "param" and token.text == "%s") or token.text == "?"]
    sql, chosen = [], []
    for piece in pieces:
        if isinstance(piece, str):
            sql.append(piece)
        else:
            sql.append(text.sql[piece[0] : piece[1]])
            chosen += [index for index, place in enumerate(places) if piece[0] <= place.start < piece[1]]
    if isinstance(parameters, (list, tuple)) and len(parameters) == len(places):
        parameters = type(parameters)(parameters[index] for index in chosen)
    return "".join(sql), parameters


def as_reading(text: Text, kind: str) -> list[Piece]:
    """What a statement reads, as a SELECT that takes no lock. Raises `CannotPlan` when it has none."""
    if kind == "insert":
        return _unlocked(text, _offset(text, _find(text, "SELECT")), _upsert(text))
    if kind == "select":
        return _unlocked(text, 0, len(text.sql))
    where = _find(text, "WHERE", required=False)
    tail = (_offset(text, where), len(text.sql)) if where is not None else None
    if kind == "delete":
        start = _offset(text, _find(text, "FROM"))
        return [text.sql[:0], _head(text), "SELECT 1 ", (start, len(text.sql))]
    update, assign = _find(text, "UPDATE"), _find(text, "SET")
    tables = (text.tokens[update].start + len("UPDATE"), _offset(text, assign))
    values = list(_assigned(text, assign, where))
    pieces: list[Piece] = [_head(text), "SELECT 1", *values, " FROM ", tables]
    return [*pieces, tail] if tail else pieces


def _head(text: Text) -> Piece:
    """The WITH clause before the verb, if any."""
    start = next((token.start for token in text.tokens if token.word in ("UPDATE", "DELETE")), 0)
    return (0, start) if text.tokens[0].word == "WITH" else ""


def _assigned(text: Text, assign: int, where: int | None) -> Iterator[Piece]:
    """The values of SET, as columns of a SELECT: a subquery there is planned as well."""
    end = where if where is not None else len(text.tokens)
    depth, start = 0, None
    for index in range(assign + 1, end):
        token = text.tokens[index]
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text == "=" and start is None:
            start = token.start + 1
        if start is not None and depth == 0 and (token.text == "," or token.word in ("ORDER", "LIMIT")):
            yield from (", ", (start, token.start))
            start = None
    if start is not None:
        yield from (", ", (start, _offset(text, end)))


def _upsert(text: Text) -> int:
    """Where ON DUPLICATE KEY or RETURNING starts, or the end."""
    for index, token in enumerate(text.tokens[:-1]):
        if token.word == "RETURNING" or (token.word == "ON" and text.tokens[index + 1].word == "DUPLICATE"):
            return token.start
    return len(text.sql)


def _unlocked(text: Text, start: int, end: int) -> list[Piece]:
    at = locking_start(text)
    if at is None or text.tokens[at].start < start:
        return [(start, end)]
    stop, depth = at + 2, 0
    while stop < len(text.tokens) and not (depth == 0 and text.tokens[stop].text in (")", ";")):
        if text.tokens[stop].word in ("UNION", "LIMIT"):
            break
        depth += (text.tokens[stop].text == "(") - (text.tokens[stop].text == ")")
        stop += 1
    if any(token.word == "FOR" and index > stop for index, token in enumerate(text.tokens)):
        raise CannotPlan("it locks rows in more than one place")
    return [(start, text.tokens[at].start), (_offset(text, stop), end)]


def _find(text: Text, word: str, *, required: bool = True) -> Any:
    """The first token of that word outside parentheses."""
    depth = 0
    for index, token in enumerate(text.tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word == word:
            return index
    if required:
        raise CannotPlan("it reads no table")
    return None


def _offset(text: Text, index: int) -> int:
    return text.tokens[index].start if index < len(text.tokens) else len(text.sql)


def with_hints(text: Text, hint: Callable[[Reference], str | None]) -> tuple[str, bool]:
    """The statement with an index hint behind each table for which `hint` gives one, and whether any was placed.

    A DELETE from one table, which takes no hint, becomes the SELECT that finds the rows.
    """
    sql, placed = text.sql, False
    for reference in sorted(text.references, key=lambda each: -each.end):
        clause = hint(reference)
        if clause:
            sql, placed = f"{sql[: reference.end]} {clause}{sql[reference.end :]}", True
    if placed and text.tokens[0].word == "DELETE" and len(text.references) == 1:
        sql = "SELECT 1 " + sql[_offset(text, _find(text, "FROM")) :]
    return sql, placed


def moved(text: Text, schemas: dict[str, str]) -> str:
    """The statement with qualified names moved to other schemas (lower-case name to new name)."""
    sql = text.sql
    for index in range(len(text.tokens) - 2, -1, -1):
        token = text.tokens[index]
        target = schemas.get(token.identifier.lower()) if token.kind in ("name", "quoted") else None
        before = text.tokens[index - 1].text if index else ""
        if target and text.tokens[index + 1].text == "." and before != "." and _names_schema(text, index):
            sql = f"{sql[: token.start]}{quote(target)}{sql[token.start + len(token.text) :]}"
    return sql


def _names_schema(text: Text, index: int) -> bool:
    """A schema before a dot, and not an alias of the same name: the table of a reference, or `schema.table.column`."""
    starts = {each.start for each in text.references if each.schema}
    after = text.tokens[index + 3].text if index + 3 < len(text.tokens) else ""
    return text.tokens[index].start in starts or after == "."


def is_limited(text: Text) -> bool:
    """Whether the outermost query has a LIMIT."""
    return _find(text, "LIMIT", required=False) is not None
