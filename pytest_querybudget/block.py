"""`query_budget` as a context manager: a block of code with a budget of its own, with pytest and without."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_querybudget.budgets import Budget, BudgetReader, Permission
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
from pytest_querybudget.findings.allowances import SourceComments
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.registry import all_rules
from pytest_querybudget.values import dataclass
from pytest_querybudget.verdicts import Judge, Verdict, rule_faults

if TYPE_CHECKING:
    from pytest_querybudget.capture.listener import Capture
    from pytest_querybudget.rules.base import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a block is in: `open` returns what records, `close` is called when the block has ended.

    `planner` returns what plans statements, for rules that need it; `watch` hears of the rules before.

    `why_blind` says why nothing could be recorded, if so; `note` hears of the verdicts and of the markers that
    silenced some of them.
    """

    open: Callable[[], Capture]
    watch: Callable[[Iterable[Rule]], None] = lambda _: None
    planner: Callable[[], Any] = lambda: None
    close: Callable[[], None] = lambda: None
    why_blind: Callable[[Recording], str | None] = lambda _: None
    note: Callable[[list[Verdict], set[Permission]], None] = lambda _, __: None


class Block:
    """A block of code that is recorded by itself, and judged when it ends.

    An exception of the block itself always wins. Blocks may be nested; each counts all that runs inside it. The same
    block may be entered again after it has ended, and then begins a new recording.
    """

    def __init__(
        self,
        budget: Budget,
        judge: Judge,
        explain: Callable[[Recording, Budget, list[Verdict]], str],
        surroundings: Surroundings,
    ) -> None:
        self.budget = budget
        self.judge = judge
        self.explain = explain
        self.surroundings = surroundings
        self.capture: Capture | None = None
        self.recording = Recording("block")
        self.journal: Any = None
        self.outer_planner: Any = None

    def __enter__(self) -> Recording:
        """Begin to record. Raises `QueryBudgetError` where nothing can be recorded, or the block has not ended yet."""
        __tracebackhide__ = True
        if self.capture is not None:
            raise QueryBudgetError("this block has not ended yet: call query_budget(...) again for a block inside it")
        self.surroundings.watch([each.rule for each in self.budget.declarations.values()])
        self.capture = self.surroundings.open()
        self.recording = Recording("block")
        self.journal = self.capture.begin_block(self.recording)
        self.outer_planner = self.capture.planner
        if any(each.rule.needs_plans for each in self.budget.declarations.values()):
            self.capture.planner = self.surroundings.planner()
        return self.recording

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop recording, and raise `QueryBudgetExceeded` when the budget is exceeded and nothing else was raised."""
        __tracebackhide__ = True
        capture, self.capture = self.capture, None
        if capture is None:
            return
        capture.end_block(self.journal)
        capture.planner = self.outer_planner
        journals, capture.journals = capture.journals, ()
        try:
            failure = self._judge()
        finally:
            capture.journals = journals
            self.surroundings.close()
        if error is None and failure is not None:
            raise failure

    def _judge(self) -> Exception | None:
        """Return what to raise for what was recorded."""
        declared = ", ".join(self.budget.declarations)
        if declared:
            reason = "; ".join(self.recording.problems) or self.surroundings.why_blind(self.recording)
            if reason:
                return QueryBudgetError(f"the block ({declared}) could not be measured: {reason}")
            if faults := rule_faults(self.recording, self.budget):
                return QueryBudgetError("\n".join(faults))
        try:
            verdicts, used = self.judge.judge(self.recording, self.budget)
            self.surroundings.note([each for each in verdicts if each.finding.rule in self.budget.declarations], used)
            failed = tuple(each.finding for each in verdicts if each.failed)
            return QueryBudgetExceeded(self.explain(self.recording, self.budget, verdicts), failed) if failed else None
        except Exception as fault:  # noqa: BLE001 - said as what it is: a budget that nobody checked
            return QueryBudgetError(f"the block ({declared}) could not be measured: {type(fault).__name__} in a rule")


def query_budget(**rules: Any) -> Block:
    """Return a context manager that records a block of code and holds it to a budget, without pytest.

    The keywords are rules, as in the marker of the same name: `query_budget(max_queries=2, read_only=True)`.
    The block yields a `Recording`. Raises `BudgetError` for a rule or an option that does not exist, and, at the end
    of the block, `QueryBudgetExceeded`, an `AssertionError`.
    """
    from pytest_querybudget.reports.failure import Page, explain

    known = all_rules()
    budget = BudgetReader(known, {}).of_keywords(rules)
    today = dt.date.today()  # noqa: DTZ011 - end dates are the user's own
    root = Path.cwd()
    judge = Judge(known, strict=False, comments=SourceComments(root, today), today=today)
    return Block(budget, judge, partial(explain, page=Page(raised=True)), _alone(root))


def _alone(root: Path) -> Surroundings:
    """Return the surroundings of a block without a run: it listens for itself, and only as long as it lasts."""
    from pytest_querybudget.capture.catalog import engine_exists
    from pytest_querybudget.capture.listener import Capture
    from pytest_querybudget.capture.registration import Registration
    from pytest_querybudget.stacks.reader import StackReader
    from pytest_querybudget.stacks.source import Source

    # A fault is in the recording's problems already.
    capture = Capture(StackReader(Source(root)), lambda _: None)
    registration = Registration(capture)

    def watch(rules: Iterable[Rule]) -> None:
        needed = list(rules)
        registration.watch(
            pools=any(each.needs_pools for each in needed), transactions=any(each.needs_transactions for each in needed)
        )

    def listen() -> Capture:
        registration.add()
        return capture

    def why_blind(recording: Recording) -> str | None:
        seen = any(True for _ in recording.statements()) or engine_exists()
        return None if seen else "there is no SQLAlchemy engine in this process, so no statement could be seen"

    return Surroundings(open=listen, watch=watch, close=registration.remove, why_blind=why_blind, planner=_planner)


def _planner() -> Any:
    from pytest_querybudget.plans.planner import Planner
    from pytest_querybudget.plans.readers import default_readers

    return Planner.of(default_readers())
