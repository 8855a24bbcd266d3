"""What a statement is: its kind, tables, shape and columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_querybudget.statements.model import Bind, Shape
from pytest_querybudget.statements.normal import literals, normalise
from pytest_querybudget.statements.text import from_text
from pytest_querybudget.statements.verbs import verb_of

__all__ = ["Bind", "Shape", "from_compiled", "from_text", "literals", "may_differ", "normalise", "verb_of"]


def from_compiled(compiled: Any) -> Shape:
    """Tell what a compiled statement is; see `compiled.from_compiled`. Only this call imports SQLAlchemy."""
    from pytest_querybudget.statements import compiled as room

    return room.from_compiled(compiled)


def may_differ(read: Shape, since: Sequence[Shape], written: Iterable[Shape]) -> bool:
    """Tell whether a SELECT may answer otherwise after some writes; see `tables.may_differ`."""
    from pytest_querybudget.statements import tables as room

    return room.may_differ(read, since, written)
