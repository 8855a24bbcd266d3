"""`query_budget` as a context manager: a block of code with a budget of its own, with pytest and without."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_querybudget.budgets import Budget, BudgetReader
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
from pytest_querybudget.findings.allowances import SourceComments
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.registry import RULES
from pytest_querybudget.verdicts import Judge, Verdict

if TYPE_CHECKING:
    from pytest_querybudget.capture.listener import Capture


class Block:
    """A block of code that is recorded by itself, and judged when it ends.

    An exception of the block itself always wins. Blocks may be nested; each counts all that runs inside it.
    """

    def __init__(
        self,
        capture: Capture,
        budget: Budget,
        judge: Judge,
        explain: Callable[[Recording, Budget, list[Verdict]], str],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.capture = capture
        self.budget = budget
        self.judge = judge
        self.explain = explain
        self.close = close
        self.recording = Recording("block")
        self.journal: Any = None

    def __enter__(self) -> Recording:
        """Begin to record."""
        self.journal = self.capture.begin_block(self.recording)
        return self.recording

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop recording, and raise `QueryBudgetExceeded` when the budget is exceeded and nothing else was raised."""
        __tracebackhide__ = True
        self.capture.end_block(self.journal)
        self.close()
        if error is not None:
            return
        if self.recording.problems:
            raise QueryBudgetError(f"the block could not be measured: {'; '.join(self.recording.problems)}")
        verdicts, _ = self.judge.judge(self.recording, self.budget)
        failed = [each for each in verdicts if each.failed]
        if failed:
            raise QueryBudgetExceeded(
                self.explain(self.recording, self.budget, verdicts), tuple(each.finding for each in failed)
            )


def query_budget(**rules: Any) -> Block:
    """Return a context manager that records a block of code and holds it to a budget, without pytest.

    The keywords are rules, as in the marker of the same name: `query_budget(max_queries=2, read_only=True)`.
    The block yields a `Recording`. Raises `BudgetError` for a rule or an option that does not exist, and, at the end
    of the block, `QueryBudgetExceeded`, an `AssertionError`.
    """
    from pytest_querybudget.capture.listener import Capture
    from pytest_querybudget.capture.registration import Registration
    from pytest_querybudget.capture.source import Source
    from pytest_querybudget.capture.stacks import StackReader
    from pytest_querybudget.reports.failure import explain

    budget = BudgetReader(RULES, {}).of_keywords(rules)
    root = Path.cwd()
    faults: list[BaseException] = []
    capture = Capture(StackReader(Source(root)), faults.append)
    registration = Registration(capture)
    registration.add()
    judge = Judge(RULES, strict=False, comments=SourceComments(root, dt.date.today()), today=dt.date.today())
    return Block(capture, budget, judge, explain, registration.remove)
