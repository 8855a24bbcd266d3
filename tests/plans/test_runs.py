"""Statements of a real run are planned on the application's own connections, and the application notices nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

pytest_plugins = ["pytester"]

APPLICATION = """
import os
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

URL = os.environ["APPLICATION_URL"]
engine = create_engine(URL)
MYSQL = engine.dialect.name == "mysql"
FIND = "SELECT * FROM things WHERE weight = 3"


@pytest.fixture(autouse=True, scope="session")
def schema():
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE things (id INTEGER PRIMARY KEY, weight INTEGER, name VARCHAR(20))")
        for number in range(1, 10):
            connection.exec_driver_sql(f"INSERT INTO things (id, weight, name) VALUES ({number}, {number}, 'n')")
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE things")


def ask(connection, sql=FIND):
    return connection.exec_driver_sql(sql).fetchall()


def test_nested_savepoints():
    with engine.connect() as connection:
        with connection.begin_nested():
            ask(connection, "INSERT INTO things (id, weight) VALUES (90, 3) RETURNING id")
            with connection.begin_nested() as inner:
                ask(connection, "INSERT INTO things (id, weight) VALUES (91, 3) RETURNING id")
                assert len(ask(connection)) == 3
                inner.rollback()
            assert len(ask(connection)) == 2
        connection.exec_driver_sql("DELETE FROM things WHERE id > 9")
        connection.commit()


@pytest.mark.skipif(MYSQL, reason="DDL commits there")
def test_index_that_a_savepoint_takes_back():
    with engine.connect() as connection:
        nested = connection.begin_nested()
        connection.exec_driver_sql("CREATE INDEX ix_weight ON things (weight)")
        ask(connection)
        nested.rollback()
        ask(connection)
        connection.rollback()


def test_no_pool():
    bare = create_engine(URL, poolclass=NullPool)
    for _ in range(2):
        with bare.connect() as connection:
            assert len(ask(connection)) == 1


def test_autocommit():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ask(connection)
        connection.exec_driver_sql("UPDATE things SET name = 'changed' WHERE id = 9")
    with engine.connect() as connection:
        assert ask(connection, "SELECT name FROM things WHERE id = 9") == [("changed",)]


def test_streaming():
    with engine.connect() as connection, engine.connect() as other:
        rows = connection.execution_options(stream_results=True, max_row_buffer=2).execute(
            text("SELECT id FROM things ORDER BY id")
        )
        assert next(rows) == (1,)
        ask(other)
        if not MYSQL:
            ask(connection)
        assert [row.id for row in rows] == list(range(2, 10))


def test_listeners_of_the_application():
    seen = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    with engine.connect() as connection:
        ask(connection, FIND + " ")
        ask(connection, FIND + " ")
    assert seen == [FIND + " "] * 2


def test_failing_statement():
    with engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            ask(connection, "SELECT * FROM missing WHERE weight = 3")
        assert caught.value.statement == "SELECT * FROM missing WHERE weight = 3"
        said = " ".join(str(caught.value.orig).split())
        assert said == os.environ.get("APPLICATION_SAID", said), said
        print("SAID", said)
        connection.rollback()
        assert len(ask(connection)) == 1


def test_figures():
    with engine.connect() as connection:
        ask(connection)
        connection.exec_driver_sql("ANALYZE TABLE things" if MYSQL else "ANALYZE")
        ask(connection)
        connection.rollback()


@pytest.mark.skipif(not MYSQL, reason="the others cannot, or are set up not to")
def test_two_phases():
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.exec_driver_sql("UPDATE things SET name = 'twice' WHERE weight = 8")
        ask(connection)
        transaction.prepare()
        transaction.commit()
        assert ask(connection, "SELECT name FROM things WHERE id = 8") == [("twice",)]


@pytest.mark.skipif(not MYSQL, reason="only there")
def test_another_database():
    with engine.connect() as connection:
        here = ask(connection, "SELECT DATABASE()")[0][0]
        connection.exec_driver_sql(f"CREATE DATABASE {here}_b")
        try:
            connection.exec_driver_sql(f"CREATE TABLE {here}_b.things (id INT PRIMARY KEY, weight INT, KEY ix_b (weight))")
            ask(connection)
            connection.exec_driver_sql(f"USE {here}_b")
            ask(connection)
            connection.exec_driver_sql(f"USE {here}")
            ask(connection)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {here}_b")


