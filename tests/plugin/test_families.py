"""What builds a schema is recorded together, and still judged table by table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, Integer, bindparam, column, create_engine, select, table, text, tuple_
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.statements import Shape, verb_of
from tests.plugin.suites import Suite

BUILD = """
def build(*texts):
    with engine.begin() as connection:
        for each in texts:
            connection.exec_driver_sql(each)
"""


def messages(done: Any, test: str) -> list[str]:
    return [each["message"] for each in done.tests[test]["findings"]]


def test_an_allowance_for_one_table_is_none_for_others(suite: Suite) -> None:
    """`read_only` tells each table, and how often it was changed."""
    done = suite.run(
        BUILD
        + """
tables = ("CREATE TABLE scratch (id int)", "CREATE TABLE users (id int)", "DROP TABLE users", "CREATE TABLE users (id int)")
@pytest.mark.read_only
@pytest.mark.allow_queries("read_only", match="*scratch*", reason="a table of its own")
def test_allowed():
    build(*tables)
"""
    )
    assert done.counts == {"failed": 1}
    assert messages(done, "test_allowed") == [
        "DDL to scratch in a test that only reads",
        "DDL to users in a test that only reads, 2 times",
    ]


def test_the_slowest_is_named(suite: Suite) -> None:
    """One of many took too long: that is the one to look at."""
    done = suite.run(
        BUILD
        + """
import time
@event.listens_for(engine, "connect")
def add(connection, record):
    connection.create_function("slow", 1, lambda seconds: time.sleep(seconds) or seconds)
@pytest.mark.max_query_time(0.15)
def test_slow():
    engine.dispose()
    build("CREATE TABLE a (x)", "CREATE TABLE b AS SELECT slow(0.3) AS x", "CREATE TABLE c (x)")
"""
    )
    (found,) = done.tests["test_slow"]["findings"]
    assert (found["sql"], found["count"]) == ("CREATE TABLE b AS SELECT slow(?) AS x", 1)


def test_a_sum_is_of_all_together(suite: Suite) -> None:
    """No single one of many took long."""
    done = suite.run(
        BUILD
        + """
@pytest.mark.max_db_time(0.0)
def test_slow():
    build("CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x)")
"""
    )
    (found,) = done.tests["test_slow"]["findings"]
    assert (found["sql"], found["count"], found["tables"]) == ("CREATE TABLE …", 3, ["a", "b", "c"])


def test_growth_counts_tables_by_their_verb(suite: Suite) -> None:
    """One table at first and four later are four times as many, and not another statement."""
    done = suite.run(
        BUILD
        + """
size = []
def add(number):
    size[:] = [number]
    with Session(engine) as session:
        session.add_all([Customer(name=str(each)) for each in range(number)])
        session.commit()
