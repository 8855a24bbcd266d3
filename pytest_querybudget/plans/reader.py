"""What a plan reader is: one per database, found through the hook `pytest_querybudget_plan_readers`.

A reader gets a `Link`, its own way to the database behind the application's connection, and must leave
nothing behind: no setting, savepoint, lock or temporary object. What it cannot do it says by `CannotPlan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_querybudget.findings.model import Proof
from pytest_querybudget.recording.plans import Advice, Plan, TableInfo


class CannotPlan(Exception):  # noqa: N818 - it is an answer, not an error
    """There is no plan; the argument is the reason as half a sentence, without any value in it."""


class Link(Protocol):
    """Raw SQL on the application's own DBAPI connection, unseen by SQLAlchemy's events.

    `connection` is the DBAPI connection (SQLAlchemy's adapted one for an async driver), `driver` the
    name of SQLAlchemy's driver (`psycopg`, `asyncpg`, `aiosqlite` ...), `paramstyle` that of the statements.
    """

    connection: Any
    dialect: str
    driver: str
    server_version: tuple[int, ...]
    autocommit: bool

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Execute through a cursor of its own and fetch all rows; errors of the driver are raised as they are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The statement to plan, exactly as the driver will get it. `kind` is select, insert, update or delete."""

    statement: str
    parameters: Any
    kind: str


class PlanReader(Protocol):
    """Turns one database's EXPLAIN into `Plan`. Instances may keep caches; they live as long as the run."""

    #: Names of SQLAlchemy dialects (`postgresql`, `mysql`, `mariadb`, `sqlite`).
    dialects: tuple[str, ...]
    #: Whether plans have a cost (`max_cost` is an error where they have none).
    has_costs: bool

    def fingerprint(self, link: Link) -> str:
        """A digest of the schema: equal schemas plan equally. Called once after each DDL; may be empty."""
        ...

    def explain(self, link: Link, question: Question) -> Plan:
        """Plan the statement without executing it, judged as for a large table, without advice.

        Raises `CannotPlan`, or the driver's error when the database refuses.
        """
        ...

    def advise(self, link: Link, question: Question, plan: Plan) -> Sequence[Advice]:
        """What would mend the plan, one for each bad read or sort, not yet tried (see `advice.advise`)."""
        ...

    def prove(self, link: Link, question: Question, plan: Plan, advice: Advice) -> Proof:
        """Try one piece of advice and take it back. `verdict` is `proven`, `refuted` or `untried`, with the reason."""
        ...

    def tables(self, link: Link, names: Sequence[str]) -> Sequence[TableInfo]:
        """Columns, indexes and foreign keys of these tables (as in `Node.table`); unknown ones are left out."""
        ...
