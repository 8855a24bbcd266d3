"""Verdicts on SQLite and PostgreSQL: the same for empty, small and large tables, and advice that the planner takes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection

from pytest_querybudget.plans.planner import Planner
from pytest_querybudget.plans.postgresql import PostgresqlReader
from pytest_querybudget.plans.sqlite import SqliteReader
from pytest_querybudget.recording.plans import Plan, Planned
from tests.plans.corpus import COMMON, TABLES, Case, cases_for, fill_statements
from tests.plans.postgresql_servers import scratch

SMALL = (0, 30)
LARGE = 20_000


def fill(connection: Connection, dialect: str, rows: int) -> None:
    for statement in (TABLES[dialect] + COMMON).split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    for statement in fill_statements(dialect, rows):
        connection.exec_driver_sql(statement if dialect == "sqlite" else statement.replace("%", "%%"))
    if rows:
        connection.exec_driver_sql("ANALYZE")


def sql_of(case: Case, dialect: str) -> str:
    return case.sql if dialect == "sqlite" else case.sql.replace("%", "%%").replace("?", "%s")


def planned(planner: Planner, connection: Connection, case: Case) -> Plan:
    answer = planner.plan(connection, sql_of(case, connection.dialect.name), case.parameters)
    assert isinstance(answer, Planned), answer
    return answer.plan


def check(case: Case, plan: Plan) -> None:
    """The verdict, the index and the advice."""
    scans = {str(node.table) for node in plan.root.walk() if node.reads_everything_in_vain}
    either = {name for each in case.scans for name in each.split("|")}
    shown = f"{plan.text}\n{[(each.ddl, each.note) for each in plan.advice]}"
    assert scans <= either, shown
    assert bool(scans) == bool(case.scans), shown
    assert {sort.table for sort in plan.sorts} == set(case.sorts), shown
    if case.uses:
        assert case.uses in plan.indexes_used, f"{shown}\n{plan.indexes_used}"
    for table, columns in case.advice.items():
        given = [each for each in plan.advice if each.table == table and each.ddl]
        assert given, shown
        assert {each.columns for each in given} == {columns}, shown
        assert all(each.proof and each.proof.verdict == "proven" for each in given), shown
    if case.kind:
        assert case.kind in {each.kind for each in plan.advice}, shown


# -- SQLite


@pytest.fixture(scope="module", params=[*SMALL, LARGE], ids=lambda rows: f"{rows}-rows")
def sqlite(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A SQLite database with so many rows, analyzed."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        fill(connection, "sqlite", request.param)
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner.of([SqliteReader(), PostgresqlReader()])


@pytest.mark.parametrize("case", cases_for("sqlite"), ids=lambda case: case.name)
def test_sqlite_verdict_does_not_depend_on_size(sqlite: Connection, planner: Planner, case: Case) -> None:
    """Tables of 0, 30 and 20,000 rows get the same verdict."""
    check(case, planned(planner, sqlite, case))


@pytest.fixture(scope="module")
def large_sqlite() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        fill(connection, "sqlite", LARGE)
        yield connection
    engine.dispose()


@pytest.mark.parametrize("case", [each for each in cases_for("sqlite") if each.advice], ids=lambda case: case.name)
def test_sqlite_takes_the_advised_index_on_large_tables(large_sqlite: Connection, planner: Planner, case: Case) -> None:
    """With 20,000 rows and statistics, SQLite reads the table whole without the index, and uses it once it is there."""
    plan = planned(planner, large_sqlite, case)
    wanted = {str(each.name): str(each.ddl) for each in plan.advice if each.ddl}
    before = sqlite_plan(large_sqlite, case)
    nested = large_sqlite.begin_nested()
    try:
        for ddl in wanted.values():
            large_sqlite.exec_driver_sql(ddl)
        for table in plan.tables:
            large_sqlite.exec_driver_sql(f'ANALYZE "{table.name}"')
        after = sqlite_plan(large_sqlite, case)
    finally:
        nested.rollback()
    assert not any(name in before for name in wanted)
    assert all(name in after for name in wanted), after


def sqlite_plan(connection: Connection, case: Case) -> str:
    rows: Any = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {case.sql}", case.parameters)
    return "\n".join(row[3] for row in rows)


# -- PostgreSQL


@contextmanager
def filled(url: URL, rows: int) -> Iterator[Connection]:
    """A database of its own with so many rows, analyzed."""
    with scratch(url, f"querybudget_corpus_{os.getpid()}_{uuid.uuid4().hex[:8]}") as found:
        engine = create_engine(found)
        with engine.connect() as connection:
            fill(connection, "postgresql", rows)
            connection.commit()
            yield connection
            connection.rollback()
        engine.dispose()


@pytest.fixture(scope="module", params=[*SMALL, LARGE], ids=lambda rows: f"{rows}-rows")
def postgresql_rows(request: pytest.FixtureRequest, postgresql: URL) -> Iterator[Connection]:
    """A PostgreSQL database with so many rows."""
    with filled(postgresql, request.param) as connection:
        yield connection


@pytest.mark.parametrize("case", cases_for("postgresql"), ids=lambda case: case.name)
def test_postgresql_verdict_does_not_depend_on_size(postgresql_rows: Connection, case: Case) -> None:
    """Tables of 0, 30 and 20,000 rows get the same verdict."""
    check(case, planned(Planner.of([PostgresqlReader()]), postgresql_rows, case))


@pytest.fixture(scope="module")
def large_postgresql(postgresql: URL) -> Iterator[Connection]:
    with filled(postgresql, LARGE) as connection:
        yield connection


@pytest.mark.parametrize(
    "case", [each for each in cases_for("postgresql") if each.advice and not each.untrue], ids=lambda case: case.name
)
def test_postgresql_takes_the_advised_index_on_large_tables(large_postgresql: Connection, case: Case) -> None:
    """With 20,000 rows, statistics and no setting changed, PostgreSQL uses the index once it is there."""
    plan = planned(Planner.of([PostgresqlReader()]), large_postgresql, case)
    wanted = {str(each.name): each for each in plan.advice if each.ddl}
    before = postgresql_plan(large_postgresql, case)
    nested = large_postgresql.begin_nested()
    try:
        for each in wanted.values():
            large_postgresql.exec_driver_sql(str(each.ddl))
        for table in {each.table for each in wanted.values()}:
            quoted = ".".join(f'"{part}"' for part in table.split("."))
            large_postgresql.exec_driver_sql(f"ANALYZE {quoted}")
        after = postgresql_plan(large_postgresql, case)
    finally:
        nested.rollback()
    parts = {
        f"{table}_{'_'.join(each.columns)}_idx" for each in wanted.values() for table in ("events_2023", "events_2024")
    }
    assert not any(name in before for name in wanted)
    assert any(name in after for name in {*wanted, *parts}), after


def postgresql_plan(connection: Connection, case: Case) -> str:
    rows: Any = connection.exec_driver_sql(f"EXPLAIN {sql_of(case, 'postgresql')}", case.parameters)
    return "\n".join(row[0] for row in rows)
