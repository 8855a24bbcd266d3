"""The columns of a result, and the patterns that cover them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from pytest_querybudget.recording.model import Statement


def columns_of(statement: Statement) -> tuple[str, ...]:
    """Return the result columns as `table.column`, or as the bare name where the table is not known.

    The compiled statement says which column each is; for a text, whose `*` says nothing, the cursor's names are
    taken, of the table where it reads only one.
    """
    known: tuple[str, ...] = statement.shape.facts.columns
    if len(known) == len(statement.columns) or not statement.columns:
        return known
    reads = statement.shape.facts.reads
    if len(reads) == 1:
        return tuple(f"{reads[0]}.{name}" for name in statement.columns)
    return statement.columns


def table_columns(statement: Statement) -> list[str]:
    """Return the result columns whose table is known, once each."""
    return list(dict.fromkeys(each for each in columns_of(statement) if "." in each))


def covered(column: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a pattern covers a column; one without a schema covers the table in any schema."""
    parts = column.split(".")
    names = {column, ".".join(parts[-2:])}
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
