"""What changed between two runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_querybudget.cli.comparison_table import as_table
from pytest_querybudget.compare import (
    Tolerance,
    compare,
    parse_tolerance,
    without_columns,
)
from pytest_querybudget.reports.document import Allowance
from tests.lock.sample import (
    AUDIT,
    LIST_ORDERS,
    entry,
    finding,
    lean,
    report,
    statement,
    wasteful,
)

NAME = lean().nodeid
CUSTOMER = "no_n_plus_one Order.customer app/orders.py::list_orders"


def test_equal_runs_differ_in_nothing() -> None:
    """Nothing is shown and nothing regressed, whatever the order of the tests."""
    tests = [lean(), wasteful("t::b"), entry("t::c")]
    result = compare(report(*tests), report(*reversed(tests)))
    assert (result.tests, result.places, result.statements, result.found, result.cured, result.changed) == ((),) * 6
    assert result.regressions == 0
    assert result.compared == 3


def test_a_new_loop_is_seen_by_test_place_statement_and_finding() -> None:
    """Each view names the same growth."""
    result = compare(report(lean()), report(wasteful()))
    assert [(each.name, each.base, each.head, each.regression) for each in result.tests] == [(NAME, 2, 52, True)]
    assert [(each.name, each.more) for each in result.places] == [("app/orders.py::list_orders", 50)]
    assert [each.more for each in result.statements] == [50]
    assert [each.identity for each in result.found] == [CUSTOMER]
    assert result.regressions == 2
    queries = next(each for each in result.totals if each.name == "queries")
    assert queries.percent == 2500


def test_a_cure_is_no_regression() -> None:
    """It is shown as one."""
    result = compare(report(wasteful()), report(lean()))
    assert result.regressions == 0
    assert [each.identity for each in result.cured] == [CUSTOMER]
    assert [each.more for each in result.tests] == [-50]


def test_a_finding_is_not_cured_by_not_running_its_test() -> None:
    """A test that was skipped, failed or deleted proves nothing."""
    base = report(wasteful())
    for head in (report(), report(lean(outcome="skipped")), report(lean(outcome="failed"))):
        assert compare(base, head).cured == ()


def test_a_long_name_of_a_test_keeps_its_end() -> None:
    """What tells it from others stands there."""
    names = [f"tests/{'folder/' * 12}test_it.py::test_{each}" for each in "ab"]
    base, head = (report(*(entry(each, statement(count=count)) for each in names)) for count in (1, 2))
    lines = [each for each in as_table(compare(base, head)) if "test_it" in each]
    assert [each[-18:] for each in lines] == ["test_it.py::test_a", "test_it.py::test_b"]
    assert [len(each) for each in lines] == [80, 80]


@pytest.mark.parametrize(
    ("tolerance", "regressions"),
    [("0", 1), ("1", 1), ("2", 0), ("19%", 1), ("20%", 0), ("1, 20%", 0), ("2,1%", 0), ("1,19%", 1)],
)
def test_growth_within_the_tolerance_is_no_regression(tolerance: str, regressions: int) -> None:
    """10 to 12 statements: the larger of percent and queries decides."""
    base, head = (report(entry("t::a", statement(count=count))) for count in (10, 12))
    assert compare(base, head, parse_tolerance(tolerance)).regressions == regressions


@pytest.mark.parametrize("text", ["", "five", "-1", "5%%", "1,,2", "nan"])
def test_a_tolerance_that_is_none_is_an_error(text: str) -> None:
    """It says what was given and what is allowed."""
    with pytest.raises(ValueError, match="expected percent, queries or both, such as 5%, 3 or 5%,3; got"):
        parse_tolerance(text)


def test_a_new_finding_is_a_regression_whatever_the_tolerance() -> None:
    """Also in a new test; but not one that another test of the base already had."""
    assert compare(report(), report(wasteful()), Tolerance(percent=1e9)).regressions == 1
    assert compare(report(wasteful("t::old")), report(wasteful("t::old"), wasteful("t::new"))).regressions == 0


def test_a_known_finding_may_not_grow() -> None:
    """Neither alone nor with its test."""
    result = compare(report(wasteful(count=2)), report(wasteful(count=200)))
    assert [(each.base, each.head, each.regression) for each in result.changed] == [(2, 200, True)]
    tolerated = compare(report(wasteful(count=2)), report(wasteful(count=200)), Tolerance(queries=198))
    assert tolerated.regressions == 0


def test_allowed_findings_and_the_tests_own_loops_are_left_out() -> None:
    """What a person allowed is no news; what the lock tolerates still is a finding."""
    quiet = (finding(allowed=Allowance(reason="r", source="marker")), finding(declared_only=True))
    assert compare(report(lean()), report(replace(lean(), findings=quiet))).found == ()
    known = (finding(allowed=Allowance(reason="r", source="lock")),)
    assert compare(report(replace(lean(), findings=known)), report(wasteful())).found == ()


def test_a_test_that_failed_may_have_grown_and_has_not_shrunk() -> None:
    """A budget that fails the test is the very regression to show."""
    grown = compare(report(lean()), report(wasteful(outcome="failed")))
    assert [each.regression for each in grown.tests] == [True]
    stopped = compare(report(wasteful()), report(lean(outcome="failed")))
    assert stopped.tests == ()
    assert stopped.incomparable == (NAME,)
    assert compare(report(lean(outcome="failed")), report(wasteful())).tests == ()


def test_new_and_deleted_tests_are_named_and_not_compared() -> None:
    """A longer suite is no slower application."""
    result = compare(report(lean("t::a"), lean("t::b")), report(lean("t::b"), lean("t::c")))
    assert (result.added, result.removed, result.tests) == (("t::c",), ("t::a",), ())
    assert all(each.more == 0 for each in result.totals)


def test_fixtures_count_only_when_asked_for() -> None:
    """A session fixture moves to whichever test runs first."""
    seeded = entry(NAME, *lean().statements, statement("seed", 9, kind="insert", phase="setup"))
    assert compare(report(lean()), report(seeded)).tests == ()
    assert compare(report(lean()), report(seeded), all_phases=True).tests[0].more == 9


def test_a_new_column_is_no_new_statement() -> None:
    """A shape is compared with its twin that has other columns; what is left is new and gone."""
    old = statement(sql="SELECT orders.id FROM orders WHERE orders.id = ?")
    new = statement(sql="SELECT orders.id, orders.note FROM orders WHERE orders.id = ?")
    assert compare(report(entry("t", old)), report(entry("t", new))).statements == ()
    more = compare(report(entry("t", old)), report(entry("t", replace(new, count=4))))
    assert [(each.base, each.head) for each in more.statements] == [(1, 4)]
    other = statement(sql="SELECT orders.id FROM orders WHERE orders.name = ?")
    assert [each.more for each in compare(report(entry("t", old)), report(entry("t", other))).statements] == [1, -1]


@pytest.mark.parametrize(
    ("sql", "shape"),
    [
        ("SELECT a, b FROM t WHERE a = ?", "SELECT … FROM t WHERE a = ?"),
        ("select (SELECT max(x) FROM u) AS m, 'FROM' FROM t", "SELECT … FROM t"),
        ("SELECT 1", "SELECT 1"),
        ("SELECT extract(year FROM d) FROM t", "SELECT … FROM t"),
        ("INSERT INTO t (a, b) VALUES (?, ?) RETURNING a, b", "INSERT INTO t (…) VALUES (…) RETURNING …"),
        ("UPDATE t SET a = ? WHERE id = ?", "UPDATE t SET a = ? WHERE id = ?"),
    ],
)
def test_columns_are_left_out_of_a_shape(sql: str, shape: str) -> None:
    """Only lists of columns are, and FROM is the one of the statement itself."""
    assert without_columns(sql) == shape


def test_moved_lines_and_an_installed_application_change_nothing() -> None:
    """The same function of the same file is the same place."""
    moved = replace(LIST_ORDERS, line=400, path="lib/python3.12/site-packages/app/orders.py")
    one, other = statement(at=LIST_ORDERS), statement(at=moved)
    assert compare(report(entry("t", one)), report(entry("t", other))).places == ()


def test_growth_in_one_place_and_gain_in_another_are_both_shown() -> None:
    """Though the test as a whole did not grow."""
    one = entry("t", statement(count=5), statement("log", 1, at=AUDIT))
    other = entry("t", statement(count=1), statement("log", 5, at=AUDIT))
    result = compare(report(one), report(other))
    assert result.tests == ()
    assert [(each.name, each.more) for each in result.places] == [
        ("app/audit.py::log_access", 4),
        ("app/orders.py::list_orders", -4),
    ]