@pytest.mark.skipif(engine.dialect.name != "sqlite", reason="only there")
def test_attached():
    with engine.connect() as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS aside")
        connection.exec_driver_sql("CREATE TABLE aside.notes (id INTEGER PRIMARY KEY, k INTEGER)")
        ask(connection, "SELECT * FROM notes WHERE k = 3")
        connection.exec_driver_sql("CREATE INDEX aside.ix_k ON notes (k)")
        ask(connection, "SELECT * FROM notes WHERE k = 3")
        connection.rollback()
        connection.exec_driver_sql("DETACH aside")
"""


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> str:
    """A database for the application."""
    if request.param == "sqlite":
        return f"sqlite:///{pytester.path}/application.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def ran(pytester: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, dict[str, list[dict[str, Any]]]]:
    """One run of the application's suite, and the reading statements of each test."""
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, "--querybudget-report=json:r.json")
    document = json.loads(pytester.path.joinpath("r.json").read_text("utf-8"))
    return result, {
        each["nodeid"].rpartition("::")[2]: [one for one in each["statements"] if one["kind"] in ("select", "update")]
        for each in document["tests"]
    }


def test_the_application_notices_nothing(url: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test passes with all statements planned, and what was not planned is in the report with its reason."""
    monkeypatch.setenv("APPLICATION_URL", url)
    pytester.makepyfile(APPLICATION)
    plain = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rP", "--querybudget=off", "-k", "failing")
    said = next(line[5:] for line in plain.outlines if line.startswith("SAID "))
    monkeypatch.setenv("APPLICATION_SAID", said)
    result, tests = ran(pytester, "--querybudget-explain")
    assert result.parseoutcomes().get("failed", 0) == 0 and result.ret == 0, result.stdout.str()
    refused = [each for each in tests.pop("test_failing_statement") if "missing" in each["sql"]]
    assert [bool(each["not_planned"]) for each in refused] == [True]
    result.stdout.fnmatch_lines(["1 statement not planned", "  the database refused: *: SELECT * FROM missing*"])
    for name, statements in tests.items():
        assert all(each.get("plan") or "things" not in each["sql"] for each in statements), (name, statements)
    for name, wanted in {
        "test_index_that_a_savepoint_takes_back": [True, False],
        "test_another_database": [False, True, False],
        "test_attached": [False, True],
    }.items():
        used = ["using ix_" in each["plan"].lower() for each in tests.get(name, ()) if "WHERE" in each["sql"]]
        assert used in ([], wanted), (name, tests[name])


ASYNC = """
import asyncio
import os
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

async def find():
    engine = create_async_engine(os.environ["APPLICATION_URL"])
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS parcels"))
        await connection.execute(text("CREATE TABLE parcels (id INTEGER PRIMARY KEY, weight INTEGER)"))
        await connection.execute(text("INSERT INTO parcels VALUES (1, 3)"))
    async with engine.connect() as connection:
        async with connection.begin_nested():
            assert (await connection.execute(text("SELECT * FROM parcels WHERE weight = :w"), {"w": 3})).all() == [(1, 3)]
        streamed = await connection.stream(text("SELECT id FROM parcels ORDER BY id"))
        assert [row async for row in streamed] == [(1,)]
        await connection.rollback()
    await engine.dispose()

@pytest.mark.no_full_scans
def test_bad():
    asyncio.run(find())
"""


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg", "psycopg", "aiomysql", "asyncmy"])
def test_asynchronous_drivers(
    driver: str, request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read in vain fails the test, with advice that was tried."""
    pytest.importorskip(driver, reason=f"{driver} is not installed")
    if driver == "aiosqlite":
        url = f"sqlite+aiosqlite:///{pytester.path}/application.db"
    else:
        found: str = request.getfixturevalue("mariadb_url" if "my" in driver else "postgresql_url")
        url = f"{found.partition('+')[0]}+{driver}://{found.partition('://')[2]}"
    monkeypatch.setenv("APPLICATION_URL", url)
    pytester.makepyfile(ASYNC)
    result, tests = ran(pytester)
    assert result.parseoutcomes() == {"failed": 1}, result.stdout.str()
    assert all(each["plan"] for each in tests["test_bad"]), tests
    result.stdout.fnmatch_lines(["*CREATE INDEX ix_parcels_weight ON parcels (weight)*", "*tried: the planner uses*"])
    assert os.environ["APPLICATION_URL"] == url
