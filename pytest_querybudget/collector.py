"""Puts the report of a run together, in the process that the user started."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pytest_querybudget.chances import Chance
from pytest_querybudget.handing import Hands
from pytest_querybudget.reports.document import Problem, Proven, Report, TestEntry, Tool, from_plain, total
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.registry import names
from pytest_querybudget.reports.writer import parse_target
from pytest_querybudget.settings import Settings
from pytest_querybudget.values import changed

if TYPE_CHECKING:
    from pytest_querybudget.sizes import Judged, SizedTest

# The types of the reports on subtests.
_OF_PARTS = frozenset({"SubTestReport", "SubtestReport"})
# What makes a session fail although no test did.
FATAL = frozenset({"fault", "growth", "lost-worker", "report", "lock"})


class Collector:
    """Collects entries and outcomes, and makes one report of them."""

    def __init__(self, settings: Settings, hook: Any, hands: Hands) -> None:
        self.settings = settings
        self.hands = hands
        self.formats = [each for found in hook.pytest_querybudget_reports() for each in found or ()]
        for text in settings.reports:
            parse_target(text, names(self.formats))
        self.tests: dict[str, TestEntry] = {}
        self.outcomes: dict[str, dict[str, str]] = {}
        self.durations: dict[str, float] = {}
        self.problems: list[Problem] = []
        self.chances: list[Chance] = []
        self.report: Report | None = None
        self.wrote: list[str] = []
        self.files: list[str] = []
        # Tests that differ from others only in a number of rows, and what came of comparing them.
        self.sized: dict[str, SizedTest] = {}
        self.growth_texts: list[str] = []

    def add(self, report: Any) -> None:
        """Take over the outcome of one phase, and the entry that comes with the teardown.

        A rerun begins with a setup again, and replaces what came before it.
        """
        if not hasattr(report, "when") or type(report).__name__ in _OF_PARTS:
            if getattr(report, "failed", False) and hasattr(report, "nodeid"):
                self.durations.setdefault(report.nodeid, 0.0)
                self.outcomes.setdefault(report.nodeid, {})["part"] = "failed"
            return
        nodeid, phase = report.nodeid, report.when
        phases = self.outcomes.get(nodeid)
        if phases is None or phase == "setup":
            phases = self.outcomes[nodeid] = {}
            self.durations[nodeid] = 0.0
        phases[phase] = _outcome(report)
        self.durations[nodeid] += getattr(report, "duration", 0.0)
        handed = self.hands.take(report)
        if handed is not None:
            self.tests[nodeid] = handed.test
            self.problems += handed.problems
            self.chances += handed.allowances
            if handed.sized is not None:
                self._add_sized(nodeid, handed.sized)

    def _add_sized(self, nodeid: str, plain: dict[str, Any]) -> None:
        from pytest_querybudget.sizes import SizedTest

        self.sized[nodeid] = from_plain(SizedTest, plain)

    def compare_sizes(self, judged: Judged) -> None:
        """Compare the tests that are marked with `constant_queries`, when all of them have run."""
        if not self.sized:
            return
        from pytest_querybudget.sizes import compare_sizes

        compared = compare_sizes(tuple(self.entries()), self.sized, judged)
        self.tests.update({each.nodeid: each for each in compared.tests if each.nodeid in self.sized})
        self.problems += compared.problems
        self.growth_texts += compared.texts
        self.chances += [Chance(of=each.words, owner=each.owner, used=True) for each in compared.used]

    def add_left(self, left: dict[str, Any]) -> None:
        """Take over problems, and which allowances silenced something."""
        self.problems += [from_plain(Problem, each) for each in left["problems"]]
        self.chances += [from_plain(Chance, each) for each in left["allowances"]]
        for each in left.get("proofs", ()):
            self._add_proof(from_plain(Proven, each))

    def _add_proof(self, proven: Proven) -> None:
        test = self.tests.get(proven.nodeid)
        if test is not None and proven.number < len(test.findings):
            findings = list(test.findings)
            findings[proven.number] = replace(findings[proven.number], proof=proven.proof)
            self.tests[proven.nodeid] = replace(test, findings=tuple(findings))

    def add_worker(self, name: str, left: dict[str, Any] | None, error: object) -> None:
        """Take over what a worker had left, or note that it was lost."""
        if left is not None:
            self.add_left(left)
        elif error is not None:
            text = f"worker {name} was lost: what it had not handed over is missing"
            self.problems.append(Problem(slug="lost-worker", text=text))

    def _lost(self) -> list[Problem]:
        """Return the tests that a lost worker was at: pytest-xdist reports them in a phase of its own."""
        return [
            Problem(slug="lost-worker", text="ran when its worker was lost, and was not measured", nodeid=nodeid)
            for nodeid, phases in self.outcomes.items()
            if "???" in phases
        ]

    def _stale(self) -> list[Problem]:
        """Return the allowances that silenced nothing anywhere, in any test and in any worker."""
        used = {(each.owner, each.of) for each in self.chances if each.used}
        return [
            Problem(
                slug="stale-allowance",
                text=f"{each.of} at {each.owner} " + (f"ended on {each.ended}" if each.ended else "silences nothing"),
            )
            for each in self.chances
            if (each.owner, each.of) not in used
        ]

    def finish(self) -> bool:
        """Make the report, and write the files. Return whether something makes the session fail."""
        self.report = self.make_report()
        known = len(self.problems)
        self._write()
        if len(self.problems) > known:
            # The summary tells what could not be written.
            self.report = self.make_report()
        return any(each.slug in FATAL for each in self.problems)

    def entries(self) -> Iterator[TestEntry]:
        """Yield the entry of each test, with the outcome and the duration of all phases that were reported so far."""
        for nodeid, entry in sorted(self.tests.items()):
            outcome = _combined(self.outcomes.get(nodeid, {}))
            yield changed(entry, outcome=outcome, duration=self.durations.get(nodeid, 0.0))

    def make_report(self) -> Report:
        """Put what has been collected together."""
        tests = tuple(self.entries())
        found = (*self.problems, *self._stale(), *self._lost())
        problems = {(each.slug, each.text, each.nodeid): each for each in found}
        return Report(
            mode=self.settings.mode,
            tool=_tool(),
            totals=total(tests),
            tests=tests,
            problems=tuple(problems[key] for key in sorted(problems, key=str)),
        )

    def _write(self) -> None:
        if not self.settings.reports or self.report is None:
            return
        from pytest_querybudget.reports import registry
        from pytest_querybudget.reports.writer import write

        for text in self.settings.reports:
            target = parse_target(text, names(self.formats))
            try:
                found = registry.find(target.format, rootdir=self.settings.rootdir, others=self.formats)
                self.files.append(write(self.report, found, target.path))
            except ReportError as error:
                self.problems.append(Problem(slug="report", text=str(error)))
            except Exception as error:  # noqa: BLE001 - one format's fault must not cost the others
                self.problems.append(Problem(slug="fault", text=f"{type(error).__name__} while {text} was written"))

    def summary(self, width: int, verbosity: int) -> Iterator[tuple[str, dict[str, bool]]]:
        """Yield the lines of the summary; nothing when nothing touched a database."""
        from pytest_querybudget.reports.terminal import SILENT, summary

        if self.report is not None:
            wrote = [*self.wrote, *(self.files if verbosity > SILENT else ())]
            yield from summary(self.report, width=width, top=self.settings.top, verbosity=verbosity, wrote=wrote)


def _outcome(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return str(report.outcome)


def _combined(phases: dict[str, str]) -> str:
    """Return the outcome of a test from those of its phases, in pytest's own words."""
    setup, call = phases.get("setup", ""), phases.get("call", "error")
    if setup == "failed" or phases.get("teardown") == "failed":
        return "error"
    if setup in ("skipped", "xfailed"):
        return setup
    return "failed" if call == "passed" and phases.get("part") == "failed" else call


@cache
def _tool() -> Tool:
    return Tool(
        version=_version("pytest-querybudget"),
        python=platform.python_version(),
        pytest=_version("pytest"),
        sqlalchemy=_version("sqlalchemy"),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
