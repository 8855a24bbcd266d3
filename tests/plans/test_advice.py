"""Advice is valid SQL, a valid line of a model and a valid migration, and all three make the same index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, Index, MetaData, Table, create_engine, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.schema import CreateIndex

from pytest_querybudget.plans.names import index_name, quoted
from pytest_querybudget.plans.planner import Planner
from pytest_querybudget.plans.postgresql import PostgresqlReader
from pytest_querybudget.plans.sqlite import SqliteReader
from pytest_querybudget.recording.plans import Advice, Planned
from tests.plans.corpus import cases_for
from tests.plans.test_corpus import fill, filled, sql_of


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as found:
        fill(found, "sqlite", 0)
        yield found
    engine.dispose()


@pytest.fixture(scope="module")
def empty_postgresql(postgresql: URL) -> Iterator[Connection]:
    with filled(postgresql, 0) as found:
        yield found


def advice_of(connection: Connection) -> list[Advice]:
    planner, dialect, found = Planner.of([SqliteReader(), PostgresqlReader()]), connection.dialect.name, {}
    for case in cases_for(dialect):
        answer = planner.plan(connection, sql_of(case, dialect), case.parameters)
        assert isinstance(answer, Planned)
        found.update({each.ddl: each for each in answer.plan.advice if each.ddl and each.kind != "trigram"})
    return list(found.values())


def definition(connection: Connection, name: str) -> object:
    """What the catalog has of an index, its text set apart from spaces and quotes."""
    if connection.dialect.name == "sqlite":
        sql = "SELECT sql FROM sqlite_master WHERE name = :name UNION ALL SELECT sql FROM sqlite_temp_master WHERE name = :name"
    else:
        sql = "SELECT indexdef FROM pg_indexes WHERE indexname = :name"
    found = str(connection.execute(text(sql), {"name": name}).scalar())
    return found.replace('"', "").replace(" ", "").replace("((", "(").replace("))", ")").lower()


def test_sqlite_model_line_and_migration_make_the_same_index(sqlite: Connection) -> None:
    """Each piece of advice for the corpus, evaluated as Python."""
    compare(sqlite)


def test_postgresql_model_line_and_migration_make_the_same_index(empty_postgresql: Connection) -> None:
    """Each piece of advice for the corpus, evaluated as Python."""
    compare(empty_postgresql)


def compare(connection: Connection) -> None:
    given = advice_of(connection)
    assert len(given) > 20
    for each in given:
        made = []
        schema, _, table = each.table.rpartition(".")
        for way in ("ddl", "model", "migration"):
            nested = connection.begin_nested()
            if way == "ddl":
                connection.exec_driver_sql(str(each.ddl).replace("%", "%%"))
            elif way == "model":
                columns = sa.inspect(connection).get_columns(table, schema=schema or None)
                model = Table(
                    table, MetaData(), *(Column(c["name"], c["type"]) for c in columns), schema=schema or None
                )
                index: Index = eval(str(each.sqlalchemy), {"Index": Index, "text": text})
                index._set_parent(model)
                connection.execute(CreateIndex(index))
            else:
                migrate(connection, str(each.alembic))
            made.append(definition(connection, str(each.name)))
            nested.rollback()
        assert made[0] == made[1] == made[2], (each.ddl, made)


def migrate(connection: Connection, call: str) -> None:
    pytest.importorskip("alembic", reason="alembic is not installed")
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    op = Operations(MigrationContext.configure(connection))
    eval(call, {"op": op, "sa": sa})


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        ("pos, total DESC", "parent_id, pos, total DESC"),
        ("pos DESC, total", "parent_id, pos DESC, total"),
        ("pos DESC, total DESC", "parent_id, pos, total"),
    ],
)
def test_directions_count_where_they_differ(sqlite: Connection, order: str, keys: str) -> None:
    """An index is read both ways, so only an order that turns needs DESC."""
    sql = f"SELECT * FROM orders WHERE parent_id = ? ORDER BY {order} LIMIT 3"
    answer = Planner.of([SqliteReader()]).plan(sqlite, sql, (1,))
    assert isinstance(answer, Planned)
    assert [str(each.ddl).partition(" (")[2] for each in answer.plan.advice] == [f"{keys})"]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("during @> timestamptz '2024-01-03'", "gist"),
        ("extract(year FROM at) = 2024", "none"),
        ("date_trunc('day', at AT TIME ZONE 'x') = now()", "none"),
    ],
)
def test_advice_that_postgresql_refuses_is_not_given(empty_postgresql: Connection, condition: str, kind: str) -> None:
    """A range wants GiST; an expression that can be in no index is none."""
    nested = empty_postgresql.begin_nested()
    empty_postgresql.exec_driver_sql("CREATE TABLE visits (id serial PRIMARY KEY, during tstzrange, at timestamptz)")
    answer = Planner.of([PostgresqlReader()]).plan(empty_postgresql, f"SELECT * FROM visits WHERE {condition}", ())
    nested.rollback()
    assert isinstance(answer, Planned), answer
    assert [each.kind for each in answer.plan.advice] == [kind]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("orders", "orders"), ("Orders", '"Orders"'), ("order", '"order"'), ('a"b', '"a""b"'), ("größe", '"größe"')],
)
def test_names_are_quoted_where_they_must_be(name: str, shown: str) -> None:
    """Plain lower-case names stay as they are."""
    assert quoted(name) == shown


def test_index_names_are_short_and_new() -> None:
    """No longer than PostgreSQL takes, and not one that exists."""
    assert index_name("orders", ["a", "lower(b)"], []) == "ix_orders_a_lower_b"
    assert index_name("orders", ["a"], ["ix_orders_a"]) == "ix_orders_a_2"
    assert len(index_name("t" * 50, ["c" * 50], []).encode()) <= 63
