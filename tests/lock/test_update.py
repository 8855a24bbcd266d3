"""From what a run measured to the next lock."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest

from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import Debt, Lock
from pytest_querybudget.lock.update import stale, update
from tests.lock.sample import entry, lean, statement, wasteful

DAY, LATER = date(2026, 11, 23), date(2027, 3, 1)
CUSTOMER = "no_n_plus_one Order.customer app/orders.py::list_orders"
BASE = update(Lock(), [lean("a.py::lean"), wasteful("b.py::waste"), wasteful("b.py::waste2")], today=DAY).lock


def test_a_gain_becomes_the_new_floor() -> None:
    """And the debt goes when nobody owes it any more."""
    result = update(BASE, [lean("b.py::waste")], today=LATER)
    assert result.lowered == ("b.py::waste",)
    assert result.raised == ()
    assert result.lock.tests["b.py::waste"].kinds == {"select": 1, "insert": 1}
    assert result.lock.debts == {CUSTOMER: Debt(since=DAY)}
    assert update(result.lock, [lean("b.py::waste2")], today=LATER).lock.debts == {}


def test_an_update_takes_a_rise_too_and_says_so() -> None:
    """It is the developer's word, and the review's to see."""
    result = update(BASE, [wasteful("a.py::lean")], today=LATER)
    assert result.raised == ("a.py::lean",)
    assert result.lock.tests["a.py::lean"].queries == 52


def test_lower_only_takes_no_rise() -> None:
    """Figure by figure: fewer inserts are kept, more selects are not."""
    lock = update(Lock(), [entry("t", statement(), statement(kind="insert", count=5))], today=DAY).lock
    result = update(lock, [entry("t", statement(count=9), statement(kind="insert"))], today=DAY, lower_only=True)
    assert result.lock.tests["t"].kinds == {"select": 1, "insert": 1}
    assert result.raised == ()
    assert update(BASE, [wasteful("a.py::lean")], today=DAY, lower_only=True).lock == BASE
    assert update(BASE, [wasteful("b.py::waste", 3)], today=DAY, lower_only=True).lock.tests["b.py::waste"].queries == 5
    assert update(BASE, [lean("c.py::new")], today=DAY, lower_only=True).added == ("c.py::new",)


def test_a_part_of_the_suite_leaves_the_rest_alone() -> None:
    """Only what ran is written."""
    result = update(BASE, [lean("a.py::lean")], today=LATER)
    assert result.lock == BASE
    assert (result.added, result.raised, result.lowered, result.pruned) == ((), (), (), ())


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed"])
def test_a_test_that_did_not_pass_leaves_its_entry_alone(outcome: str) -> None:
    """Lower or higher; and it gets none when it has none."""
    tests = [
        lean("b.py::waste", outcome=outcome),
        wasteful("a.py::lean", outcome=outcome),
        lean("new", outcome=outcome),
    ]
    assert update(BASE, tests, today=LATER).lock == BASE


def test_a_full_run_drops_tests_that_are_gone() -> None:
    """A test that was collected stays, even when it was skipped or failed."""
    result = update(BASE, [], today=LATER, collected={"a.py::lean", "b.py::waste"})
    assert result.pruned == ("b.py::waste2",)
    assert set(result.lock.tests) == {"a.py::lean", "b.py::waste"}


def test_a_module_that_was_skipped_as_a_whole_keeps_its_entries() -> None:
    """`importorskip` on one machine is no deletion on another."""
    assert stale(BASE, {"a.py::lean"}) == ("b.py::waste", "b.py::waste2")
    assert stale(BASE, {"a.py::lean"}, not_collected=["b.py"]) == ()
    assert stale(BASE, {"a.py::lean"}, not_collected=["b.p"]) == ("b.py::waste", "b.py::waste2")


def test_a_known_debt_keeps_its_day_and_what_a_person_wrote() -> None:
    """Updates never forget a reason, an owner or a date."""
    debt = Debt(since=date(2025, 1, 1), reason="v2", owner="billing", until=date(2027, 1, 1))
    held = replace(BASE.tests["b.py::waste"], reason="a report", owner="bi", until=LATER)
    lock = Lock(tests={**BASE.tests, "b.py::waste": held}, debts={CUSTOMER: debt})
    result = update(lock, [wasteful("b.py::waste", 30)], today=LATER).lock
    assert result.debts == {CUSTOMER: debt}
    entry_now = result.tests["b.py::waste"]
    assert (entry_now.reason, entry_now.owner, entry_now.until) == ("a report", "bi", LATER)
    assert entry_now.findings == {CUSTOMER: 30}


def test_the_order_of_tests_and_repeats_leave_no_trace() -> None:
    """Random order, any number of workers, and one test measured twice give the same bytes."""
    tests = [wasteful(f"t.py::test_{number}", number % 7) for number in range(300)]
    wanted = dumps(update(Lock(), tests, today=DAY).lock)
    shuffled = [*tests, *tests[:50]]
    random.Random(1).shuffle(shuffled)
    assert dumps(update(Lock(), shuffled, today=DAY).lock) == wanted


def test_one_test_measured_twice_is_held_to_the_most() -> None:
    """`--dist each`, or two shards with one test."""
    once = update(Lock(), [wasteful("t", 3), wasteful("t", 8), wasteful("t", 5)], today=DAY).lock
    assert once.tests["t"].findings == {CUSTOMER: 8}
