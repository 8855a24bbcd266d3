"""What builds a schema is recorded together, and still judged table by table."""

from __future__ import annotations

from typing import Any

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
