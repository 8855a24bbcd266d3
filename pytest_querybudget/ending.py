"""What comes after the last test: the lock, the reports and the summary, one step after the other.

A fault in a step is told, makes the session fail, and keeps no other step from being taken.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget.chances import comment_chances, wrong_comments
from pytest_querybudget.reports.document import to_plain

if TYPE_CHECKING:
    from pytest_querybudget.run import Run


class Ending:
    """The end of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.process = os.getpid()
        self.session: pytest.Session | None = None

    def finish(self, session: pytest.Session) -> None:
        """Hand a worker's left-overs to the controller; write the reports in the process that the user started."""
        if os.getpid() != self.process:
            # A child that a test has forked leaves through pytest: the reports are its parent's.
            return
        self.session = session
        if self._looked_only():
            # Editors list tests in this way all the time: what the last real run wrote must outlast it.
            return
        for step in (self._leave, self._compare, self._adopt, self._write):
            self.run.safely(step)
        if self.run.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _looked_only(self) -> bool:
        option = self.run.config.option
        return any(getattr(option, name, False) for name in ("collectonly", "setuponly", "setupplan"))

    def _leave(self) -> None:
        run, today, rules = self.run, self.run.judge.today, self.run.budgets.rules
        left: dict[str, Any] = {"problems": [], "allowances": [], "partial": run.adoption.coverage.partial}
        left["proofs"] = [to_plain(each) for each in run.proofs]
        if run.is_worker:
            run.config.workeroutput["querybudget"] = left  # type: ignore[attr-defined]
        run.safely(lambda: run.problems.extend(run.instruments.problems()))
        run.safely(lambda: run.problems.extend(wrong_comments(run.comments, rules)))
        run.safely(lambda: left["allowances"].extend(map(to_plain, comment_chances(run.comments, rules, today))))
        if not run.is_worker:
            finished, begun = run.collector.tests, bool(run.collector.outcomes)
            run.problems += run.adoption.coverage.missing(finished, begun=begun)
        left["problems"] += [to_plain(each) for each in run.take_problems()]
        if not run.is_worker:
            run.collector.add_left(left)

    def _compare(self) -> None:
        if not self.run.is_worker:
            self.run.collector.compare_sizes(self.run.judge.verdicts_of)
            excused = self.run.adoption.tolerate(self.run.collector.entries())
            self.run.collector.tests.update({each.nodeid: each for each in excused})

    def _adopt(self) -> None:
        if self.run.is_worker or self.session is None:
            return
        full = self.run.adoption.coverage.is_full(self.run.config, self.session, self.run.collector.problems)
        self.run.collector.problems += self.run.adoption.finish(self.run.collector.entries(), full=full)
        self.run.collector.wrote += self.run.adoption.lines

    def _write(self) -> None:
        if self.run.is_worker or self.session is None:
            return
        self.run.collector.problems += self.run.take_problems()
        if self.run.collector.finish() and self.session.exitstatus == pytest.ExitCode.OK:
            self.session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def print_summary(self, terminal: Any) -> None:
        """Print the summary; a fault in it is printed instead."""
        self.run.safely(self._print, terminal)
        for each in self.run.take_problems():
            terminal.write_line(f"query budget: {each.text}", red=True)
            if self.session is not None and self.session.exitstatus == pytest.ExitCode.OK:
                self.session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _print(self, terminal: Any) -> None:
        for each in self.run.collector.growth_texts:
            terminal.write_sep("=", "query growth", red=True)
            terminal.write_line(each)
        lines = list(self.run.collector.summary(terminal._tw.fullwidth, self.run.config.option.verbose))  # noqa: SLF001
        if lines:
            terminal.write_sep("=", "query budget")
        for text, markup in lines:
            terminal.write_line(text, **markup)
        if self.run.collector.report is not None:
            for note in self.run.adoption.review_notes(self.run.collector.report):
                terminal.write_line(note)
