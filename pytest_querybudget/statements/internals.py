"""What is taken from SQLAlchemy's compiled statements: the only module of this room that touches them.

All are attributes without an underscore, yet few are documented; each has its test in `tests/statements`.
A missing one costs accuracy and never an error: the text of the statement is always there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.sql import visitors


def text_of(compiled: Any) -> str:
    """The statement as it was compiled; IN lists and translated schemas are still marks in it."""
    return str(getattr(compiled, "string", None) or "")


def dialect_of(compiled: Any) -> str:
    """The name of the dialect, such as `"postgresql"`."""
    return str(getattr(getattr(compiled, "dialect", None), "name", ""))


def positions_of(compiled: Any) -> Sequence[str] | None:
    """The names of positional parameters in their order, or None where parameters have names."""
    names = getattr(compiled, "positiontup", None)
    return [str(name) for name in names] if names is not None else None


def numbers_of(compiled: Any, positions: Sequence[str] | None) -> Sequence[str] | None:
    """The names behind `$1`, `$2`: those of an IN list are numbered only once it is as long as it will be."""
    if positions is None:
        return None
    late = {getattr(each, "key", "") for each in getattr(compiled, "post_compile_params", ())}
    late |= {getattr(each, "key", "") for each in getattr(compiled, "literal_execute_params", ())}
    names = getattr(compiled, "bind_names", {})
    late |= {name for bind, name in names.items() if getattr(bind, "key", None) in late}
    return [name for name in positions if name not in late]


def real_names(compiled: Any) -> dict[str, str]:
    """What a driver forbids in a parameter's name is escaped in the text: escaped name to the name in `params`."""
    return {str(escaped): str(name) for name, escaped in (getattr(compiled, "escaped_bind_names", None) or {}).items()}


def is_text(compiled: Any) -> bool:
    """Whether the application wrote the text itself, so that its literals may differ from one to the next."""
    return getattr(getattr(compiled, "statement", None), "__visit_name__", "") in ("textclause", "text")


def typed_columns(compiled: Any) -> tuple[str, ...]:
    """The columns that `text(...).columns(...)` declares."""
    statement = getattr(compiled, "statement", None)
    if getattr(statement, "__visit_name__", "") != "textual_select":
        return ()
    return tuple(_described(each) for each in getattr(statement, "column_args", ()))


def _described(column: Any) -> str:
    table = getattr(column, "table", None)
    name = str(getattr(column, "name", column))
    return f"{table.fullname}.{name}" if isinstance(table, Table) else name


def metadata_of(compiled: Any) -> MetaData | None:
    """The `MetaData` of the first table that the statement names."""
    state = getattr(compiled, "compile_state", None)
    for statement in (getattr(state, "statement", None), getattr(compiled, "statement", None)):
        if statement is None:
            continue
        for element in visitors.iterate(statement):
            table = element if isinstance(element, Table) else getattr(element, "table", None)
            if isinstance(table, Table):
                return table.metadata
    return None


def unique_keys(metadata: MetaData, name: str) -> Iterable[frozenset[str]]:
    """The primary key and the unique constraints and indexes of a table, as sets of column names."""
    table = metadata.tables.get(name)
    if table is None:
        return
    for constraint in table.constraints:
        if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)) and len(constraint.columns):
            yield frozenset(str(column.name) for column in constraint.columns)
    for index in table.indexes:
        is_partial = any(options.get("where") is not None for options in index.dialect_options.values())
        if index.unique and not is_partial and len(index.expressions) == len(index.columns):
            yield frozenset(str(column.name) for column in index.columns)
