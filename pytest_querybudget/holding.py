"""Fails a test that breaks its budget, or what the lock file says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_querybudget.adoption import Adoption
from pytest_querybudget.budgets import Budget
from pytest_querybudget.current import Current
from pytest_querybudget.entries import finding_entry
from pytest_querybudget.findings.allowances import Allowed
from pytest_querybudget.instruments import Instruments
from pytest_querybudget.outcomes import BudgetFailure
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.reports.document import Allowance, TestEntry
from pytest_querybudget.verdicts import Judge, Verdict, rule_faults

if TYPE_CHECKING:
    from pytest_querybudget.lock.check import LockVerdict


class Holder:
    """Holds tests to what they declare and to the lock file; each method raises `BudgetFailure` where one does not.

    `text_of` explains verdicts to a person, `entry_of` makes the entry of a test that the lock file is compared with.
    """

    def __init__(
        self,
        judge: Judge,
        adoption: Adoption,
        instruments: Instruments,
        text_of: Callable[[Recording, Budget, Sequence[Verdict]], str],
        entry_of: Callable[[Current], TestEntry],
    ) -> None:
        self.judge = judge
        self.adoption = adoption
        self.instruments = instruments
        self.text_of = text_of
        self.entry_of = entry_of

    def hold(self, current: Current, verdicts: list[Verdict]) -> None:
        """Hold a test whose call has passed to its budget, and to the lock file."""
        current.completed = True
        self.refuse_unmeasured(current)
        held = self._held(current)
        try:
            self.fail_on(current, self._tolerated(current, verdicts, held))
        except BudgetFailure as failure:
            if held is None or not held.failed:
                raise
            _blame(current, held)
            text = "\n\n".join([str(failure.args[0]), self._lock_text(held)])
            raise BudgetFailure(text, failure.findings) from None
        if held is not None and held.failed and not current.failed:
            current.failed = True
            _blame(current, held)
            raise BudgetFailure(self._lock_text(held))

    def fail_on(self, current: Current, verdicts: list[Verdict]) -> None:
        """Fail a test that has not failed yet on what was found."""
        if current.failed:
            return
        if current.mistake:
            current.failed = True
            raise BudgetFailure(current.mistake)
        failed = [each for each in verdicts if each.failed]
        if failed:
            current.failed = True
            known = [each for each in current.verdicts if not each.failed and each not in verdicts]
            text = self.text_of(current.recording, current.budget, [*verdicts, *known])
            raise BudgetFailure(text, tuple(each.finding for each in failed))

    def refuse_unmeasured(self, current: Current) -> None:
        """Fail a test whose budget nobody could check."""
        declared = [name for name, each in current.budget.declarations.items() if each.on_test]
        if not declared or current.failed:
            return
        reason = "; ".join(dict.fromkeys(current.recording.problems)) or self.instruments.why_blind(current.recording)
        if reason:
            current.failed = True
            raise BudgetFailure(f"the budget ({', '.join(declared)}) could not be measured: {reason}")
        faults = rule_faults(current.recording, current.budget)
        if faults:
            current.failed = True
            raise BudgetFailure("\n".join(faults))

    # The lock file

    def _held(self, current: Current) -> LockVerdict | None:
        """Return what the lock file says of the test, when there is one and the call has passed."""
        if current.failed or self.adoption.keeper is None:
            return None
        current.settle(self.judge.found)
        return self.adoption.hold(self.entry_of(current))

    def _tolerated(self, current: Current, verdicts: list[Verdict], held: LockVerdict | None) -> list[Verdict]:
        """Return the verdicts with what the lock file knows of allowed; what the test itself declares must hold."""
        if held is None:
            return verdicts
        declared = {name for name, each in current.budget.declarations.items() if each.on_test}
        changed = {
            id(each): replace(each, failed=False, allowed=_known(found))
            for each in verdicts
            if each.allowed is None and each.finding.rule not in declared
            if (found := held.allowance(finding_entry(each))) is not None
        }
        current.verdicts = [changed.get(id(each), each) for each in current.verdicts]
        return [changed.get(id(each), each) for each in verdicts]

    def _lock_text(self, held: LockVerdict) -> str:
        from pytest_querybudget.lock.text import failure

        path = self.adoption.settings.lock
        return "\n".join(failure(held, name=path.name if path else "querybudget.lock"))


def _blame(current: Current, held: LockVerdict) -> None:
    """Mark the findings for which the lock fails the test: no report may take them for known debts."""
    current.verdicts = [
        replace(each, failed=True) if each.allowed is None and held.blames(finding_entry(each)) else each
        for each in current.verdicts
    ]


def _known(found: Allowance) -> Allowed:
    until = dt.date.fromisoformat(found.until) if found.until else None
    return Allowed(reason=found.reason, source=found.source, until=until)
