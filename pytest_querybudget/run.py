"""The state of one pytest run, and the only place that wires the rooms together.

    begin -> (capture writes the recording) -> end of each phase: judge -> entry -> report -> summary and files

A process that runs tests (alone, or as an xdist worker) hangs each test's entry on the report of its teardown; the
process that the user started collects them from there, so that both ways are one.
"""

from __future__ import annotations

import datetime as dt
import sys
import traceback
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_querybudget.block import Block
from pytest_querybudget.budgets import Budget, BudgetError, BudgetReader, Permission
from pytest_querybudget.collector import Collector
from pytest_querybudget.entries import budget_entries, finding_entry, phase_entries, statement_entries
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
from pytest_querybudget.findings.allowances import SourceComments
from pytest_querybudget.instruments import Instruments
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.reports import failure
from pytest_querybudget.reports.document import Problem, TestEntry, to_plain
from pytest_querybudget.rules.base import Rule
from pytest_querybudget.settings import Settings
from pytest_querybudget.verdicts import Judge, Verdict
from pytest_querybudget.windows import divided, own_code


class BudgetFailure(QueryBudgetExceeded, pytest.fail.Exception):  # type: ignore[misc]
    """What fails a test whose markers were exceeded: shown as its text, without a traceback."""

    def __init__(self, text: str, findings: tuple[object, ...] = ()) -> None:
        pytest.fail.Exception.__init__(self, text, pytrace=False)
        self.args = (text,)
        self.findings = findings


@dataclass(slots=True)
class Current:
    """The test that runs: its budget, its recording, and what was found so far."""

    item: pytest.Item
    budget: Budget
    recording: Recording
    journal: Any
    verdicts: list[Verdict] = field(default_factory=list)
    used: set[Permission] = field(default_factory=set)
    failed: bool = False
    unmeasured: bool = False


