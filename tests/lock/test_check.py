"""Holding a test to its entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from pytest_querybudget.lock.check import LockVerdict, check
from pytest_querybudget.lock.model import Debt, Lock, TestLock
from pytest_querybudget.lock.update import update
from pytest_querybudget.reports.document import Allowance, TestEntry
from tests.lock.sample import AUDIT, LIST_ORDERS, entry, finding, lean, statement, wasteful

TODAY = date(2026, 11, 23)
CUSTOMER = "no_n_plus_one Order.customer app/orders.py::list_orders"


def locked(*tests: TestEntry) -> Lock:
    return update(Lock(), tests, today=TODAY).lock


def verdict(lock: Lock, test: TestEntry) -> LockVerdict:
    return check(lock, test, today=TODAY)


def test_the_same_again_passes() -> None:
    """Neither failure nor gain, and the known finding is tolerated."""
    result = verdict(locked(wasteful()), wasteful())
    assert not result.failed
    assert not result.gained
    assert [each.identity for each in result.tolerated] == [CUSTOMER]


def test_more_than_locked_fails_with_the_difference_by_statement_and_place() -> None:
    """The statements that grew are told from those that did not."""
    result = verdict(locked(lean()), wasteful())
    assert result.failed
    assert [(each.kind, each.locked, each.actual) for each in result.exceeded] == [("select", 1, 51)]
    (grown,) = result.statements
    assert (grown.locked, grown.actual, grown.entries[0].location) == (0, 50, LIST_ORDERS)
    assert [each.identity for each in result.new] == [CUSTOMER]


def test_each_kind_is_held_by_itself() -> None:
    """A select fewer does not pay for an insert more."""
    lock = locked(entry("t::a", statement(count=3), statement("log", kind="insert", at=AUDIT)))
    result = verdict(lock, entry("t::a", statement(count=2), statement("log", 2, kind="insert", at=AUDIT)))
    assert [(each.kind, each.locked, each.actual) for each in result.exceeded] == [("insert", 1, 2)]
    assert [(each.kind, each.locked, each.actual) for each in result.fewer] == [("select", 3, 2)]
    assert [each.entries[0].kind for each in result.statements] == ["insert"]


def test_a_test_locked_at_nothing_may_send_nothing() -> None:
    """Zero is a figure too."""
    assert verdict(locked(entry("t::a")), entry("t::a", statement())).failed
    assert not verdict(locked(entry("t::a")), entry("t::a")).failed


def test_a_known_finding_that_grows_fails() -> None:
    """2 rows to 200 on a known finding fails."""
    result = verdict(locked(wasteful(count=2)), wasteful(count=200))
    assert [(each.identity, each.locked, each.actual) for each in result.grown] == [(CUSTOMER, 2, 200)]
    assert result.failed
    assert not result.tolerated


def test_fewer_is_a_gain_and_no_failure() -> None:
    """Both of statements and of findings."""
    fewer = verdict(locked(wasteful(count=50)), wasteful(count=10))
    assert not fewer.failed
    assert fewer.gained
    assert [(each.locked, each.actual) for each in fewer.cured] == [(50, 10)]
    assert [each.identity for each in fewer.tolerated] == [CUSTOMER]
    cured = verdict(locked(wasteful()), lean())
    assert not cured.failed
    assert [(each.identity, each.actual) for each in cured.cured] == [(CUSTOMER, 0)]


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed"])
def test_a_test_that_did_not_pass_is_held_to_nothing(outcome: str) -> None:
    """Its own failure comes first, and a part of a test says nothing of the whole."""
    assert not verdict(locked(lean()), wasteful(outcome=outcome)).failed
    assert not verdict(locked(wasteful()), lean(outcome=outcome)).gained


def test_a_new_test_is_held_to_no_number() -> None:
    """There is nothing to compare it with."""
    result = verdict(locked(lean()), lean("t::new"))
    assert not result.known
    assert not result.failed


def test_a_new_test_may_meet_a_known_debt_and_not_bring_a_new_one() -> None:
    """A new test of an old endpoint is welcome; a new sin is not."""
    assert not verdict(locked(wasteful()), wasteful("t::new", count=500)).failed
    assert verdict(locked(lean()), wasteful("t::new")).failed


def test_a_known_test_that_starts_to_meet_a_known_debt_fails() -> None:
    """It sends more than it did, and says why."""
    result = verdict(locked(lean(), wasteful("t::other")), wasteful())
    assert [each.identity for each in result.new] == [CUSTOMER]


@pytest.mark.parametrize(("until", "failed"), [(date(2026, 11, 23), False), (date(2026, 11, 22), True)])
def test_a_debt_is_tolerated_to_the_end_of_its_day(until: date, failed: bool) -> None:
    """For tests that have an entry, and for those that have none."""
    lock = replace(locked(wasteful()), debts={CUSTOMER: Debt(until=until, reason="waits", owner="billing")})
    assert verdict(lock, wasteful()).failed is failed
    assert bool(verdict(lock, wasteful()).overdue) is failed
    assert verdict(lock, wasteful("t::new")).failed is failed


def test_an_overdue_debt_that_is_not_met_fails_nothing() -> None:
    """It was mended in time."""
    lock = replace(locked(wasteful()), debts={CUSTOMER: Debt(until=date(2020, 1, 1))})
    assert not verdict(lock, lean()).failed


def test_an_entry_past_its_date_fails() -> None:
    """Whatever it sends: someone said that it would be looked at by then."""
    held = TestLock(kinds={"select": 9, "insert": 9}, until=date(2026, 1, 1), owner="billing")
    result = verdict(Lock(tests={lean().nodeid: held}), lean())
    assert result.entry_overdue
    assert result.failed


def test_what_a_person_wrote_is_the_reason_of_the_allowance() -> None:
    """The run marks the finding as allowed by the lock."""
    lock = replace(locked(wasteful()), debts={CUSTOMER: Debt(until=date(2027, 1, 31), reason="waits for v2")})
    assert verdict(lock, wasteful()).allowance(finding()) == Allowance(
        reason="waits for v2", source="lock", until="2027-01-31"
    )
    assert verdict(lock, wasteful()).allowance(finding(rule="no_write_loops")) is None
    plain = verdict(locked(wasteful()), wasteful()).allowance(finding())
    assert plain == Allowance(reason="known in the lock file", source="lock")


def test_what_the_lock_allowed_is_still_what_the_lock_knows() -> None:
    """A finding that an earlier check marked is measured again; one that a person allowed in the source is not."""
    by_lock = finding(allowed=Allowance(reason="known", source="lock"))
    by_marker = finding(allowed=Allowance(reason="known", source="marker"))
    test = lean()
    assert locked(replace(test, findings=(by_lock,))).debts.keys() == {CUSTOMER}
    assert locked(replace(test, findings=(by_marker,))).debts == {}
    assert not verdict(locked(test), replace(test, findings=(by_marker,))).failed


def test_fixtures_are_nobody_in_particular() -> None:
    """A session fixture runs in whichever test comes first: neither its statements nor its findings are locked."""
    lock = locked(lean())
    first = replace(
        entry(lean().nodeid, *lean().statements, statement("seed", 90, kind="insert", phase="setup")),
        findings=(finding(phase="setup"),),
    )
    assert not verdict(lock, first).failed
    assert locked(first) == lock


def test_the_tests_own_loops_are_its_arrangement() -> None:
    """They count as statements and are no finding of the lock."""
    assert not verdict(locked(lean()), replace(lean(), findings=(finding(declared_only=True),))).failed


def test_transaction_control_is_not_compared() -> None:
    """A SAVEPOINT is recorded and not counted."""
    savepoint = statement("", 7, kind="savepoint")
    test = lean()
    noisy = replace(test, statements=(*test.statements, savepoint))
    assert locked(noisy) == locked(test)


def test_one_finding_of_two_shapes_is_one() -> None:
    """Their statements are added up."""
    both = replace(lean(), findings=(finding(3), finding(4, sql="SELECT customer.id FROM customer")))
    assert locked(both).tests[lean().nodeid].findings == {CUSTOMER: 7}


def test_an_entry_written_by_hand_still_explains_what_was_sent() -> None:
    """Without known statements all of that kind are shown, most first."""
    lock = Lock(tests={lean().nodeid: TestLock(kinds={"select": 2, "insert": 1})})
    result = verdict(lock, wasteful())
    assert [(each.locked, each.actual) for each in result.statements] == [(None, 50), (None, 1)]


def test_a_node_id_that_no_file_can_hold_is_found_again() -> None:
    """Half a surrogate pair is spelled out in both places."""
    name = "tests/\udc80.py::test"
    assert verdict(locked(lean(name)), lean(name)).known
