"""An empty copy of a SQLite schema in memory: its catalog is read there, and indexes are tried there."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.advice import index_of
from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.parser import parse_statement
from pytest_querybudget.plans.reader import CannotIndex, CannotPlan, Link
from pytest_querybudget.recording.plans import Advice, ColumnInfo, ForeignKeyInfo, IndexInfo, TableInfo
from pytest_querybudget.values import dataclass

_KEPT = 16
_MISSING = re.compile(r"no such (function|collation sequence): (\S+)")
_VIEW = re.compile(r"\s*CREATE\s+(?:TEMP\s+|TEMPORARY\s+)?VIEW\s+.*?\bAS\b(?P<query>.*)\Z", re.IGNORECASE | re.DOTALL)
_WHERE = re.compile(r"\bWHERE\b(?P<condition>(?:[^'\"]|'[^']*'|\"[^\"]*\")*)\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Definitions:
    """What `sqlite_master` holds: (schema, type, name, sql), tables before indexes and views."""

    rows: tuple[tuple[str, str, str, str], ...]
    analyzed: bool
    digest: str


@dataclass(slots=True)
class SchemaCopies:
    """The copies of a run, by digest. The lock guards the copies only: nothing waits while it holds it."""

    kept: dict[str, SchemaCopy] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def of(self, link: Link) -> SchemaCopy:
        with self.lock:
            known = self.kept.get(link.fingerprint)
        return known or self.add(self.definitions(link))

    def add(self, definitions: Definitions) -> SchemaCopy:
        with self.lock:
            copy = self.kept.pop(definitions.digest, None) or SchemaCopy(definitions, self.lock)
            self.kept[definitions.digest] = copy
            while len(self.kept) > _KEPT:
                self.kept.pop(next(iter(self.kept))).close()
            return copy

    def definitions(self, link: Link) -> Definitions:
        names = [_text(row[1]) for row in link.rows("PRAGMA database_list")]
        names += [] if "temp" in names else ["temp"]
        rows: list[tuple[str, str, str, str]] = []
        analyzed = False
        for schema in names:
            master = "sqlite_temp_master" if schema == "temp" else f'"{schema}".sqlite_master'
            for kind, name, sql in link.rows(f"SELECT type, name, sql FROM {master}"):
                analyzed |= _text(name) == "sqlite_stat1"
                if sql is not None and not _text(name).startswith("sqlite_"):
                    rows.append((schema, _text(kind), _text(name), _text(sql)))
        rows.sort(key=lambda row: {"table": 0, "view": 1, "index": 2}.get(row[1], 3))
        digest = hashlib.blake2b(repr((rows, analyzed)).encode(errors="replace"), digest_size=12).hexdigest()
        return Definitions(tuple(rows), analyzed, digest)


class SchemaCopy:
    """One schema without rows and without statistics: SQLite then plans as for large tables."""

    def __init__(self, definitions: Definitions, lock: threading.RLock) -> None:
        self.analyzed = definitions.analyzed
        self.reason: str | None = None
        self.lock = lock
        self.connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.tables: dict[str, TableInfo] = {}
        self.views: dict[str, syntax.Query] = {}
        with lock:
            self.build(definitions)

    @property
    def usable(self) -> bool:
        return self.reason is None

    def close(self) -> None:
        self.connection.close()

    def build(self, definitions: Definitions) -> None:
        for schema in dict.fromkeys(row[0] for row in definitions.rows):
            if schema not in ("main", "temp"):
                self.connection.execute(f"ATTACH ':memory:' AS \"{schema}\"")
        for schema, kind, name, sql in definitions.rows:
            if kind == "trigger":
                continue
            try:
                self.tolerant(lambda sql=sql, schema=schema: self.connection.execute(_placed(sql, schema)))  # type: ignore[misc]
            except sqlite3.Error as error:
                if "already exists" not in str(error):  # the shadow tables of a virtual table come with it
                    self.reason = f"{kind} {name} cannot be made without the application"
                continue
            if kind == "view":
                self.keep_view(schema, name, sql)
        for schema, kind, name, _ in definitions.rows:
            if kind == "table":
                self.keep_table(schema, name)

    def keep_view(self, schema: str, name: str, sql: str) -> None:
        match = _VIEW.match(sql)
        try:
            query = parse_statement(match["query"]) if match else None
        except NotUnderstood:
            query = None
        if query is not None:
            self.views.setdefault(name.lower(), query)
            self.views[f"{schema}.{name}".lower()] = query

    def keep_table(self, schema: str, name: str) -> None:
        try:
            table = self.table(schema, name)
        except sqlite3.Error:
            return
        if schema == "temp" or name.lower() not in self.tables:
            self.tables[name.lower()] = table
        self.tables[f"{schema}.{name}".lower()] = table

    def table(self, schema: str, name: str) -> TableInfo:
        collations = self.collations(schema, name)
        columns = tuple(
            ColumnInfo(name=row[1], type=row[2].lower(), nullable=not row[3], collation=collations.get(row[1]))
            for row in self.pragma(schema, "table_xinfo", name)
        )
        keys: dict[int, list[Any]] = {}
        for row in self.pragma(schema, "foreign_key_list", name):
            keys.setdefault(row[0], []).append(row)
        return TableInfo(
            name=name,
            schema=schema if schema not in ("main", "temp") else None,
            columns=columns,
            indexes=tuple(self.indexes(schema, name)),
            foreign_keys=tuple(_foreign_key(name, sorted(rows, key=lambda row: row[1])) for rows in keys.values()),
        )

    def collations(self, schema: str, table: str) -> dict[str, str]:
        sql = self.one(f'SELECT sql FROM "{schema}".sqlite_master WHERE name = ?', table) if schema != "temp" else None
        found = re.findall(r'["`\[]?(\w+)["`\]]?\s+[^,]*?\bCOLLATE\s+["`]?(\w+)', sql or "", re.IGNORECASE)
        return {name: collation.upper() for name, collation in found}

    def indexes(self, schema: str, table: str) -> Iterator[IndexInfo]:
        primary = [row for row in self.pragma(schema, "table_xinfo", table) if row[5]]
        listed = self.pragma(schema, "index_list", table)
        if primary and not any(row[3] == "pk" for row in listed):
            key = tuple(row[1] for row in sorted(primary, key=lambda row: row[5]))
            yield IndexInfo(name="PRIMARY KEY", table=table, columns=key, unique=True, primary=True)
        for row in listed:
            name, unique, origin, partial = row[1], bool(row[2]), row[3], bool(row[4])
            parts = [part for part in self.pragma(schema, "index_xinfo", name) if part[5]]
            sql = (
                self.one(f'SELECT sql FROM "{schema}".sqlite_master WHERE name = ?', name) if schema != "temp" else None
            )
            where = _WHERE.search(sql or "")
            yield IndexInfo(
                name=name,
                table=table,
                columns=tuple(_columns(parts, sql)),
                unique=unique,
                primary=origin == "pk",
                predicate=(where["condition"].strip() if where else "?") if partial else None,
                descending=tuple(bool(part[3]) for part in parts),
                collations=tuple(part[4] for part in parts),
            )

    def pragma(self, schema: str, name: str, argument: str) -> list[Any]:
        escaped = argument.replace('"', '""')
        return self.connection.execute(f'PRAGMA "{schema}".{name}("{escaped}")').fetchall()

    def one(self, sql: str, *parameters: Any) -> str | None:
        row = self.connection.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def rows(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            rows: list[tuple[Any, ...]] = self.tolerant(
                lambda: self.connection.execute(sql, parameters or ()).fetchall()
            )
            return rows

    def rows_with(self, ddl: Sequence[str], sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        """Plan with these indexes.

        Raises `CannotIndex` when one cannot be made, `CannotPlan` when the statement cannot be planned.
        """
        with self.lock, self.rolled_back():
            for each in ddl:
                try:
                    self.tolerant(lambda each=each: self.connection.execute(each))  # type: ignore[misc]
                except sqlite3.Error as error:
                    raise CannotIndex(f"the index cannot be made ({type(error).__name__})") from None
            try:
                return self.rows(sql, parameters)
            except sqlite3.Error as error:
                raise CannotPlan(f"the copy of the schema cannot plan it ({type(error).__name__})") from None

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    def with_indexes(self, advice: Sequence[Advice]) -> SchemaCopy:
        return _Extended(self, advice)

    def tolerant(self, run: Callable[[], Any]) -> Any:
        """Run, with stand-ins for functions and collations that only the application's connections have."""
        for _ in range(20):
            try:
                return run()
            except sqlite3.OperationalError as error:
                missing = _MISSING.search(str(error))
                if missing is None:
                    raise
                self.stand_in(missing[1], missing[2])
        return run()

    def stand_in(self, kind: str, name: str) -> None:
        if kind == "function":
            self.connection.create_function(name.rstrip("()"), -1, lambda *_: None, deterministic=True)
        else:
            self.connection.create_collation(name, lambda left, right: (left > right) - (left < right))


