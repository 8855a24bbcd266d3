"""A scratch database with empty copies of tables, in which an index can be tried."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_querybudget.plans.mysql_catalog import Catalog, Key, Server, literal
from pytest_querybudget.plans.mysql_rewriting import moved
from pytest_querybudget.plans.mysql_statements import quote, read_text
from pytest_querybudget.plans.reader import CannotIndex, CannotPlan, Link
from pytest_querybudget.recording.plans import Advice, TableInfo
from pytest_querybudget.values import dataclass

#: What a large table looks like: with these figures a scan is never the cheaper way.
_ROWS, _KEYS, _PAGES = 1_000_000, 10_000, 20_000
_RENAMED = "querybudget_renamed"
_TAKEN = 100
_NO_TABLE = 1146


@dataclass(frozen=True, slots=True)
class Scratch:
    """A scratch database; `schemas` are those whose tables were copied into it, in lower case."""

    link: Link
    schema: str
    schemas: frozenset[str]
    tables: tuple[tuple[Key, TableInfo], ...]

    def moved(self, statement: str) -> str:
        """The statement with its qualified names pointing into the scratch database."""
        return moved(read_text(statement), dict.fromkeys(self.schemas, self.schema))

    def take_rows(self) -> None:
        """Copy a few rows, for a plan that depends on a row that is looked up. They never leave the server."""
        for (schema, table), info in self.tables:
            names = ", ".join(quote(each.name) for each in info.columns)
            source = f"{quote(schema)}.{quote(table)}"
            copy = f"INSERT IGNORE INTO {quote(table)} ({names}) SELECT {names} FROM {source} LIMIT {_TAKEN}"
            _attempt(self.link, copy.replace("%", "%%"), f"the rows of {table} cannot be copied")
            _pretend_size(self.link, self.schema, table)


@contextmanager
def scratch_copy(link: Link, server: Server, catalog: Catalog, advice: Sequence[Advice]) -> Iterator[Scratch]:
    """Copy the tables, empty and with their indexes, add the advised ones, and drop all of it at the end.

    `link` is a connection of its own: CREATE commits. Raises `CannotPlan` when the account may not, or an
    index cannot be.
    """
    tables = [key for key in catalog.tables if key not in catalog.views]
    _refuse_clashes(tables)
    schemas = frozenset(key[0].lower() for key in tables)
    entries = tuple((key, catalog.tables[key]) for key in tables)
    scratch = Scratch(link, f"querybudget_{uuid.uuid4().hex[:16]}", schemas, entries)
    _attempt(link, f"CREATE DATABASE {quote(scratch.schema)}", "the account may not create a scratch database")
    try:
        link.rows(f"USE {quote(scratch.schema)}")
        for schema, table in tables:
            copy = f"CREATE TABLE {quote(table)} LIKE {quote(schema)}.{quote(table)}".replace("%", "%%")
            _attempt(link, copy, f"{table} cannot be copied")
        for key, definition in reversed(list(catalog.views.items())):
            _copy_view(link, key, definition, scratch)
        for each in advice:
            if each.ddl:
                _make(link, scratch.moved(each.ddl).replace("%", "%%"))
        for _, table in tables:
            _pretend_size(link, scratch.schema, table)
        yield scratch
    finally:
        link.rows(f"DROP DATABASE IF EXISTS {quote(scratch.schema)}")
        if server.schema:
            link.rows(f"USE {quote(server.schema)}".replace("%", "%%"))


def _refuse_clashes(tables: Sequence[Key]) -> None:
    names = [table.lower() for _, table in tables]
    if len(set(names)) < len(names):
        raise CannotPlan("it reads tables of the same name in two schemas")


def _copy_view(link: Link, key: Key, definition: str, scratch: Scratch) -> None:
    body = scratch.moved(definition)
    _attempt(link, f"CREATE VIEW {quote(key[1])} AS {body}".replace("%", "%%"), "a view cannot be copied")


def _make(link: Link, ddl: str) -> None:
    try:
        _attempt(link, ddl, "the server refuses this index")
    except CannotPlan as reason:
        if f"error {_NO_TABLE}" in str(reason):
            raise CannotPlan("a temporary table is seen by its own connection only") from None
        raise CannotIndex(str(reason)) from None


def _attempt(link: Link, sql: str, reason: str) -> None:
    try:
        link.rows(sql)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        raise CannotPlan(f"{reason} ({_code(error)})") from None


def _code(error: Exception) -> str:
    """The server's number of an error: its text may hold values."""
    number = error.args[0] if error.args else None
    return f"error {number}" if isinstance(number, int) else type(error).__name__


def _pretend_size(link: Link, schema: str, table: str) -> None:
    """Make the planner take the empty copy for a large table, where the account may write InnoDB's statistics.

    Without that it still prefers an index it can use, and the proof is as good for anything but an order.
    """
    where = f"WHERE database_name = {literal(schema)} AND table_name = {literal(table)}"
    try:
        link.rows(
            f"UPDATE mysql.innodb_table_stats SET n_rows = {_ROWS}, clustered_index_size = {_PAGES},"
            f" sum_of_other_index_sizes = {_PAGES // 4} {where}"
        )
        link.rows(f"UPDATE mysql.innodb_index_stats SET stat_value = {_KEYS} {where} AND stat_name LIKE 'n_diff_pfx%%'")
        name, other = f"{quote(schema)}.{quote(table)}", f"{quote(schema)}.{quote(_RENAMED)}"
        # FLUSH TABLES alone reads them anew on MySQL only
        link.rows(f"FLUSH TABLES {name}".replace("%", "%%"))
        link.rows(f"RENAME TABLE {name} TO {other}, {other} TO {name}".replace("%", "%%"))
    except Exception:  # noqa: BLE001 - no right to do so; said above
        return
