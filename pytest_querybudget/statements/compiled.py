"""What a statement is, from the compiled statement that SQLAlchemy made of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import ref

from pytest_querybudget.statements import internals
from pytest_querybudget.statements.lexer import tokenize
from pytest_querybudget.statements.model import Bind, Shape
from pytest_querybudget.statements.names import ValueNames
from pytest_querybudget.statements.schema import schema_of
from pytest_querybudget.statements.text import from_text, shape_of

_log = logging.getLogger(__name__)


def from_compiled(compiled: Any) -> Shape:
    """Tell what a compiled statement is: the text that it renders, with what its tables are known to be.

    The text is the one place where Core, ORM, custom constructs and every dialect look alike; the parameters' names
    are those of `compiled.params`, and primary keys and unique constraints come from the tables' `MetaData`.
    Never raises: what is missing in `compiled` is done without.
    """
    try:
        return _from_compiled(compiled)
    except Exception:  # noqa: BLE001 - a construct of somebody else's may raise anything when it is looked at
        _log.debug("a compiled statement could not be read, its text is", exc_info=True)
        return from_text(internals.text_of(compiled), internals.dialect_of(compiled))


def _from_compiled(compiled: Any) -> Shape:
    dialect = internals.dialect_of(compiled)
    positions = internals.positions_of(compiled)
    names = ValueNames(dialect, positions, internals.numbers_of(compiled, positions))
    metadata = internals.metadata_of(compiled)
    keys = partial(internals.unique_keys, metadata) if metadata is not None else None
    text = internals.text_of(compiled)
    shape = shape_of(tokenize(text, dialect), names, keys)
    return replace(
        shape,
        binds=_named(shape.binds, internals.real_names(compiled), internals.is_text(compiled)),
        columns=internals.typed_columns(compiled) or shape.columns,
        text=text,
        dialect=dialect,
        metadata=None if metadata is None else ref(metadata),
        schema=schema_of(compiled, metadata, shape.reads) if shape.kind == "select" else shape.schema,
    )


def _named(binds: tuple[Bind, ...], real: dict[str, str], with_literals: bool) -> tuple[Bind, ...]:
    """Literals that a construct renders are the same in each execution of it: only a text's own are kept."""
    kept = binds if with_literals else tuple(each for each in binds if not each.literal)
    if not real:
        return kept
    return tuple(replace(each, name=real.get(each.name, each.name)) for each in kept)
