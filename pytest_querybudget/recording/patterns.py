"""How a pattern begins: with something that stands for anything, or with what an index could be searched for."""

from __future__ import annotations

import re

#: What may come first, of `LIKE`, of a regular expression and of `GLOB`.
ANYTHING = ("%", ".*", "*")
_REGULAR = re.compile(r"\^?\(*(?:\?:)?\.[*+]").match


def leading_wildcard(pattern: str) -> str:
    """Return the wildcard that a pattern begins with, as one of `ANYTHING`; nothing where it begins with none."""
    first = pattern[:1]
    if first in ("%", "*"):
        return first
    return ".*" if first in (".", "^", "(") and _REGULAR(pattern) else ""
