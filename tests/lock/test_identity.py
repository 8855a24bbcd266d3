"""What is the same on another day and on another machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_querybudget.lock import identity
from pytest_querybudget.reports.document import FindingEntry
from tests.lock.sample import LIST_ORDERS, finding, statement

TEXT = "no_n_plus_one Order.customer app/orders.py::list_orders"


def test_a_finding_is_named_for_a_person() -> None:
    """Rule, relationship, path and function."""
    assert identity.of_finding(finding()) == TEXT


@pytest.mark.parametrize(
    "same",
    [
        finding(location=replace(LIST_ORDERS, line=999)),
        finding(sql="SELECT customer.id, customer.name, customer.vat_number FROM customer WHERE customer.id = ?"),
        finding(2),
        finding(tables=("customer", "party")),
        finding(location=replace(LIST_ORDERS, path=".tox/py312/lib/python3.12/site-packages/app/orders.py")),
        finding(location=replace(LIST_ORDERS, path="src/app/orders.py")),
        finding(origin=None, message="said in other words", fix=None),
    ],
    ids=["moved", "new column", "other count", "joined inheritance", "installed", "src layout", "new words"],
)
def test_a_finding_survives_what_is_no_change_of_it(same: FindingEntry) -> None:
    """Neither the line nor a column nor the way of installing the application makes it a new one."""
    assert identity.of_finding(same) == TEXT


@pytest.mark.parametrize(
    "other",
    [
        finding(rule="no_repeated_queries"),
        finding(relationship="Order.items"),
        finding(relationship=None),
        finding(location=replace(LIST_ORDERS, function="export")),
        finding(location=replace(LIST_ORDERS, path="app/export.py")),
        finding(location=None),
    ],
    ids=["rule", "relationship", "tables", "function", "path", "no place"],
)
def test_another_finding_is_another(other: FindingEntry) -> None:
    """Rule, tables or relationship, path and function make it."""
    assert identity.of_finding(other) != TEXT


def test_tables_stand_in_for_a_relationship_in_any_order() -> None:
    """The order of tables means nothing."""
    one, other = (finding(relationship=None, tables=tables) for tables in (("b", "a"), ("a", "b")))
    assert identity.of_finding(one) == identity.of_finding(other) == "no_n_plus_one a,b app/orders.py::list_orders"


def test_a_statement_without_tables_is_named_by_its_sql() -> None:
    """Shortened, on one line, and without what a terminal would act on."""
    name = identity.of_finding(finding(relationship=None, tables=(), sql="SELECT 1,\n\x1b[31m" + "x" * 200))
    assert name.startswith("no_n_plus_one SELECT 1, \\x1b[31mxxx")
    assert "\n" not in name
    assert len(name) < 140


def test_a_statement_is_its_kind_tables_and_place() -> None:
    """A new column or a moved line leaves the digits as they are; another table does not."""
    same = statement(sql="SELECT orders.id, orders.note FROM orders", at=replace(LIST_ORDERS, line=80))
    assert identity.of_statement(same) == identity.of_statement(statement())
    assert identity.of_statement(statement("customer")) != identity.of_statement(statement())
    assert identity.of_statement(statement(kind="update")) != identity.of_statement(statement())


def test_half_a_surrogate_pair_is_spelled_out() -> None:
    """A file name that is no UTF-8 still has a line."""
    assert identity.of_test("tests/\udc80.py::test") == "tests/\\udc80.py::test"
