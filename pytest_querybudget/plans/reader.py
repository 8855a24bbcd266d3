"""What a plan reader is: one per database, found through the hook `pytest_querybudget_plan_readers`.

A reader gets a `Link`, its own way to the database behind the application's connection, and must leave
nothing behind: no setting, savepoint, lock or temporary object. What it cannot do it says by `CannotPlan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from pytest_querybudget.recording.plans import Advice, Plan, TableInfo
from pytest_querybudget.values import dataclass


class CannotPlan(Exception):  # noqa: N818 - it is an answer, not an error
    """There is no plan; the argument is the reason as half a sentence, without any value in it."""


class CannotIndex(CannotPlan):
    """The database refuses the index itself, so it is no advice."""


class Link(Protocol):
    """Raw SQL on the application's own DBAPI connection, unseen by SQLAlchemy's events.

    `connection` is the DBAPI connection (SQLAlchemy's adapted one for an async driver), `driver` the
    name of SQLAlchemy's driver (`psycopg`, `asyncpg`, `aiosqlite` ...). The planner's link also has `aside()`, a
    context manager with a second connection to the same database.
    """

    connection: Any
    dialect: str
    driver: str
    server_version: tuple[int, ...]
    #: What `PlanReader.fingerprint` said last; empty while it is asked.
    fingerprint: str

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Execute through a cursor of its own and fetch all rows; errors of the driver are raised as they are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The statement to plan, exactly as the driver will get it. `kind` is select, insert, update or delete."""

    statement: str
    parameters: Any
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What indexes a database has, and how its names are quoted.

    `dialect` prefixes the options of SQLAlchemy's `Index` (`postgresql_where`). `pattern` is what a key needs to serve
    LIKE 'x%': nothing (`plain`), an operator class, or `COLLATE NOCASE`. `index_schema` when the schema is written
    before the index's name and not before the table's (SQLite). `nulls_ordered` when a key says where its NULLs go,
    and an order that wants them elsewhere is not served.
    """

    dialect: str
    quote: str = '"'
    partial: bool = False
    expressions: bool = False
    gin: bool = False
    trigram: bool = False
    pattern: Literal["plain", "opclass", "nocase"] = "plain"
    index_schema: bool = False
    nulls_ordered: bool = False


class PlanReader(Protocol):
    """Turns one database's EXPLAIN into `Plan`. Instances may keep caches; they live as long as the run."""

    @property
    def dialects(self) -> tuple[str, ...]:
        """Names of SQLAlchemy dialects (`postgresql`, `mysql`, `mariadb`, `sqlite`)."""

    @property
    def has_costs(self) -> bool:
        """Whether plans have a cost (`max_cost` is an error where they have none)."""

    @property
    def traits(self) -> Traits:
        """What indexes of this database can do, for `advice.problems_of`."""

    def fingerprint(self, link: Link) -> str:
        """A digest of the schema: equal schemas plan equally. Called once after each DDL; may be empty."""
        ...

    def place(self, link: Link) -> str:
        """Where this connection looks up names without a schema; may be empty.

        Called before each plan, but only once a statement like `SET search_path` or `USE` has been seen.
        """
        ...

    def explain(self, link: Link, question: Question) -> Plan:
        """Plan the statement without executing it, judged as for a large table, without advice.

        Raises `CannotPlan`, or the driver's error when the database refuses.
        """
        ...

    def replan(self, link: Link, question: Question, advice: Sequence[Advice]) -> Plan:
        """Plan the statement as if the indexes of `advice` (all have `ddl` and `name`) existed, and take them back.

        Called by `proof.prove`, which advises on the plan, tries, and keeps what the planner then uses; an index
        goes by its `Advice.name` in the result. Raises `CannotPlan` with the reason when it cannot be tried here, and
        `CannotIndex` when there can be no such index.
        """
        ...

    def tables(self, link: Link, names: Sequence[str]) -> Sequence[TableInfo]:
        """Columns, indexes and foreign keys of these tables (as in `Node.table`); unknown ones are left out."""
        ...

    def table_names(self, link: Link) -> Sequence[str]:
        """The names of all tables, as in `Node.table`, for checks of what users name."""
        ...
