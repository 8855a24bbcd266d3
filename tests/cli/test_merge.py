"""The shards of a matrix as one run."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import Lock
from pytest_querybudget.lock.update import update
from pytest_querybudget.merge import merge
from pytest_querybudget.reports.document import Problem, Tool
from tests.lock.sample import entry, lean, report, wasteful


def test_shards_become_one_run() -> None:
    """Every test of every shard, sorted, with the totals of all."""
    merged = merge([report(wasteful("t::b")), report(lean("t::a"), entry("t::c"))])
    assert [each.nodeid for each in merged.tests] == ["t::a", "t::b", "t::c"]
    assert (merged.totals.tests, merged.totals.queries, merged.totals.findings) == (3, 54, 1)


@pytest.mark.parametrize(
    ("one", "worse"),
    [
        (lean(), lean(outcome="failed")),
        (lean(outcome="skipped"), lean()),
        (wasteful(outcome="xfailed"), lean()),
        (wasteful(outcome="failed"), lean(outcome="error")),
        (lean(), wasteful()),
    ],
    ids=["failed", "ran", "passed", "error", "sent more"],
)
def test_a_test_in_several_shards_counts_once_by_its_worst_run(one: object, worse: object) -> None:
    """Whatever their order."""
    assert merge([report(one), report(worse)]).tests == (worse,)  # type: ignore[arg-type]
    assert merge([report(worse), report(one)]).tests == (worse,)  # type: ignore[arg-type]


def test_the_order_of_shards_and_the_way_of_merging_leave_no_trace() -> None:
    """All at once or one by one."""
    shards = [
        report(lean("t::a"), wasteful("t::x", 3), problems=(Problem(slug="b", text="b"),)),
        report(wasteful("t::x", 9), mode="strict", problems=(Problem(slug="a", text="a"), Problem(slug="b", text="b"))),
        report(wasteful("t::x", 9, outcome="failed"), lean("t::c"), tool=Tool(python="3.12", version="1")),
    ]
    wanted = merge(shards)
    for order in itertools.permutations(shards):
        assert merge(order) == wanted
        assert merge([merge(order[:2]), order[2]]) == wanted
    assert wanted.mode == "strict"
    assert [each.slug for each in wanted.problems] == ["a", "b"]


def test_tools_that_differ_are_listed() -> None:
    """A matrix of Pythons says so."""
    tools = [Tool(python="3.12", version="1"), Tool(python="3.10", version="1")]
    assert merge([report(tool=each) for each in tools]).tool == Tool(python="3.10, 3.12", version="1")


def test_the_lock_of_shards_is_the_lock_of_one_run() -> None:
    """Byte by byte."""
    tests = [wasteful(f"t.py::test_{number}", number % 5) for number in range(60)]
    whole = dumps(update(Lock(), report(*tests).tests, today=date(2026, 11, 23)).lock)
    shards = [report(*tests[start::4]) for start in range(4)]
    assert dumps(update(Lock(), merge(shards).tests, today=date(2026, 11, 23)).lock) == whole


def test_nothing_to_merge_is_an_error() -> None:
    """There is no empty run."""
    with pytest.raises(ValueError, match="no report"):
        merge([])