def work():
    for each in range((size[0] + 3) // 4):
        build(f"CREATE TEMP TABLE t{each} (id int)", f"DROP TABLE t{each}")
def test_within(query_growth):
    query_growth(work, seed=add, sizes=(2, 8), slope=0.5)
def test_beyond(query_growth):
    query_growth(work, seed=add, sizes=(2, 16))
"""
    )
    assert done.counts == {"passed": 1, "failed": 1}
    assert "   1 ->    4 x CREATE TEMP TABLE …" in done.text


@pytest.mark.parametrize(
    ("kind", "sql", "verb"),
    [
        ("ddl", "CREATE TABLE a(id INTEGER)", "CREATE TABLE"),
        ("ddl", "create temporary table a(id INTEGER)", "CREATE TEMPORARY TABLE"),
        ("ddl", "CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW"),
        ("ddl", "DROP INDEX ix", "DROP INDEX"),
        ("ddl", "TRUNCATE zz_a, table CASCADE", "TRUNCATE"),
        ("ddl", "CREATE DEFINER = `a` @ `b` SQL SECURITY DEFINER VIEW v AS SELECT 1", "CREATE VIEW"),
        ("ddl", "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=a@b VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW"),
        ("ddl", "CREATE LOGIN x WITH user", "CREATE LOGIN"),
        ("ddl", "GRANT SELECT,INSERT ON a TO b", "GRANT"),
        ("ddl", "CREATE TABLE …", "CREATE TABLE"),
        ("other", "PRAGMA main.table_info(a)", "PRAGMA"),
        ("other", "CALL work()", ""),
        ("select", "SELECT 1", ""),
        ("ddl", "", ""),
    ],
)
def test_verbs(kind: str, sql: str, verb: str) -> None:
    """The kind of object belongs to it, its name does not."""
    assert verb_of(kind, sql) == verb


@pytest.fixture
def engine() -> Any:
    """A table whose name is like one of PostgreSQL's."""
    made = create_engine("sqlite://", poolclass=StaticPool)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE pg_ratings (id INTEGER, name TEXT)")
    yield made
    made.dispose()


@pytest.mark.parametrize(("name", "is_catalog"), [("sqlite_master", True), ("pg_ratings", False)])
def test_a_catalog_is_that_of_its_database(engine: Engine, name: str, is_catalog: bool) -> None:
    """What only looks like a catalog elsewhere is the application's."""
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for _ in range(3):
            connection.execute(text(f"SELECT name FROM {name} WHERE name = :name"), {"name": "a"}).all()
    (only,) = recording.statements()
    assert only.shape.catalog is is_catalog
    assert (only.repeats is None, len(only.digests)) == ((True, 0) if is_catalog else (False, 1))


def test_what_is_kept_until_a_rule_asks_is_short(engine: Engine) -> None:
    """Long values are digested at once, and no representation shows one."""
    asked = select(column("id")).select_from(table("pg_ratings")).where(column("name") == bindparam("name"))
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for each in range(4):
            connection.execute(asked, {"name": f"canary{each}" + "x" * (each * 1000)}).all()
        (only,) = recording.statements()
        assert [len(each.named) for each in only.taken] == [1, 0, 0, 0]
        assert "canary" not in repr(only.taken)
    assert len({each.values["name"] for each in only.samples}) == 4
    assert [len(each.named) for each in only.taken] == [0, 0, 0, 0]


def test_pairs_are_told_apart(engine: Engine) -> None:
    """The members of a tuple belong together, those of a list may come in any order."""
    pair = tuple_(column("id", Integer), column("id", Integer))
    asked = select(column("id")).select_from(table("pg_ratings"))
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for pairs in ([(1, 2), (3, 4)], [(1, 4), (3, 2)]):
            connection.execute(asked.where(pair.in_(pairs))).all()
        for members in ([1, 2], [2, 1]):
            connection.execute(asked.where(column("id").in_(members))).all()
    assert [each.repeats is None for each in recording.statements()] == [True, False]


def test_pairs_may_come_in_any_order(engine: Engine) -> None:
    """A list of pairs is a list."""
    pair = tuple_(column("id", Integer), column("id", Integer))
    asked = select(column("id")).select_from(table("pg_ratings")).where(column("name") == "a")
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for pairs in ([(1, 2), (3, 4)], [(3, 4), (1, 2)]):
            connection.execute(asked.where(pair.in_(pairs))).all()
    (only,) = recording.statements()
    assert list(only.repeats.values()) == [1]
    assert len({tuple(each.values.items()) for each in only.samples}) == 1


@pytest.mark.parametrize(
    ("reads", "dialect", "is_catalog"),
    [
        (("pg_catalog.pg_class",), "cockroachdb", True),
        (("INFORMATION_SCHEMA.TABLES",), "mssql", True),
        (("main.sqlite_master",), "sqlite", True),
        (("pg_class", "pg_namespace"), "postgresql", True),
        (("pg_class", "users"), "postgresql", False),
        (("pg_ratings",), "sqlite", False),
        (("mysql.user",), "mariadb", True),
        (("mysql.user",), "sqlite", False),
        (("performance_schema.threads",), "mysql", True),
        ((), "sqlite", False),
    ],
)
def test_catalogs(reads: tuple[str, ...], dialect: str, is_catalog: bool) -> None:
    """Some names are nobody else's, others are only on their database."""
    assert Shape("", "select", reads, dialect=dialect).asks_the_catalog is is_catalog
