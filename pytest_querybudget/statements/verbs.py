"""What statements are called that say as much together as apart: those of one verb, such as the DDL of `create_all`."""

from __future__ import annotations

import re

from pytest_querybudget.statements.words import HARMLESS, MODIFIERS

# What MySQL has between CREATE and the kind of object, names included.
_NAME = r"(?:`[^`]*`|\S+?)"
_ATTRIBUTES = re.compile(rf"\b(?:DEFINER\s*=\s*{_NAME}(?:\s*@\s*{_NAME})?|ALGORITHM\s*=\s*\w+|SQL SECURITY \w+)\s")
_WORDS = re.compile(r"[A-Z]+|[^A-Z\s]\S*").findall
# More than any statement has before the name of what it makes.
_MOST_WORDS = 12


def verb_of(kind: str, sql: str) -> str:
    """Return `CREATE TABLE`, `TRUNCATE`, `PRAGMA` and so on, empty for what is never told together.

    That is what reads or writes rows, and what has effects of its own, such as CALL.
    """
    words: list[str] = _WORDS(_ATTRIBUTES.sub("", sql[:1000].upper()))[:_MOST_WORDS]
    if not words or kind not in ("ddl", "other"):
        return ""
    if kind == "other":
        return words[0] if words[0] in HARMLESS else ""
    if words[0] not in ("CREATE", "ALTER", "DROP"):
        return words[0]
    # The first word that is no modifier is the kind of object.
    last = next((index for index, each in enumerate(words) if index and each not in MODIFIERS), 0)
    return " ".join(words[: last + 1])
