"""What a statement is: its kind, tables, shape and columns."""

from __future__ import annotations

from typing import Any

from pytest_querybudget.statements.model import Bind, Shape
from pytest_querybudget.statements.normal import literals, normalise
from pytest_querybudget.statements.text import from_text
from pytest_querybudget.statements.verbs import verb_of

__all__ = ["Bind", "Shape", "from_compiled", "from_text", "literals", "normalise", "verb_of"]


def from_compiled(compiled: Any) -> Shape:
    """Tell what a compiled statement is; see `compiled.from_compiled`. Only this call imports SQLAlchemy."""
    from pytest_querybudget.statements import compiled as room

    return room.from_compiled(compiled)
