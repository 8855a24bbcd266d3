"""Microseconds of CPU time that each recorder adds to a small test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from benchmarks import processes
from benchmarks.figures import rotated
from benchmarks.plan import Plan
from benchmarks.recorders import EMPTY, NONE
from benchmarks.tables import Section, Table, signed

TESTS = 300
ROUNDS = 5
# What the suite is told, by what its tests are called.
KINDS = {
    "without a statement": {"QUERYBUDGET_BENCH_STATEMENTS": "0"},
    "with 4 statements": {"QUERYBUDGET_BENCH_STATEMENTS": "4"},
    "with 12 different statements": {"QUERYBUDGET_BENCH_DIFFERENT": "1"},
}


def run(plan: Plan) -> Section:
    """The test loop of 300 small tests, the lowest of several interleaved runs."""
    lowest = {label: _measure(plan, told) for label, told in KINDS.items()}
    others = [recorder for recorder in plan.recorders if recorder is not NONE]
    labels = {EMPTY.name: "2 empty"}
    rows = tuple(
        (
            f"a test {label}",
            f"{found[NONE.name]:.0f}",
            *(signed(found[r.name] - found[NONE.name], 0) for r in others),
        )
        for label, found in lowest.items()
    )
    columns = ("added µs per test", "alone", *(labels.get(r.name, r.label) for r in others))
    return Section("tests", (Table(f"CPU time per test, {TESTS} tests", columns, rows),), data=lowest)


def _measure(plan: Plan, told: Mapping[str, str]) -> dict[str, float]:
    """Microseconds per test by recorder."""
    found: dict[str, list[float]] = defaultdict(list)
    by_name = {recorder.name: recorder for recorder in plan.recorders}
    variables = {"QUERYBUDGET_BENCH_TESTS": str(TESTS), **told}
    for turn in range(plan.times(ROUNDS)):
        for name in rotated(list(by_name), turn):
            marks = processes.marks(plan.bench, by_name[name], "bench_tests.py", **variables)
            found[name].append((marks["last test"] - marks["first test"]) * 1e6 / TESTS)
    return {name: min(values) for name, values in found.items()}
