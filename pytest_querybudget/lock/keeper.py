"""The lock over one pytest run: tests are held to it in every process, and it ends in the one that the user started."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_querybudget.lock import identity, store, text
from pytest_querybudget.lock.check import FindingChange, LockVerdict, allowance, check
from pytest_querybudget.lock.measure import MEASURED, findings, weight
from pytest_querybudget.lock.model import Debt, expired
from pytest_querybudget.lock.update import stale
from pytest_querybudget.reports.document import FindingEntry, TestEntry
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the summary says of the lock, and whether the run fails on stale entries."""

    lines: tuple[str, ...] = ()
    failed: bool = False


class Keeper:
    """The lock file of one run, read once.

    With `update` nothing fails and every finding is tolerated, as it is about to be written.
    Raises `LockError` for a file that cannot be read, or that is missing when it is not to be written.
    """

    def __init__(self, path: Path, *, today: date, update: bool = False, strict_stale: bool = False) -> None:
        self.path, self.today, self.update, self.strict_stale = path, today, update, strict_stale
        self.lock = store.read(path, missing_ok=update)

    def check(self, test: TestEntry) -> LockVerdict:
        """Hold one test to the lock, when its call is over and has passed."""
        if not self.update:
            return check(self.lock, test, today=self.today)
        tolerated = tuple(
            FindingChange(
                identity=name,
                locked=weight(entries),
                actual=weight(entries),
                entries=tuple(entries),
                debt=self.lock.debts.get(name, Debt()),
            )
            for name, entries in findings(test).items()
        )
        return LockVerdict(nodeid=test.nodeid, known=True, tolerated=tolerated)

    def excuse(self, test: TestEntry) -> TestEntry:
        """Return a test that did not pass with its debts allowed. It is held to no number, and what failed it stays."""
        if test.outcome in MEASURED:
            return test
        debts = {
            name
            for name in findings(test)
            if (debt := self.lock.debts.get(name)) and not expired(debt.until, self.today)
        }
        if not debts:
            return test
        return replace(test, findings=tuple(self._excused(each, debts) for each in test.findings))

    def _excused(self, finding: FindingEntry, debts: Collection[str]) -> FindingEntry:
        name = identity.of_finding(finding)
        if name not in debts or finding.failed or finding.allowed or finding.phase != "call" or finding.declared_only:
            return finding
        return replace(finding, allowed=allowance(self.lock.debts[name]))

    def finish(
        self,
        tests: Iterable[TestEntry],
        *,
        collected: Collection[str] | None = None,
        not_collected: Collection[str] = (),
    ) -> Ending:
        """Write the file, or say what the run gained, once all tests are over.

        `collected` and `not_collected` are those of `update.update`. Raises `LockError` when writing fails.
        """
        tests = tuple(tests)
        if self.update:
            result = store.update_file(
                self.path, tests, today=self.today, collected=collected, not_collected=not_collected
            )
            return Ending(lines=tuple(text.updated(result, name=self.path.name)))
        gone = () if collected is None else stale(self.lock, collected, not_collected)
        verdicts = [self.check(test) for test in tests if test.outcome in MEASURED]
        lines = tuple(text.summary(verdicts, stale=gone))
        return Ending(lines=lines, failed=bool(gone) and self.strict_stale)
