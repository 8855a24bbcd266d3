"""The state of one pytest run, and the only place that wires the rooms together.

    begin -> (capture writes the recording) -> end of each phase: judge -> entry -> report -> summary and files

A process that runs tests (alone, or as an xdist worker) hangs each test's entry on the report of its teardown; the
process that the user started collects them from there, so that both ways are one.
"""

from __future__ import annotations

import datetime as dt
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget.adoption import Adoption, Copies
from pytest_querybudget.budgets import Budget, BudgetError, BudgetReader, Permission
from pytest_querybudget.chances import marker_chances
from pytest_querybudget.checks import Checks
from pytest_querybudget.collector import Collector
from pytest_querybudget.current import Current, is_read, judged_after, located, mark_count, then
from pytest_querybudget.ending import Ending
from pytest_querybudget.entries import (
    budget_entries,
    finding_entry,
    phase_entries,
    request_entries,
    statement_entries,
    transactions_entry,
)
from pytest_querybudget.findings.allowances import SourceComments
from pytest_querybudget.fixture import BudgetFixture
from pytest_querybudget.handing import Handed, Hands
from pytest_querybudget.holding import Holder
from pytest_querybudget.instruments import Instruments
from pytest_querybudget.outcomes import hide_own_frames, point_to_test
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.reports import failure
from pytest_querybudget.reports.document import Problem, Proven, TestEntry, to_plain
from pytest_querybudget.rules.base import Rule
from pytest_querybudget.rules.constant_queries import ConstantQueries
from pytest_querybudget.settings import Settings
from pytest_querybudget.verdicts import Judge, Verdict
from pytest_querybudget.windows import divide, own_code

if TYPE_CHECKING:
    from pytest_querybudget.prove import Prover


