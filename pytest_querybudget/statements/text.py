"""What a statement is, from its text alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_querybudget.statements.analysis import MAX_NESTING, Analysis, Keys, joined, nesting
from pytest_querybudget.statements.lexer import KEYWORD, NAME, OP, Token, tokenize
from pytest_querybudget.statements.model import Shape
from pytest_querybudget.statements.names import ValueNames
from pytest_querybudget.statements.normal import render
from pytest_querybudget.statements.scopes import unquote
from pytest_querybudget.statements.words import FIRST_WORDS, HARMLESS

_STARTED = frozenset(
    [
        "TRAN",
        "TRANSACTION",
        "WORK",
        "DEFERRED",
        "IMMEDIATE",
        "EXCLUSIVE",
        "CONCURRENT",
        "ISOLATION",
        "READ",
        "NOT",
        "DEFERRABLE",
    ]
)
_PARSED = frozenset(("select", "insert", "update", "delete"))
# Words between CREATE, ALTER, DROP or TRUNCATE and the name of a table.
_OF_TABLES = frozenset(("TABLE", "VIEW"))
_SKIPPED = frozenset(("IF", "NOT", "EXISTS", "ONLY"))


def from_text(sql: str, dialect: str = "") -> Shape:
    """Tell what a text is: its shape, kind, tables, columns, and what its parameters and literals are for.

    `dialect` is SQLAlchemy's name of it. Never raises; linear in the length of the text. What cannot be
    understood is `other` and opaque.
    """
    return replace(shape_of(tokenize(sql, dialect), ValueNames(dialect)), text=sql, dialect=dialect)


def shape_of(tokens: list[Token], names: ValueNames, keys: Keys | None = None) -> Shape:
    """Tell what tokens are; `keys` gives the unique keys of a table where they are known."""
    sql = render(tokens)
    if nesting(tokens) > MAX_NESTING:
        kind = kind_of(tokens)
        return Shape(sql, kind, volatile=True, opaque=kind != "select")
    parts = _split(tokens)
    if len(parts) <= 1:
        return _one(parts[0] if parts else [], sql, names, keys)
    return joined([_one(part, sql, names, keys) for part in parts], sql)


def _split(tokens: list[Token]) -> list[list[Token]]:
    """The statements of a text; a trigger's or a procedure's body stays whole."""
    if (OP, ";") not in tokens:
        return [tokens]
    if kind_of(tokens) not in (*_PARSED, "transaction"):
        return [tokens]
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == (OP, ";"):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _one(tokens: list[Token], sql: str, names: ValueNames, keys: Keys | None) -> Shape:
    kind = kind_of(tokens)
    if kind in _PARSED:
        return Analysis(tokens, names, keys).shape(sql)
    if kind == "ddl":
        table = _table_of_ddl(tokens)
        return Shape(sql, kind, writes=(table,) if table else (), table=table, volatile=True, opaque=True)
    if kind == "transaction":
        return Shape(sql, kind, volatile=True)
    return Shape(sql, kind, volatile=True, opaque=_is_opaque(tokens))


def kind_of(tokens: Sequence[Token]) -> str:
    """The kind that the first word tells; `WITH` is looked through to what follows its CTEs."""
    first = next((index for index, token in enumerate(tokens) if token != (OP, "(")), None)
    if first is None:
        return "other"
    word, following = tokens[first][1].upper(), tokens[first + 1][1].upper() if first + 1 < len(tokens) else ""
    if tokens[first][0] not in (KEYWORD, NAME):
        return "other"
    if word == "WITH":
        return "select"
    if word == "BEGIN":
        return "transaction" if following in ("", ";") or following in _STARTED else "other"
    if word == "PREPARE" and following == "TRANSACTION":
        return "transaction"
    return FIRST_WORDS.get(word, "other")


def _is_opaque(tokens: Sequence[Token]) -> bool:
    """Whether a statement of kind `other` may write; EXPLAIN ANALYZE runs what it explains."""
    if not tokens:
        return False
    word = tokens[0][1].upper()
    if word not in HARMLESS:
        return True
    if word != "EXPLAIN":
        return False
    words = {text.upper() for _, text in tokens[1:]}
    return bool(words & {"ANALYZE", "ANALYSE"}) and not words.isdisjoint(
        ("INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "EXECUTE", "REPLACE")
    )


def _table_of_ddl(tokens: Sequence[Token]) -> str | None:
    """The table that a CREATE, ALTER, DROP or TRUNCATE names."""
    words = [(kind, text.upper()) for kind, text in tokens[:12]]
    for index, (kind, word) in enumerate(words):
        is_truncated = word == "TRUNCATE" and (KEYWORD, "TABLE") not in words
        is_index = kind == KEYWORD and word == "ON" and any(text in ("INDEX", "TRIGGER") for _, text in words)
        if (kind == KEYWORD and word in _OF_TABLES) or is_truncated or is_index:
            for position in range(index + 1, len(words)):
                if words[position][0] == NAME:
                    return unquote(tokens[position][1])
                if words[position][1] not in _SKIPPED:
                    break
    return None
