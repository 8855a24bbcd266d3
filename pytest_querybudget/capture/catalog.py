"""The columns that the application's metadata knows, to find a pattern that can match nothing."""

from __future__ import annotations

import difflib
import gc
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import MetaData


def engine_exists() -> bool:
    """Return whether there is a SQLAlchemy engine in the process."""
    base = sys.modules.get("sqlalchemy.engine.base")
    return base is not None and any(issubclass(type(each), base.Engine) for each in gc.get_objects())


def known_columns() -> list[str]:
    """Return `table.column` for every table of every `MetaData` in the process."""
    names: set[str] = set()
    for each in gc.get_objects():
        if type(each) is MetaData or (isinstance(type(each), type) and issubclass(type(each), MetaData)):
            for table in each.tables.values():
                names.update(f"{table.name}.{column.name}" for column in table.columns)
                names.update(f"{table.fullname}.{column.name}" for column in table.columns)
    return sorted(names)


def check_patterns(budgets: Mapping[str, Any]) -> None:
    """Raise `LookupError` for a pattern that matches no known column."""
    columns = known_columns()
    if not columns:
        return
    for nodeid, budget in budgets.items():
        for declaration in budget.declarations.values():
            for pattern in declaration.options.patterns if declaration.rule.names_columns else ():
                if declaration.on_test and not any(fnmatchcase(each, pattern) for each in columns):
                    near = difflib.get_close_matches(pattern, columns, n=3) or columns[:5]
                    raise LookupError(
                        f"{nodeid}: {declaration.rule.name} got {pattern!r}, but no column of the metadata matches it; "
                        f"near it are: {', '.join(near)}"
                    )
