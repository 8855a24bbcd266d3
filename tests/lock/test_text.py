"""What a person reads of the lock, at 80 columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_querybudget.lock import text
from pytest_querybudget.lock.check import check
from pytest_querybudget.lock.model import Debt, Lock, TestLock
from pytest_querybudget.lock.update import update
from tests.lock.pinned import assert_golden
from tests.lock.sample import LIST_ORDERS, entry, finding, lean, statement, wasteful

GOLDEN = Path(__file__).parent / "golden"
TODAY = date(2026, 11, 23)
CUSTOMER = "no_n_plus_one Order.customer app/orders.py::list_orders"
BASE = update(Lock(), [lean(), wasteful("tests/test_orders.py::test_page")], today=date(2026, 9, 1)).lock
LATE = Debt(since=date(2025, 9, 1), until=date(2026, 10, 31), owner="billing", reason="waits for the customer service")
OVERDUE = replace(BASE, debts={CUSTOMER: LATE})


def test_a_new_loop_is_said_with_statement_place_and_cure() -> None:
    """The difference, the finding behind it, and the two ways out."""
    assert_golden(GOLDEN / "exceeded.txt", text.failure(check(BASE, wasteful(), today=TODAY)))


def test_a_debt_that_grew_or_is_overdue_is_said() -> None:
    """With its owner and its reason."""
    name = "tests/test_orders.py::test_page"
    held = TestLock(kinds={"select": 60, "insert": 1}, until=date(2026, 1, 1), owner="bi")
    lines = [
        *text.failure(check(OVERDUE, wasteful(name, 200), today=TODAY)),
        "",
        *text.failure(check(OVERDUE, wasteful(name), today=TODAY)),
        "",
        *text.failure(check(Lock(tests={name: held}), lean(name), today=TODAY)),
    ]
    assert_golden(GOLDEN / "debts_fail.txt", lines)


def test_many_hostile_statements_stay_on_the_page() -> None:
    """Escapes are shown, long SQL is cut, and the longest part of the list is left out."""
    statements = [
        statement(f"t{number}", number + 2, sql=f"SELECT '\x1b[31m\n{number}' " + "x" * 200, at=LIST_ORDERS)
        for number in range(14)
    ]
    test = entry(lean().nodeid, *statements, findings=(finding(3, message="m\x1b[0m " + "word " * 40, fix=None),))
    assert_golden(GOLDEN / "hostile.txt", text.failure(check(BASE, test, today=TODAY)))


def test_the_summary_names_failures_gains_new_tests_and_stale_entries() -> None:
    """Five names each at most."""
    verdicts = [
        check(BASE, wasteful(), today=TODAY),
        check(BASE, lean("tests/test_orders.py::test_page"), today=TODAY),
        *(check(BASE, lean(f"tests/test_new.py::test_{number}"), today=TODAY) for number in range(7)),
    ]
    assert_golden(GOLDEN / "summary.txt", text.summary(verdicts, stale=["tests/test_old.py::test_gone"]))
    assert list(text.summary([check(BASE, lean(), today=TODAY)])) == []


def test_an_update_says_what_it_wrote() -> None:
    """And names what it raised."""
    tests = [wasteful(), lean("tests/test_orders.py::test_page"), lean("tests/test_new.py::test")]
    changed = update(BASE, tests, today=TODAY)
    unchanged = update(BASE, [], today=TODAY)
    assert_golden(GOLDEN / "updated.txt", [*text.updated(changed), "", *text.updated(unchanged)])


def test_the_oldest_debts_come_first() -> None:
    """With age, size, date, owner and reason."""
    other = finding(rule="no_write_loops", relationship=None, tables=("log",))
    lock = update(OVERDUE, [replace(lean(), findings=(other,))], today=date(2026, 11, 1)).lock
    assert_golden(GOLDEN / "debts.txt", text.debts(lock, today=TODAY))
