"""The rules about plans, on plans of SQLite."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from pytest_querybudget import QueryBudgetError, query_budget
from pytest_querybudget.plans.planner import Planner
from pytest_querybudget.plans.sqlite import SqliteReader
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.plans import NotPlanned, Planned, PlannedStatement
from pytest_querybudget.rules.base import OptionError
from pytest_querybudget.rules.max_cost import CostlyStatement, MaxCost, cost_faults
from pytest_querybudget.rules.no_full_scans import NoFullScans
from pytest_querybudget.rules.no_sorts import NoSorts
from pytest_querybudget.rules.no_unindexed_foreign_keys import NoUnindexedForeignKeys
from pytest_querybudget.rules.planned import unknown_table_faults, unplanned_faults
from pytest_querybudget.rules.uses_index import UsesIndex, index_faults, unread_table_faults
from tests.plans.test_corpus import fill

PLACE = Place("app/orders.py", 10, "list_orders")


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as found:
        fill(found, "sqlite", 0)
        yield found
    engine.dispose()


def statement(connection: Connection, sql: str, *parameters: object) -> PlannedStatement:
    answer = Planner.of([SqliteReader()]).plan(connection, sql, parameters)
    return PlannedStatement(
        sql=sql,
        kind="select",
        tables=(),
        count=2,
        dialect="sqlite",
        location=PLACE,
        plan=answer.plan if isinstance(answer, Planned) else None,
        not_planned=answer if isinstance(answer, NotPlanned) else None,
    )


def test_full_scan_names_table_columns_and_index(sqlite: Connection) -> None:
    """The message says what is read and why, the fix which index to make, the proof that it was tried."""
    rule = NoFullScans()
    found = list(rule.judge([statement(sqlite, "SELECT * FROM orders WHERE customer_id = ?", 1)], rule.parse((), {})))
    assert [each.message for each in found] == ["reads all of orders to find rows by customer_id: no index serves"]
    assert found[0].fix == (
        "CREATE INDEX ix_orders_customer_id ON orders (customer_id);\n"
        '  model: Index("ix_orders_customer_id", "customer_id")\n'
        '  migration: op.create_index("ix_orders_customer_id", "orders", ["customer_id"])'
    )
    assert found[0].proof is not None
    assert found[0].proof.verdict == "proven"
    assert "SCAN" in str(found[0].proof.before) and "ix_orders_customer_id" in str(found[0].proof.after)
    assert (found[0].location, found[0].count, found[0].tables) == (PLACE, 2, ("orders",))


@pytest.mark.parametrize("name", ["orders", "ORDERS", "main.orders"])
def test_ignored_tables_may_be_scanned(sqlite: Connection, name: str) -> None:
    """By any spelling that the database would take."""
    rule = NoFullScans()
    scan = statement(sqlite, "SELECT * FROM orders WHERE customer_id = ?", 1)
    assert bool(list(rule.judge([scan], rule.parse((), {"ignore": (name,)})))) == (name == "main.orders")


def test_sort_names_the_keys(sqlite: Connection) -> None:
    """Under a LIMIT the message says what that costs."""
    rule = NoSorts()
    sql = "SELECT * FROM orders WHERE parent_id = ? ORDER BY pos DESC LIMIT 3"
    found = list(rule.judge([statement(sqlite, sql, 1)], rule.parse((), {})))
    assert [each.message for each in found] == [
        "sorts rows of orders by pos DESC, all of them to return the first few: an index could deliver them in order"
    ]
    assert "ix_parent has only parent_id; the new index can replace it" in str(found[0].fix)
    clean = statement(sqlite, "SELECT * FROM orders ORDER BY created DESC LIMIT 3")
    assert list(rule.judge([clean], rule.parse((), {}))) == []


def test_uses_index(sqlite: Connection) -> None:
    """A named index must serve the statements on its table, and only those."""
    rule = UsesIndex()
    served = statement(sqlite, "SELECT * FROM orders WHERE shop_id = ?", 1)
    walked = statement(sqlite, "SELECT * FROM orders WHERE pos = ? ORDER BY created LIMIT 1", 1)
    other = statement(sqlite, "SELECT * FROM items WHERE id = ?", 1)
    options = rule.parse(("ix_shop",), {})
    assert list(rule.judge([served, other], options)) == []
    assert [each.message for each in rule.judge([walked], options)] == ["the plan does not use ix_shop"]
    assert [each.message for each in rule.judge([walked], rule.parse(("ix_created",), {}))] == [
        "the plan does not use ix_created"
    ]
    assert list(rule.judge([walked], rule.parse((), {"table": "items"}))) == []
    assert [each.message for each in rule.judge([walked], rule.parse((), {}))] == ["the plan does not use any index"]
    assert list(rule.judge([served, other], rule.parse((), {}))) == []


def test_an_index_that_does_not_exist_is_an_error(sqlite: Connection) -> None:
    """It lists the indexes of the tables involved, and guesses."""
    known = [statement(sqlite, "SELECT * FROM orders WHERE shop_id = ?", 1)]
    (fault,) = index_faults("uses_index", ("ix_shpo",), known)
    assert "'ix_shpo'" in fault
    assert "ix_shop (orders)" in fault and "ix_created (orders)" in fault
    assert "Did you mean 'ix_shop'?" in fault
    assert list(index_faults("uses_index", ("ix_shop",), known)) == []


def test_a_table_that_does_not_exist_is_an_error(sqlite: Connection) -> None:
    """A table that exists and is not touched is none."""
    known = [statement(sqlite, "SELECT * FROM orders WHERE shop_id = ?", 1)]
    (fault,) = unknown_table_faults("no_full_scans", ("order",), known)
    assert "'order'" in fault and "does not exist" in fault and "orders" in fault
    assert list(unknown_table_faults("no_full_scans", ("items",), known)) == []


def test_nothing_planned_is_an_error(sqlite: Connection) -> None:
    """With the reasons; and a dialect without a reader is named together with the hook."""
    (fault,) = unplanned_faults("no_sorts", [])
    assert "no statement of the test could be planned" in fault
    refused = statement(sqlite, "SELECT * FROM nowhere")
    (fault,) = unplanned_faults("no_sorts", [refused])
    assert "the database refused: OperationalError" in fault
    missing = PlannedStatement(
        sql="SELECT 1", kind="select", tables=(), count=1, dialect="oracle",
        not_planned=NotPlanned(reason="no plan reader for oracle", slug="reader"),
    )  # fmt: skip
    (fault,) = unplanned_faults("no_full_scans", [missing])
    assert "oracle" in fault and "pytest_querybudget_plan_readers" in fault


def test_costs_do_not_exist_on_sqlite(sqlite: Connection) -> None:
    """A ceiling that could never be exceeded is an error."""
    known = [statement(sqlite, "SELECT * FROM orders WHERE shop_id = ?", 1)]
    assert list(cost_faults("max_cost", known)) == ["max_cost cannot be judged on sqlite: its plans have no cost"]


@pytest.mark.parametrize("url", ["postgresql_url", "mariadb_url"])
def test_a_cost_above_the_limit_is_found(request: pytest.FixtureRequest, url: str) -> None:
    """With the plan and both figures; a cost of just the limit is none."""
    rule = MaxCost()
    engine = create_engine(request.getfixturevalue(url))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE costly (a int)")
        with query_budget(max_cost=10**9) as recording:
            connection.exec_driver_sql("SELECT * FROM costly WHERE a = 1").all()
    engine.dispose()
    limit, cost = rule.measure(recording, rule.parse((3,), {}))["max_cost"]
    assert (limit, cost > 0) == (3, True)
    (found,) = rule.check(recording, rule.parse((cost / 2,), {}))
    assert isinstance(found, CostlyStatement)
    assert (found.actual, found.limit, found.count) == (cost, cost / 2, 1)
    assert "costly" in (found.plan or "")
    assert f"got {cost:.4g}" in found.message
    assert list(rule.check(recording, rule.parse((cost,), {}))) == []
    assert list(rule.faults(recording, rule.parse((cost,), {}))) == []


def test_a_limit_of_costs_is_an_error_on_sqlite(sqlite: Connection) -> None:
    """And no finding beside it."""
    rule = MaxCost()
    with (
        pytest.raises(QueryBudgetError, match="max_cost cannot be judged on sqlite"),
        query_budget(max_cost=10**9) as recording,
    ):
        sqlite.exec_driver_sql("SELECT * FROM orders WHERE shop_id = 1").all()
    assert list(rule.check(recording, rule.parse((1,), {}))) == []


def test_unindexed_foreign_keys(sqlite: Connection) -> None:
    """Of the tables that the test touches, by INSERT as well; a key that an index begins with is none."""
    rule = NoUnindexedForeignKeys()
    written = statement(sqlite, "INSERT INTO items (order_id) VALUES (?)", 1)
    read = statement(sqlite, "SELECT * FROM orders WHERE id = ?", 1)
    found = list(rule.judge([written, read, read], rule.parse((), {})))
    assert [each.message for each in found] == [
        "items.order_id refers to orders without an index: each delete there reads all of items",
        "orders.customer_id refers to customers without an index: each delete there reads all of orders",
    ]
    assert found[0].fix == 'Index("ix_items_order_id", "order_id")'
    assert list(rule.judge([written], rule.parse(("items.order_*",), {}))) == []


@pytest.mark.parametrize(
    ("rule", "arguments", "keywords"),
    [
        (NoFullScans(), ("orders",), {}),
        (NoFullScans(), (), {"ignored": ("x",)}),
        (NoFullScans(), (), {"ignore": (1,)}),
        (NoFullScans(), (), {"ignore": 5}),
        (NoSorts(), (), {"limit": 1}),
        (UsesIndex(), (3,), {}),
        (UsesIndex(), ("",), {}),
        (UsesIndex(), (), {"table": 3}),
        (MaxCost(), (), {}),
        (MaxCost(), (-1,), {}),
        (MaxCost(), ("many",), {}),
        (NoUnindexedForeignKeys(), (), {"ignore": ()}),
    ],
)
def test_bad_options(rule: NoFullScans, arguments: tuple[object, ...], keywords: dict[str, object]) -> None:
    """A usage error that names the rule."""
    with pytest.raises(OptionError, match=rule.name):
        rule.parse(arguments, keywords)


@pytest.mark.parametrize("rule", [NoFullScans, NoSorts, UsesIndex, MaxCost, NoUnindexedForeignKeys])
def test_documentation_is_complete(rule: type[NoFullScans]) -> None:
    """Every heading is there."""
    text = inspect.getdoc(rule) or ""
    for heading in (
        "What it does",
        "Why is this bad",
        "Example",
        "Use instead",
        "Options",
        "When to allow it",
        "What it cannot know",
    ):
        assert f"## {heading}" in text


def test_index_of_a_table_that_is_not_read_is_a_fault(sqlite: Connection) -> None:
    """`table` must be read and have the index: a requirement that judges nothing could never fail."""
    read = [statement(sqlite, "SELECT * FROM orders WHERE shop_id = ?", 1)]
    unread = list(unread_table_faults("uses_index", "items", (), read))
    assert unread == [
        "uses_index is declared with table='items', but no planned statement of the test reads that table"
    ]
    other = list(unread_table_faults("uses_index", "orders", ("ix_nick",), read))
    assert other == ["uses_index got 'ix_nick' and table='orders', but that table has no such index"]
    assert not list(unread_table_faults("uses_index", "orders", ("ix_shop",), read))
