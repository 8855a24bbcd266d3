"""Rows that are fetched piece by piece arrive whole, and are counted, whatever the driver."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import URL, column, create_engine, delete, make_url, select, table, text
from sqlalchemy.engine import Connection

from pytest_querybudget import query_budget

ROWS = [1, 2, 3, 4, 5, 6, 7]
STATEMENT = select(column("id")).select_from(table("streamed")).order_by(column("id"))


def one_by_one(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    return [result.fetchone()[0] for _ in ROWS]


def by_two(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    return [row[0] for _ in range(4) for row in result.fetchmany(2)]


def by_parts(connection: Connection) -> list[int]:
    # Of a text, SQLAlchemy asks the driver for as many rows as it thinks best.
    result = connection.exec_driver_sql(str(STATEMENT), execution_options={"yield_per": 2})
    return [row[0] for part in result.partitions() for row in part]


def one_and_the_rest(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    first = result.fetchone()
    return [first[0], *[row[0] for row in result.all()]]


def two_and_the_rest(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    return [*[row[0] for row in result.fetchmany(2)], *[row[0] for row in result.fetchmany(20)]]


def one_and_parts(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    first = result.fetchone()
    return [first[0], *[row[0] for part in result.yield_per(2).partitions() for row in part]]


def two_and_parts(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    first = [result.fetchone()[0], result.fetchone()[0]]
    return [*first, *[row[0] for part in result.yield_per(2).partitions() for row in part]]


def mixed(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    found = [*result.fetchmany(2), result.fetchone(), result.fetchone(), *result.fetchmany(1), *result.all()]
    assert result.fetchmany(3) == []
    return [row[0] for row in found]


def to_the_end(connection: Connection) -> list[int]:
    result = connection.execute(STATEMENT)
    found = []
    while (row := result.fetchone()) is not None:
        found.append(row[0])
    return found


def in_partitions(connection: Connection) -> list[int]:
    return [row[0] for part in connection.execute(STATEMENT).partitions(3) for row in part]


def in_turn(connection: Connection) -> list[int]:
    """Who iterates goes on with the strategy there was at the beginning."""
    result = connection.execute(STATEMENT)
    first = next(iter(result))
    return [first[0], result.fetchone()[0], *[row[0] for row in result]]


WAYS: dict[str, Callable[[Connection], list[int]]] = {
    "all": lambda connection: [*connection.scalars(STATEMENT)],
    "one by one": one_by_one,
    "by two": by_two,
    "one and the rest": one_and_the_rest,
    "two and the rest": two_and_the_rest,
    "one and parts": one_and_parts,
    "two and parts": two_and_parts,
    "mixed": mixed,
    "to the end": to_the_end,
    "in partitions": in_partitions,
    "in turn": in_turn,
    "stream": lambda connection: [*connection.scalars(STATEMENT, execution_options={"stream_results": True})],
    "by parts": by_parts,
    "yield_per": lambda connection: [*connection.scalars(STATEMENT, execution_options={"yield_per": 2})],
}


@pytest.fixture(params=["sqlite", "postgresql+psycopg", "postgresql+psycopg2", "mysql+pymysql"])
def url(request: pytest.FixtureRequest) -> str | URL:
    name = request.param
    if name == "sqlite":
        return "sqlite://"
    fixture = "postgresql_url" if name.startswith("postgresql") else "mariadb_url"
    return make_url(request.getfixturevalue(fixture)).set(drivername=name)


@pytest.mark.parametrize("way", WAYS)
def test_rows_arrive_whole_and_are_counted(url: str | URL, way: str) -> None:
    """Three times the same seven rows, alone and in a block inside a block: nothing is lost, nothing counted twice."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE streamed (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO streamed VALUES (1), (2), (3), (4), (5), (6), (7)")
        with query_budget(max_queries=3, max_rows=7) as recording, query_budget(max_rows=7) as inner:
            for _ in range(3):
                assert WAYS[way](connection) == ROWS
    engine.dispose()
    assert [(each.count, each.rows, each.max_rows) for each in recording.statements()] == [(3, 21, 7)]
    assert [each.rows for each in inner.statements()] == [21]


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_one_recording_are_counted(url: str | URL, way: str) -> None:
    """The same without a block inside: what a single recording counts takes a shorter way."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE streamed (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO streamed VALUES (1), (2), (3), (4), (5), (6), (7)")
        with query_budget(max_queries=3, max_rows=7) as recording:
            for _ in range(3):
                assert WAYS[way](connection) == ROWS
    engine.dispose()
    assert [(each.count, each.rows, each.max_rows) for each in recording.statements()] == [(3, 21, 7)]


def test_rows_that_a_write_returns_are_counted(url: str | URL) -> None:
    """Also in a block inside a block; SQLAlchemy may fetch them itself, to know their number."""
    engine = create_engine(url)
    streamed = table("streamed", column("id"))
    texts = [text("DELETE FROM streamed WHERE id > 4 RETURNING id"), delete(streamed).returning(streamed.c.id)]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE streamed (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO streamed VALUES (1), (2), (3), (4), (5), (6), (7)")
        with query_budget(max_rows=4) as recording, query_budget(max_rows=4) as inner:
            assert [len(connection.execute(each).all()) for each in texts] == [3, 4]
    engine.dispose()
    assert [(each.rows, each.max_rows) for each in recording.statements()] == [(3, 3), (4, 4)]
    assert [each.rows for each in inner.statements()] == [3, 4]


@pytest.mark.parametrize("way", ["one", "first", "scalar_one", "one_or_none", "all", "fetchone"])
def test_one_row_is_one_row(way: str) -> None:
    """A result of one row is asked for a second one, or not."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE streamed (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO streamed VALUES (1)")
        with query_budget(max_queries=4, max_rows=1) as recording:
            for _ in range(4):
                getattr(connection.execute(STATEMENT), way)()
    engine.dispose()
    assert [(each.count, each.rows, each.max_rows) for each in recording.statements()] == [(4, 4, 1)]