class _Extended(SchemaCopy):
    """A copy as it looks with advised indexes, for reading a plan only."""

    def __init__(self, copy: SchemaCopy, advice: Sequence[Advice]) -> None:
        self.analyzed, self.reason, self.lock = copy.analyzed, copy.reason, copy.lock
        self.connection, self.views = copy.connection, copy.views
        self.tables = {name: _with_advice(table, advice) for name, table in copy.tables.items()}


def _with_advice(table: TableInfo, advice: Sequence[Advice]) -> TableInfo:
    name = f"{table.schema}.{table.name}" if table.schema else table.name
    added = tuple(index_of(each, table.name) for each in advice if each.table == name)
    if not added:
        return table
    return replace(table, indexes=table.indexes + added)


def _columns(parts: Sequence[Any], sql: str | None) -> Iterator[str]:
    """Names of an index's keys; those of expressions are read from its definition."""
    written = _keys(sql or "")
    for position, part in enumerate(parts):
        if part[2] is not None:
            yield part[2]
        else:
            yield written[position] if position < len(written) else "expression"


def _keys(sql: str) -> list[str]:
    """The texts between the commas of an index definition."""
    start = sql.find("(", sql.upper().find(" ON "))
    depth, keys, current = 0, [], ""
    for character in sql[start:] if start >= 0 else "":
        depth += (character == "(") - (character == ")")
        if depth == 0 or (depth == 1 and character == ","):
            keys.append(current.strip())
            current = ""
            if depth == 0:
                break
        elif depth > 1 or character != "(":
            current += character
    return keys


def _foreign_key(table: str, rows: Sequence[Any]) -> ForeignKeyInfo:
    targets = tuple(row[4] for row in rows)
    return ForeignKeyInfo(
        table=table,
        columns=tuple(row[3] for row in rows),
        target=rows[0][2],
        target_columns=targets if all(targets) else (),
    )


def _placed(sql: str, schema: str) -> str:
    """The definition with its schema: `sqlite_master` leaves it (and TEMP) out."""
    if schema == "main":
        return sql
    pattern = r"(\s*CREATE\s+(?:UNIQUE\s+)?(?:VIRTUAL\s+)?(?:TABLE|INDEX|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?)"
    return re.sub(pattern, rf'\1"{schema}".', sql, count=1, flags=re.IGNORECASE)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
