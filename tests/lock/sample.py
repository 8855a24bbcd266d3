"""Tests, statements and findings to build reports from."""

from __future__ import annotations

from typing import Any

from pytest_querybudget.reports.document import (
    FindingEntry,
    Location,
    PhaseEntry,
    Report,
    StatementEntry,
    TestEntry,
    total,
)

LIST_ORDERS = Location(path="app/orders.py", line=10, function="list_orders")
LOAD_ORDERS = Location(path="app/orders.py", line=8, function="list_orders")
AUDIT = Location(path="app/audit.py", line=31, function="log_access")


def statement(
    table: str = "orders", count: int = 1, *, kind: str = "select", at: Location | None = LOAD_ORDERS, **more: Any
) -> StatementEntry:
    """One statement on one table, sent `count` times."""
    sql = more.pop("sql", None) or {
        "select": f"SELECT {table}.id, {table}.name FROM {table} WHERE {table}.id = ?",
        "insert": f"INSERT INTO {table} (name) VALUES (?)",
        "update": f"UPDATE {table} SET name = ? WHERE {table}.id = ?",
    }.get(kind, f"{kind} {table}")
    tables = more.pop("tables", (table,))
    return StatementEntry(
        sql=sql, kind=kind, tables=tables, columns=(), count=count, rows=count, time=0.001 * count, location=at, **more
    )


def finding(count: int = 50, *, relationship: str | None = "Order.customer", **more: Any) -> FindingEntry:
    """An N+1 over the customers of some orders."""
    facts: dict[str, Any] = {
        "rule": "no_n_plus_one",
        "failed": False,
        "allowed": None,
        "count": count,
        "message": f"Order.customer is loaded lazily, once for each of {count} orders.",
        "sql": "SELECT customer.id, customer.name FROM customer WHERE customer.id = ?",
        "tables": ("customer",),
        "relationship": relationship,
        "location": LIST_ORDERS,
        "origin": LOAD_ORDERS,
        "fix": "select(Order).options(joinedload(Order.customer)) at app/orders.py:8",
    }
    facts.update(more)
    facts["identity"] = more.get("identity", f"{facts['rule']} {facts['relationship']} {','.join(facts['tables'])}")
    return FindingEntry(**facts)


def entry(
    nodeid: str = "tests/test_orders.py::test_list",
    *statements: StatementEntry,
    findings: tuple[FindingEntry, ...] = (),
    outcome: str = "passed",
) -> TestEntry:
    """A test that sent these statements, with the figures that follow from them."""
    phases: dict[str, PhaseEntry] = {}
    for name in ("setup", "call", "teardown"):
        sent = [each for each in statements if each.phase == name]
        by_kind: dict[str, int] = {}
        for each in sent:
            by_kind[each.kind] = by_kind.get(each.kind, 0) + each.count
        phases[name] = PhaseEntry(
            queries=sum(by_kind.values()),
            by_kind=by_kind,
            db_time=sum(each.time for each in sent),
            rows=sum(each.rows for each in sent),
        )
    return TestEntry(nodeid=nodeid, outcome=outcome, phases=phases, statements=statements, findings=findings)


def lean(nodeid: str = "tests/test_orders.py::test_list", **more: Any) -> TestEntry:
    """Two statements, no finding."""
    return entry(nodeid, statement(), statement("log", kind="insert", at=AUDIT), **more)


def wasteful(nodeid: str = "tests/test_orders.py::test_list", count: int = 50, **more: Any) -> TestEntry:
    """The same, and one customer at a time."""
    customers = statement("customer", count, at=LIST_ORDERS)
    return entry(
        nodeid, statement(), customers, statement("log", kind="insert", at=AUDIT), findings=(finding(count),), **more
    )


def report(*tests: TestEntry, mode: str = "report", **more: Any) -> Report:
    """A run of these tests."""
    return Report(mode=mode, tests=tests, totals=total(tests), **more)
