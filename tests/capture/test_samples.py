"""What is kept of parameters until a rule asks, and which of them are the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, Integer, bindparam, column, create_engine, select, table, text, tuple_
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget


@pytest.fixture
def engine() -> Iterator[Engine]:
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
    assert list(only.repeats.times.values()) == [1]
    assert len({tuple(each.values.items()) for each in only.samples}) == 1


@pytest.mark.parametrize(("name", "other"), [("user", "user_id"), ("a_1", "a_1_b"), ("k", "k_9")])
def test_a_name_that_looks_like_that_of_a_list(engine: Engine, name: str, other: str) -> None:
    """What another parameter is called does not hide the list."""
    asked = select(column("id")).select_from(table("pg_ratings"))
    asked = asked.where(column("id").in_(bindparam(name, expanding=True)), column("id").in_([1, 2]))
    fixed = column(other) if other != "k_9" else column("id")
    asked = asked.where(fixed == (bindparam(other) if other == "k_9" else 5))
    with engine.begin() as connection:
        for each in ("user_id", "a_1_b"):
            connection.exec_driver_sql(f"ALTER TABLE pg_ratings ADD COLUMN {each} INTEGER")
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for ids in ([1, 2], [3, 4], [2, 1]):
            connection.execute(asked, {name: ids} | ({other: 5} if other == "k_9" else {})).all()
    (only,) = recording.statements()
    assert (len(only.digests), list(only.repeats.times.values())) == (2, [1])
