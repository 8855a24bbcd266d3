"""Statistics: a planner that has not counted the rows guesses how many a filter leaves.

For PostgreSQL, where plans have costs: `QUERYBUDGET_TEST_POSTGRESQL` names a database. Plans of SQLite are made as for
tables without statistics, because those of a test say nothing about large ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, create_engine, text

URL = os.environ.get("QUERYBUDGET_TEST_POSTGRESQL", "")

pytestmark = pytest.mark.skipif(not URL, reason="QUERYBUDGET_TEST_POSTGRESQL names no database")


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection."""
    engine = create_engine(URL)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def wasteful(connection: Connection, table: str) -> None:
    """Load 20,000 parcels, of which ten are lost, and plan without statistics."""
    connection.execute(text(f"CREATE TEMPORARY TABLE {table} (id int PRIMARY KEY, state text, note text)"))
    connection.execute(text(f"CREATE INDEX ix_{table}_state ON {table} (state)"))
    rows = "SELECT n, CASE WHEN n % 2000 = 0 THEN 'lost' ELSE 'sent' END, repeat('x', 100)"
    connection.execute(text(f"INSERT INTO {table} {rows} FROM generate_series(1, 20000) AS n"))


def mended(connection: Connection, table: str) -> None:
    """Gather statistics after the load, as a nightly job or autovacuum would."""
    wasteful(connection, table)
    connection.execute(text(f"ANALYZE {table}"))


@pytest.mark.max_cost(80)
@pytest.mark.parametrize("load", [wasteful, mended])
def test_lost_parcels(connection: Connection, load: Callable[[Connection, str], None]) -> None:
    """The planner knows that a lost parcel is rare, and does not prepare for hundreds of them."""
    table = f"parcels_{load.__name__}"
    load(connection, table)
    lost = connection.execute(text(f"SELECT id, note FROM {table} WHERE state = :state"), {"state": "lost"})
    assert len(lost.all()) == 10
