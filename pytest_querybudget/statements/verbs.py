"""What statements are called that say as much together as apart: those of one verb, such as the DDL of `create_all`."""

from __future__ import annotations

from pytest_querybudget.statements.words import HARMLESS, OBJECTS

# How far behind the first word the kind of object stands: CREATE OR REPLACE GLOBAL TEMPORARY TABLE.
_FURTHEST = 6


def verb_of(kind: str, sql: str) -> str:
    """Return `CREATE TABLE`, `TRUNCATE`, `PRAGMA` and so on, empty for what is never told together.

    That is what reads or writes rows, and what has effects of its own, such as CALL.
    """
    words = sql.upper().split(None, _FURTHEST)[:_FURTHEST]
    if kind == "other":
        return words[0] if words and words[0] in HARMLESS else ""
    if kind != "ddl" or not words:
        return ""
    last = next((index for index, each in enumerate(words) if each in OBJECTS), 0)
    return " ".join(words[: last + 1]) if words[0] in ("CREATE", "ALTER", "DROP") else words[0]