class Run:
    """One run: its settings are frozen, everything that changes is a field here."""

    def __init__(self, config: pytest.Config, settings: Settings, rules: tuple[Rule, ...]) -> None:
        self.config = config
        self.settings = settings
        self.budgets = BudgetReader(rules, settings.defaults, settings.switched)
        today = dt.datetime.now(tz=dt.timezone.utc).astimezone().date()
        self.comments = SourceComments(settings.rootdir, today)
        self.judge = Judge(
            rules, settings.mode == "strict", self.comments, today, plans=settings.explain, switched=settings.switched
        )
        self.instruments = Instruments(settings, self.note_fault)
        self.instruments.readers = tuple(
            each for found in config.hook.pytest_querybudget_plan_readers() for each in found or ()
        )
        self.checks = Checks(config, self.budgets, self.instruments)
        self.is_worker = hasattr(config, "workerinput")
        self.collector = Collector(settings, config.hook, Hands(is_worker=self.is_worker))
        self.adoption = Adoption(settings, today, Copies(config))
        self.current: Current | None = None
        self.ending = Ending(self)
        # What the test that runs now has to tell beside its entry.
        self.problems: list[Problem] = []
        # What was tried, and came out only after its test had been handed over.
        self.proofs: list[Proven] = []
        self.prover: Prover | None = None
        if settings.prove:
            from pytest_querybudget.prove import Prover

            self.prover = Prover(self.instruments, self._again, self.proofs.append, self._note_no_proof)
        full = config.getoption("verbose", 0) > 1
        self.text_of = partial(failure.explain, page=failure.Page(full=full))
        self.holder = Holder(self.judge, self.adoption, self.instruments, self.text_of, self._test_entry)
        self.block_text_of = partial(
            failure.explain, page=failure.Page(width=failure.BLOCK_WIDTH, full=full, raised=True)
        )

    def check_items(self, items: list[pytest.Item]) -> None:
        """Check every budget before the first test runs. Raises `pytest.UsageError`."""
        try:
            self.checks.check_items(items)
        except pytest.UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - tests that declare nothing run all the same
            self.note_fault(error)
        if self.instruments.pools:
            from pytest_querybudget.plugin import FixtureHooks

            self.config.pluginmanager.register(FixtureHooks(self), "querybudget-fixtures")

    # While a test runs

    def begin(self, item: pytest.Item) -> None:
        """Begin to record a test, with what its fixtures send while they are set up."""
        self.current = None
        mistake = ""
        nodes = item.listchain()
        try:
            budget = self.budgets.of_item(item, nodes)
        except BudgetError as error:
            budget, mistake = Budget(), str(error)
        except Exception as error:  # noqa: BLE001 - a test that declares nothing must run all the same
            self.note_fault(error)
            budget = Budget()
            if any(mark.name in self.budgets.marker_names for mark in item.iter_markers()):
                mistake = f"the budget could not be read: {type(error).__name__} inside pytest-querybudget"
        self.current = Current(item, budget, Recording(item.nodeid), nodes, mistake=mistake)
        self.safely(self._listen, self.current)

    def _listen(self, current: Current) -> None:
        """Record what is sent from here on, and plan it where a rule of the test or the user wants plans."""
        item, budget = current.item, current.budget
        current.marks, current.judged = mark_count(current.nodes), self.judge.phases(budget)
        current.recording.located = located(item, self.settings, budget, current.judged)
        own, fixtures = own_code(getattr(item, "obj", None)), getattr(item, "fixturenames", None)
        self.instruments.begin(current.recording, own, fixtures)
        if self.settings.explain or any(each.rule.needs_plans for each in budget.declarations.values()):
            self.instruments.plan_statements()

    def end_setup(self, outcome: Any) -> None:
        """Judge what the setup has sent."""
        self._check(outcome, self.holder.fail_on, self._judge_phase("setup"))

    def begin_call(self, item: pytest.Item) -> ExitStack | None:
        """Begin to record what the test itself sends; return what is to be closed when it has ended, if anything is."""
        parts = None
        try:
            self.instruments.begin_call()
            if dividers := divide(item, self._open):
                parts = ExitStack()
                for each in dividers:
                    parts.enter_context(each)
        except Exception as error:  # noqa: BLE001 - as in `safely`
            self._note_own_fault(error)
        return parts

    def end_call(self, outcome: Any, parts: ExitStack | None) -> None:
        """Hold a test to its budget when its call has passed."""
        if parts is not None:
            self.safely(parts.close)
        self.safely(self.instruments.end_call)
        self._check(outcome, self.holder.hold, self._judge_phase("call"))

    def begin_teardown(self) -> None:
        """Begin to record what fixtures send while they are torn down."""
        self.safely(self.instruments.begin_teardown)

    def end_teardown(self, outcome: Any) -> None:
        """Finish the recording, and judge it as a whole."""
        if self.current is not None and self.current.completed and outcome.excinfo is None:
            # A test that failed is held by its traceback, and what it has taken with it.
            self.safely(self.instruments.note_leaks)
        verdicts = self._judge_phase("teardown")
        self.safely(self.instruments.end)
        self._check(outcome, self.holder.fail_on, verdicts)

    def _check(self, outcome: Any, check: Callable[..., None], verdicts: list[Verdict]) -> None:
        """Check a phase that has passed; where a fault keeps it from being checked, a declared budget fails."""
        current = self.current
        fault = None if current is None else then(outcome, check, current, verdicts)
        if fault is not None and current is not None:
            self._note_own_fault(fault)
            current.failed = False
            another = then(outcome, self.holder.refuse_unmeasured, current)
            if another is not None:
                self.note_fault(another)

    def begin_fixture(self, fixture: Any) -> None:
        """Tell what a fixture takes from what the test does."""
        self.safely(self.instruments.begin_fixture, fixture)

    def end_fixture(self, fixture: Any, request: Any) -> None:
        """Note that a fixture has been set up."""
        self.safely(self.instruments.end_fixture, fixture, request)

    def forget_fixture(self, fixture: Any) -> None:
        """Let go of a fixture that has been torn down."""
        self.instruments.forget_fixture(fixture)

    def release(self) -> None:
        """Let go of the test function's frame."""
        self.safely(self.instruments.release)

    def _open(self, phase: str, label: str | None = None) -> None:
        self.safely(self.instruments.open, phase, label)

    def safely(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Do something of this plugin's own around a test; a fault in it is noted, and never reaches the test."""
        try:
            action(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must end as it would without this plugin
            self._note_own_fault(error)

    def _note_own_fault(self, error: Exception) -> None:
        self.note_fault(error)
        if self.current is not None:
            self.current.recording.problems.append(f"{type(error).__name__} inside pytest-querybudget")

    def _judge_phase(self, phase: str) -> list[Verdict]:
        """Judge what belongs to a phase that has ended; return the new verdicts."""
        current = self.current
        if current is None:
            return []
        before = len(current.verdicts)
        self.safely(self._judge, current, phase)
        return current.verdicts[before:]

    def _judge(self, current: Current, phase: str) -> None:
        self._read_again(current)
        phases = judged_after(phase, current.item)
        if current.judged.isdisjoint(phases):
            return
        with self.instruments.paused():
            verdicts, used = self.judge.judge(current.recording, current.budget, phases)
        # What a block has failed on already is not found a second time.
        failed = {each.finding.identity for each in current.verdicts if each.failed}
        current.verdicts += [each for each in verdicts if each.failed or each.finding.identity not in failed]
        current.used |= used

    def _read_again(self, current: Current) -> None:
        """Read the markers anew where a fixture, or the test itself, has added one."""
        marks = mark_count(current.nodes)
        if marks != current.marks:
            current.marks = marks
            try:
                current.budget = self.budgets.of_item(current.item)
            except BudgetError as error:
                current.mistake = str(error)
            current.judged = self.judge.phases(current.budget)
            if located(current.item, self.settings, current.budget, current.judged) is None:
                self.instruments.locate()

    def note_block(self, verdicts: list[Verdict], used: set[Permission]) -> None:
        """Take over what a block of the test was judged to do."""
        if self.current is not None:
            self.current.verdicts += verdicts
            self.current.of_blocks.update(id(each.finding) for each in verdicts if each.failed)
            self.current.used |= used

    # When it runs again

    @contextmanager
    def _again(self, item: pytest.Item, recording: Recording) -> Iterator[None]:
        self.current = Current(item, Budget(), recording, again=True)
        try:
            yield
        finally:
            self.current = None

    # What is handed over

    def begin_report(self, error: BaseException) -> None:
        """Let the report of what has failed show no frame of this plugin."""
        self.safely(hide_own_frames, error)

    def end_report(self, item: pytest.Item, error: BaseException | None, report: Any) -> None:
        """Show a broken budget as what it is, and hang the entry of a finished test on its report."""
        if error is not None:
            self.safely(point_to_test, report, error, item)
        current = self.current
        if current is not None and current.item is item:
            if error is not None or report.failed:
                self.safely(current.note_report, error, report.failed)
            if report.when == "teardown":
                self.hand_over(current, report)

    def hand_over(self, current: Current, report: Any) -> None:
        """Hang the entry of a finished test on the report of its teardown."""
        self.current = None
        item = current.item
        if current.verdicts:
            self.safely(current.settle, self.judge.found)
            self.safely(current.excuse)
        if self.prover is not None:
            directory = (getattr(item, "funcargs", None) or {}).get("tmp_path")
            passed = current.completed and report.passed
            self.prover.expect(item, current.verdicts, current.recording, passed=passed, directory=directory)
        try:
            handed = self._handed(current)
        except Exception as error:  # noqa: BLE001 - the test's own report must arrive
            self.note_fault(error)
            handed = Handed(test=TestEntry(nodeid=item.nodeid, outcome="passed"))
        if self.problems:
            handed = replace(handed, problems=(*handed.problems, *self.take_problems()))
        self.collector.hands.give(report, handed)
        if getattr(self.config.option, "xmlpath", None):
            self.safely(_note_properties, report, handed.test)

    def take_problems(self) -> list[Problem]:
        """Return what there is to tell beside the entries of tests, once."""
        taken, self.problems = self.problems, []
        return taken

    def _handed(self, current: Current) -> Handed:
        recording = current.recording
        if recording.sent:
            for stack in dict.fromkeys([each.stack for each in recording.statements()]):
                self.comments.note_sender(stack)
        # A test that did not come to its end says nothing about what it might have silenced.
        permissions = current.budget.permissions if current.completed else ()
        return Handed(
            test=self._test_entry(current),
            problems=tuple(
                Problem(slug="not-measured", text=each, nodeid=recording.nodeid)
                for each in dict.fromkeys(recording.problems)
            ),
            allowances=tuple(marker_chances(permissions, current.used, self.judge.today)),
            sized=self._sized(current),
        )

    def _sized(self, current: Current) -> Any:
        """Return what a test is compared by that differs from others only in a number of rows, as plain values."""
        if ConstantQueries.name not in current.budget.declarations or current.mistake:
            return None
        from pytest_querybudget.sizes import sized_test

        return to_plain(sized_test(current.item, current.budget))

    def _test_entry(self, current: Current) -> TestEntry:
        recording = current.recording
        requests = request_entries(recording)
        return TestEntry(
            nodeid=recording.nodeid,
            outcome="passed",
            phases=phase_entries(recording),
            budget=budget_entries(recording, current.budget),
            statements=statement_entries(recording, planned=not is_read(self.settings, current.budget)),
            findings=tuple(finding_entry(each) for each in current.verdicts),
            routes={label: each.queries for label, each in requests.items()},
            requests=requests,
            connections=recording.connections.peak,
            transactions=transactions_entry(recording),
        )

    def note_report(self, report: Any) -> None:
        """Take over what a report brings, where the user waits for it."""
        if not self.is_worker:
            self.safely(self.collector.add, report)

    # After the tests

    def note_interrupt(self) -> None:
        """Remember that the run did not come to its end."""
        self.adoption.coverage.interrupted = True

    def note_collected(self, nodeids: Iterable[str]) -> None:
        """Remember which tests there are."""
        self.adoption.coverage.collected.update(nodeids)

    def note_collection(self, report: Any) -> None:
        """Remember what was skipped as a whole, or could not be collected."""
        if report.skipped:
            self.adoption.coverage.skipped.add(report.nodeid)
        elif report.failed:
            self.adoption.coverage.partial = True
            self.checks.look_into(report)

    def note_deselected(self) -> None:
        """Remember that some tests were left out."""
        self.adoption.coverage.partial = True

    def collect_worker(self, node: Any, error: object) -> None:
        """Take over what a worker had left when it ended, or that it was lost. Raises `pytest.UsageError`."""
        output = getattr(node, "workeroutput", {})
        if "querybudget_usage" in output:
            raise pytest.UsageError(output["querybudget_usage"])
        # Tests are left out where they are collected, and only there is it said.
        if output.get("querybudget", {}).get("partial"):
            self.note_deselected()
        self.collector.add_worker(node.gateway.id, output.get("querybudget"), error)

    def note_fault(self, error: BaseException) -> None:
        """Remember a fault of this plugin: it is shown, and the session does not succeed."""
        nodeid = self.current.item.nodeid if self.current else None
        self.problems.append(Problem(slug="fault", text=self._fault_text(error), nodeid=nodeid))

    def _note_no_proof(self, error: Exception) -> None:
        """Remember why cures are not tried: that fails nothing."""
        self.problems.append(Problem(slug="not-tried", text=f"cures, after {self._fault_text(error)}"))

    def _fault_text(self, error: BaseException) -> str:
        if self.config.getoption("fulltrace", default=False):
            traceback.print_exception(error, file=sys.stderr)
        package = str(Path(__file__).parent)
        where = [each for each in traceback.extract_tb(error.__traceback__) if each.filename.startswith(package)]
        place = f" at {Path(where[-1].filename).name}:{where[-1].lineno}" if where else ""
        return f"{type(error).__name__} inside the plugin{place}"

    def fixture(self) -> BudgetFixture:
        """Return the fixture's value for the test that runs."""
        self.instruments.locate()
        return BudgetFixture(self)


def _note_properties(report: Any, entry: TestEntry) -> None:
    from pytest_querybudget.reports.junit import properties

    report.user_properties += properties(entry)
