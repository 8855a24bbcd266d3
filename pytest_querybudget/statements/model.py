"""What is known of a statement before it runs: plain values that never change."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pytest_querybudget.recording.structure import Schema, Structure
from pytest_querybudget.statements.words import CATALOG_TABLES, CATALOGS, MORE_CATALOGS
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Bind:
    """One bound parameter or literal of a statement, and what it is for.

    `name` is the key in an execution's `compiled_parameters`, where a list after IN stands as `name_1`, `name_2` and
    so on; for a positional placeholder of a text its index
    among the driver's parameters, for a literal its index in `literals(sql)` (then `literal` is true).
    `column` is `"table.column"` with the real table; a text's column that cannot be placed stays as it is written.
    `role` is `"equal"`, `"in"`, `"range"`, `"like"`, `"limit"`, `"offset"`, `"value"` (INSERT, SET) or `"other"`.
    """

    name: str
    column: str | None
    role: str
    literal: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What all executions of one statement have in common, whatever its values.

    `sql` is for people: no comments, no literals, one row of VALUES, `IN (...)`.
    `kind` is `select`, `insert`, `update`, `delete`, `ddl`, `transaction` or `other`; MERGE is an update,
    REPLACE an insert, SELECT INTO and TRUNCATE are ddl, and a SELECT whose CTE writes is what that CTE is.
    `writes` are the targets, `reads` all other tables; a target is read only where it is named again.
    `table` is the leading table of a SELECT or the target of a write.
    `unique`: equality on a whole primary key or unique constraint leaves one row at most. `aggregate`: a result
    of aggregate functions without GROUP BY is one row. Both are false when it is not known.
    `volatile`: the same statement may answer otherwise although nothing was written: it reads no table,
    or asks for time, random numbers, sequences, locks or the session's state.
    `opaque`: what it writes cannot be known; treat it as having written everything.
    `text`, `dialect` and `schema` are what `structure` is read from; the text has its literals and is never shown.
    `metadata` is a weak reference to what the application's code says of its tables, None where the text says all.
    """

    sql: str
    kind: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    unique: bool = False
    limited: bool = False
    ordered: bool = False
    locking: bool = False
    volatile: bool = False
    table: str | None = None
    opaque: bool = False
    aggregate: bool = False
    text: str = field(default="", compare=False, repr=False)
    dialect: str = field(default="", compare=False, repr=False)
    schema: Schema = field(default_factory=Schema, compare=False, repr=False)
    metadata: Any = field(default=None, compare=False, repr=False)

    @property
    def asks_the_catalog(self) -> bool:
        """Whether it reads nothing but the database's own catalog, as reflection does."""
        begins = (*CATALOGS, *MORE_CATALOGS.get(self.dialect, ()))
        names = [each.lower() for each in self.reads]
        return bool(names) and all(
            each.startswith(begins) or each.rpartition(".")[2].strip("[]") in CATALOG_TABLES for each in names
        )

    def structure(self) -> Structure:
        """Say how a SELECT is put together: read anew each time, by the few rules that look so closely."""
        from pytest_querybudget.statements.outline import structure_of

        return structure_of(self.text, self.dialect, self.schema)