class Run:
    """One run: its settings are frozen, everything that changes is a field here."""

    def __init__(self, config: pytest.Config, settings: Settings, rules: tuple[Rule, ...]) -> None:
        self.config = config
        self.settings = settings
        self.budgets = BudgetReader(rules, settings.defaults)
        today = dt.datetime.now(tz=dt.timezone.utc).astimezone().date()
        self.comments = SourceComments(settings.rootdir, today)
        self.judge = Judge(rules, settings.mode == "strict", self.comments, today)
        self.instruments = Instruments(settings, self.note_fault)
        self.collector = Collector(settings)
        self.current: Current | None = None
        self.is_worker = hasattr(config, "workerinput")
        # What the test that runs now has to tell beside its entry.
        self.problems: list[Problem] = []
        self.text_of = failure.explain

    # Before the tests

    def check_items(self, items: list[pytest.Item]) -> None:
        """Read every marker once, so that a mistake stops the run before it begins."""
        names = self.budgets.marker_names
        patterns: dict[str, Budget] = {}
        for item in items:
            if not any(mark.name in names for mark in item.iter_markers()):
                continue
            try:
                budget = self.budgets.of_markers(mark for mark in item.iter_markers() if mark.name in names)
                self._refuse_unmeasurable(item, budget)
            except BudgetError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None
            if any(each.options.patterns for each in budget.declarations.values()):
                patterns[item.nodeid] = budget
        try:
            self.instruments.check_patterns(patterns)
        except LookupError as error:
            raise pytest.UsageError(str(error)) from None

    def _refuse_unmeasurable(self, item: pytest.Item, budget: Budget) -> None:
        if not isinstance(item, pytest.Function) and any(each.on_test for each in budget.declarations.values()):
            raise BudgetError(f"a budget on a {type(item).__name__} cannot be measured: it is no test function")

    # While a test runs

    def around_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record what fixtures send while they are set up."""
        self._begin(item)
        try:
            return (yield)
        finally:
            self._end_phase("setup")

    def _begin(self, item: pytest.Item) -> None:
        names = self.budgets.marker_names
        try:
            budget = self.budgets.of_markers(mark for mark in item.iter_markers() if mark.name in names)
        except BudgetError as error:
            raise QueryBudgetError(str(error)) from None
        recording = Recording(item.nodeid)
        journal = self.instruments.begin(recording, own_code(getattr(item, "obj", None)))
        self.current = Current(item, budget, recording, journal)

    def around_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record what the test sends, and hold it to its budget when it has passed."""
        self.instruments.open("call")
        try:
            with divided(item, self.instruments.open):
                result = yield
        except BaseException:
            self.instruments.release()
            self._end_phase("call")
            raise
        self.instruments.release()
        self._fail_on(self._end_phase("call"))
        return result

    def around_function(self) -> Generator[None, Any, Any]:
        """Let go of the test function's frame as soon as it has returned."""
        try:
            return (yield)
        finally:
            self.instruments.release()

    def around_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record what fixtures send while they are torn down, and finish the recording."""
        self.instruments.open("teardown")
        try:
            result = yield
        except BaseException:
            self._end_phase("teardown")
            self.instruments.end()
            raise
        verdicts = self._end_phase("teardown")
        self.instruments.end()
        self._fail_on(verdicts)
        return result

    def _end_phase(self, phase: str) -> list[Verdict]:
        """Judge what belongs to a phase that has ended; return the new verdicts."""
        current = self.current
        if current is None:
            return []
        try:
            ends = {"setup": ("setup",), "call": ("call",), "teardown": ("teardown", "all")}[phase]
            with self.instruments.paused():
                verdicts, used = self.judge.judge(
                    current.recording, current.budget, lambda options: options.phase in ends
                )
                current.verdicts += verdicts
                current.used |= used
        except Exception as error:  # noqa: BLE001 - the test must end as it would without this plugin
            self.note_fault(error)
            current.recording.problems.append(f"{type(error).__name__} while the budget was judged")
            return []
        return verdicts

    def _fail_on(self, verdicts: list[Verdict]) -> None:
        current = self.current
        if current is None or current.failed:
            return
        self._refuse_unmeasured(current)
        failed = [each for each in verdicts if each.failed]
        if failed:
            current.failed = True
            text = self.text_of(current.recording, current.budget, verdicts)
            raise BudgetFailure(text, tuple(each.finding for each in failed))

    def _refuse_unmeasured(self, current: Current) -> None:
        declared = [name for name, each in current.budget.declarations.items() if each.on_test]
        if current.unmeasured or not declared:
            return
        reason = "; ".join(dict.fromkeys(current.recording.problems)) or self.instruments.why_blind(current.recording)
        if reason:
            current.unmeasured = current.failed = True
            raise BudgetFailure(f"the budget ({', '.join(declared)}) could not be measured: {reason}")

    def note_part(self, report: Any) -> None:
        """Begin a new window after each subtest."""
        if self.current is not None and type(report).__name__ in ("SubTestReport", "SubtestReport"):
            self.instruments.name_window(_part_name(report))
            self.instruments.open("call")

    # What is handed over

    def hand_over(self, item: pytest.Item, report: Any) -> None:
        """Hang the entry of a finished test on the report of its teardown."""
        current = self.current
        if report.when != "teardown" or current is None or current.item is not item:
            return
        self.current = None
        try:
            report.querybudget = self._entry(current)
        except Exception as error:  # noqa: BLE001 - the test's own report must arrive
            self.note_fault(error)
            report.querybudget = {"test": to_plain(TestEntry(nodeid=item.nodeid, outcome="passed")), "problems": []}
        report.querybudget["problems"] += [to_plain(each) for each in self.problems]
        self.problems = []

    def _entry(self, current: Current) -> dict[str, Any]:
        recording = current.recording
        for statement in recording.statements():
            self.comments.note_place(statement.location)
        entry = TestEntry(
            nodeid=recording.nodeid,
            outcome="passed",
            phases=phase_entries(recording),
            budget=budget_entries(recording, current.budget),
            statements=statement_entries(recording),
            findings=tuple(finding_entry(each) for each in current.verdicts),
        )
        problems = [
            Problem(slug="stale-allowance", text=f"allow_queries({', '.join(each.rules)}) silences nothing", nodeid=recording.nodeid)
            for each in current.budget.permissions
            if each not in current.used
        ]
        problems += [
            Problem(slug="not-measured", text=each, nodeid=recording.nodeid) for each in dict.fromkeys(recording.problems)
        ]
        return {"test": to_plain(entry), "problems": [to_plain(each) for each in problems]}

    def note_report(self, report: Any) -> None:
        """Begin a new window after a part of a test; take over what a report brings, where the user waits for it."""
        self.note_part(report)
        if not self.is_worker:
            self.collector.add(report)

    # After the tests

    def finish(self, session: pytest.Session) -> None:
        """Hand a worker's left-overs to the controller; write the reports in the process that the user started."""
        problems = [*self.instruments.problems(), *self._stale_comments()]
        if self.is_worker:
            self.config.workeroutput["querybudget"] = [to_plain(each) for each in problems]  # type: ignore[attr-defined]
            return
        self.collector.problems += problems
        if self.collector.finish(partial=bool(session.shouldstop)) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _stale_comments(self) -> list[Problem]:
        return [
            Problem(slug="stale-allowance", text=f"{each.path}:{each.line} allow[{', '.join(each.rules)}] silences nothing")
            for each in self.comments.stale()
        ]

    def collect_worker(self, node: Any, error: object) -> None:
        """Take over what a worker had left when it ended, or that it was lost."""
        output = getattr(node, "workeroutput", {})
        self.collector.add_worker(node.gateway.id, output.get("querybudget"), error)

    def print_summary(self, terminal: Any) -> None:
        """Print the summary."""
        lines = list(self.collector.summary(terminal._tw.fullwidth, self.config.option.verbose))  # noqa: SLF001
        if lines:
            terminal.section("query budget", "=")
        for text, markup in lines:
            terminal.write_line(text, **markup)

    def note_fault(self, error: BaseException) -> None:
        """Remember a fault of this plugin: it is shown, and the session does not succeed."""
        where = traceback.extract_tb(error.__traceback__)
        place = f" at {where[-1].name}:{where[-1].lineno}" if where else ""
        nodeid = self.current.item.nodeid if self.current else None
        self.problems.append(Problem(slug="fault", text=f"{type(error).__name__} inside the plugin{place}", nodeid=nodeid))
        if self.config.option.fulltrace:
            traceback.print_exception(error, file=sys.stderr)

    def fixture(self) -> BudgetFixture:
        """Return the fixture's value for the test that runs."""
        return BudgetFixture(self)


class BudgetFixture:
    """The `query_budget` fixture.

    `with query_budget(max_queries=2) as recording:` holds a block to a budget; `query_budget.recording` is the
    recording of the whole test so far.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def recording(self) -> Recording:
        """What the test has sent so far."""
        current = self._run.current
        if current is None:
            raise QueryBudgetError("no test runs, or recording is switched off")
        return current.recording

    def __call__(self, **rules: Any) -> Block:
        """Return a context manager that holds its block to these rules. Raises `BudgetError`."""
        run = self._run
        budget = run.budgets.of_keywords(rules) if rules else Budget()
        outer = run.current.budget.permissions if run.current else ()
        capture = run.instruments.need_capture()
        return Block(capture, Budget(declarations=budget.declarations, permissions=outer), run.judge, run.text_of)


def _part_name(report: Any) -> str:
    context = report.context
    words = [str(context.msg)] if getattr(context, "msg", None) else []
    words += [f"{key}={value!r}" for key, value in dict(getattr(context, "kwargs", {})).items()]
    return "subtest " + (", ".join(words) or "without a name")
