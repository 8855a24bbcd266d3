"""The public API as users type it. Nothing here runs: `tox run -e types` checks it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_querybudget import (
    BudgetError,
    Finding,
    QueryBudgetError,
    QueryBudgetExceeded,
    Recording,
    query_budget,
)
from pytest_querybudget.plans.reader import PlanReader
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.json import load


def test_block() -> None:
    """Without pytest."""
    with query_budget(max_queries=2, forbid_columns=["*.metadata"], no_n_plus_one=True) as recording:
        pass
    record: Recording = recording
    nodeid: str = record.nodeid
    assert nodeid


def test_errors() -> None:
    """What may be raised."""
    try:
        with query_budget(max_queries=0):
            pass
    except QueryBudgetExceeded as error:
        assertion: AssertionError = error
        assert assertion
        for finding in error.findings:
            assert finding
    except BudgetError as error:
        value: ValueError = error
        assert value
    except QueryBudgetError:
        pass


def read(finding: Finding) -> tuple[str, str | None, int]:
    """What a finding says."""
    return finding.message, finding.fix, finding.count


def worst(path: str) -> str:
    """What a JSON report holds."""
    report: Report = load(path)
    return max(report.tests, key=lambda test: sum(phase.queries for phase in test.phases.values())).nodeid


def pytest_querybudget_plan_readers() -> Sequence[PlanReader]:
    """A hook of a conftest file."""
    return ()
