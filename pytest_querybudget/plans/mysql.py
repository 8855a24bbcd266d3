"""The plan reader of MySQL 8 and MariaDB 10.6 and later.

EXPLAIN runs before the statement itself: it resets FOUND_ROWS(), ROW_COUNT() and the list of warnings, which the
statement sets anew. It is not harmless of itself, tried on MariaDB 10.11: constant calls of stored functions are
executed, and a locking read, or a write that joins or has a subquery, takes row locks while it is planned. So calls
of stored functions are refused, and what would lock is planned as a plain SELECT on a connection of its own.

Whether an index could serve is asked of the planner: where it reads a small table whole although an index begins with
a column that is asked for, it is asked again with FORCE INDEX, under which a scan is the last resort.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, cast

from pytest_querybudget.plans.mysql_catalog import (
    Key,
    Server,
    fingerprint,
    read_catalog,
    read_server,
    table_names,
)
from pytest_querybudget.plans.mysql_rewriting import Piece, as_reading, assemble
from pytest_querybudget.plans.mysql_scratch import scratch_copy
from pytest_querybudget.plans.mysql_session import Session
from pytest_querybudget.plans.mysql_statements import quote, read_text, refuse_acting, takes_locks
from pytest_querybudget.plans.reader import CannotPlan, Link, Question, Traits
from pytest_querybudget.recording.plans import Advice, Plan, TableInfo

#: What the planner has looked up instead of planning it.
_AT_ONCE = re.compile(r"const table|No matching min/max row|Select tables optimized away")


class MySQLReader:
    """EXPLAIN FORMAT=JSON of MySQL and MariaDB; which of them it is, the server says."""

    dialects = ("mysql", "mariadb")
    has_costs = True
    traits = Traits(dialect="mysql", quote="`")

    def fingerprint(self, link: Link) -> str:
        """A digest of the tables and indexes of the default schema."""
        _refuse_streaming(link)
        return fingerprint(_Tuples(link))

    def place(self, link: Link) -> str:
        """The default database."""
        _refuse_streaming(link)
        return read_server(_Tuples(link)).schema

    def table_names(self, link: Link) -> Sequence[str]:
        """All tables and views that the account sees; those of other schemas are qualified."""
        link = _Tuples(link)
        return table_names(link, read_server(link))

    def explain(self, link: Link, question: Question) -> Plan:
        """Plan without executing. Raises `CannotPlan`, or the driver's error when the database refuses."""
        _refuse_streaming(link)
        link = _Tuples(link)
        text = read_text(question.statement)
        refuse_acting(text)
        if not takes_locks(text, question.kind):
            if question.kind == "insert":
                raise CannotPlan("an INSERT of values reads no table")
            return Session(link, read_server(link)).plan(text, question.parameters)
        statement, parameters = assemble(text, question.parameters, as_reading(text, question.kind))
        with _aside(link, "EXPLAIN of it would take locks") as other:
            return Session(other, read_server(other)).plan(read_text(statement), parameters)

    def replan(self, link: Link, question: Question, advice: Sequence[Advice]) -> Plan:
        """Plan on empty copies of the tables with the advised indexes, in a scratch database that is dropped again."""
        text = read_text(question.statement)
        refuse_acting(text)
        pieces: list[Piece] = (
            as_reading(text, question.kind) if takes_locks(text, question.kind) else [(0, len(text.sql))]
        )
        statement, parameters = assemble(text, question.parameters, pieces)
        with _aside(link, "an index can only be created elsewhere") as other:
            session = Session(other, read_server(other))
            names = session.names_of(read_text(statement))
            with scratch_copy(other, session.server, names.catalog, advice) as copied:
                server = replace(session.server, schema=copied.schema)
                copy = Session(other, server)
                moved = read_text(copied.moved(statement))
                plan = copy.plan(moved, parameters)
                if _stops_early(plan):
                    copied.take_rows()
                    plan = copy.plan(moved, parameters)
                if _stops_early(plan):
                    raise CannotPlan("without the rows the planner stops at a constant")
                return plan

    def tables(self, link: Link, names: Sequence[str]) -> Sequence[TableInfo]:
        """The catalog's entries; a name may be qualified with its schema."""
        link = _Tuples(link)
        server = read_server(link)
        keys = [_key(name, server) for name in names]
        found = read_catalog(link, server, keys).tables
        return [found[key] for key in keys if key in found]


def _key(name: str, server: Server) -> Key:
    schema, dot, table = name.rpartition(".")
    return (schema, table) if dot else (server.schema, name)


def _refuse_streaming(link: Link) -> None:
    """A driver reads an unbuffered result from the socket: another statement would throw the rest of it away.

    PyMySQL, aiomysql and asyncmy show it; with mysqlclient only the link can know (`streaming`).
    """
    driver = getattr(link.connection, "_connection", link.connection)
    if getattr(link, "streaming", False) or getattr(getattr(driver, "_result", None), "unbuffered_active", False):
        raise CannotPlan("rows of another statement are still streaming on this connection")


class _Tuples:
    """A link whose rows are tuples, whatever cursor class the application has given to its connection."""

    def __init__(self, link: Link) -> None:
        self.link: Link = link.link if isinstance(link, _Tuples) else link
        self.connection = link.connection
        self.dialect = link.dialect
        self.driver = link.driver
        self.server_version = link.server_version
        self.fingerprint = getattr(link, "fingerprint", "")

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """As `Link.rows`."""
        found: list[Any] = self.link.rows(sql, parameters)
        return [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in found]


@contextmanager
def _aside(link: Link, why: str) -> Iterator[Link]:
    """A second connection, if the link can open one: it waits for no lock and sees what is not committed."""
    link = _Tuples(link)
    opener = getattr(link.link, "aside", None)
    if opener is None:
        raise CannotPlan(f"{why}, and no second connection can be opened")
    schema = read_server(link).schema
    with cast("Callable[[], AbstractContextManager[Link]]", opener)() as opened:
        other = _Tuples(opened)
        other.rows("SET SESSION autocommit = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1")
        other.rows("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        if schema:
            other.rows(f"USE {quote(schema)}".replace("%", "%%"))
        yield other


def _stops_early(plan: Plan) -> bool:
    return any(_AT_ONCE.search(node.detail or "") for node in plan.root.walk())
