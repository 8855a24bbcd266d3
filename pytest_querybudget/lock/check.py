"""Holding a test to its entry: what grew, what shrank, what is new, and what is past its date."""

from __future__ import annotations

from dataclasses import field
from datetime import date

from pytest_querybudget.lock import identity
from pytest_querybudget.lock.measure import MEASURED, findings, measure, statements, weight
from pytest_querybudget.lock.model import Debt, Lock, TestLock, by_kind, expired
from pytest_querybudget.reports.document import Allowance, FindingEntry, StatementEntry, TestEntry
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KindChange:
    """How many statements of one kind are locked, and how many were sent."""

    kind: str
    locked: int
    actual: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingChange:
    """One finding: how many statements of it are locked (0: none), how many were sent, and all that it is.

    `entries` is empty when it was not found again; `debt` is what a person wrote about it.
    """

    identity: str
    locked: int
    actual: int
    entries: tuple[FindingEntry, ...] = ()
    debt: Debt = field(default_factory=Debt)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementChange:
    """The statements of one kind, on the same tables, from one function.

    `locked` is null when the entry was written by hand and names no statements.
    """

    entries: tuple[StatementEntry, ...]
    locked: int | None
    actual: int

    @property
    def more(self) -> int:
        """By how many statements it grew."""
        return self.actual - (self.locked or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockVerdict:
    """What the lock says of one test.

    `known` is whether the test has an entry at all; one without is held to no number, only to the debts of all.
    `exceeded`, `grown`, `new` and `overdue` fail, so does an entry whose own date is over (`until`);
    `fewer` and `cured` are gains; `tolerated` are the known findings that a run should mark as allowed.
    `statements` says which statements grew, most first.
    """

    nodeid: str
    known: bool
    exceeded: tuple[KindChange, ...] = ()
    fewer: tuple[KindChange, ...] = ()
    grown: tuple[FindingChange, ...] = ()
    new: tuple[FindingChange, ...] = ()
    overdue: tuple[FindingChange, ...] = ()
    cured: tuple[FindingChange, ...] = ()
    tolerated: tuple[FindingChange, ...] = ()
    statements: tuple[StatementChange, ...] = ()
    entry: TestLock = field(default_factory=TestLock)
    entry_overdue: bool = False

    @property
    def failed(self) -> bool:
        """Whether the test fails on its lock."""
        return bool(self.exceeded or self.grown or self.new or self.overdue or self.entry_overdue)

    @property
    def gained(self) -> bool:
        """Whether the next update lowers the entry."""
        return bool(self.fewer or self.cured)

    def blames(self, finding: FindingEntry) -> bool:
        """Whether a finding of the test is one that fails it: new, grown or past its date."""
        name = identity.of_finding(finding)
        counts = finding.phase == "call" and not finding.declared_only
        return counts and any(each.identity == name for each in (*self.new, *self.grown, *self.overdue))

    def allowance(self, finding: FindingEntry) -> Allowance | None:
        """Why a finding does not fail, or null when the lock does not tolerate it."""
        name = identity.of_finding(finding)
        for each in self.tolerated:
            if each.identity == name:
                return allowance(each.debt, self.entry)
        return None


def allowance(debt: Debt, entry: TestLock | None = None) -> Allowance:
    """Why a known finding is tolerated, and until when: the debt's own words, or else those of the test's entry."""
    entry = entry or TestLock()
    until = debt.until or entry.until
    reason = debt.reason or entry.reason or "known in the lock file"
    return Allowance(reason=reason, source="lock", until=until.isoformat() if until else None)


def check(lock: Lock, test: TestEntry, *, today: date) -> LockVerdict:
    """Hold one test to the lock. A test that did not pass is held to nothing: its own failure comes first."""
    name = identity.of_test(test.nodeid)
    entry = lock.tests.get(name)
    if test.outcome not in MEASURED:
        return LockVerdict(nodeid=test.nodeid, known=entry is not None)
    if entry is None:
        found = _findings_of_new_test(lock, test, today)
        return LockVerdict(
            nodeid=test.nodeid,
            known=False,
            new=found["new"],
            overdue=found["overdue"],
            tolerated=found["tolerated"],
        )
    now, found = measure(test), _findings(lock, entry, test, today)
    exceeded = _kinds(entry, now, more=True)
    return LockVerdict(
        nodeid=test.nodeid,
        known=True,
        exceeded=exceeded,
        fewer=_kinds(entry, now, more=False),
        grown=found["grown"],
        new=found["new"],
        overdue=found["overdue"],
        cured=found["cured"],
        tolerated=found["tolerated"],
        statements=_grown_statements(entry, test, {each.kind for each in exceeded}),
        entry=entry,
        entry_overdue=expired(entry.until, today),
    )


def _kinds(entry: TestLock, now: TestLock, *, more: bool) -> tuple[KindChange, ...]:
    changes = (
        KindChange(kind=kind, locked=entry.kinds.get(kind, 0), actual=now.kinds.get(kind, 0))
        for kind in by_kind({**entry.kinds, **now.kinds})
    )
    return tuple(each for each in changes if (each.actual > each.locked if more else each.actual < each.locked))


def _findings(lock: Lock, entry: TestLock, test: TestEntry, today: date) -> dict[str, tuple[FindingChange, ...]]:
    sorted_: dict[str, list[FindingChange]] = {"grown": [], "new": [], "overdue": [], "cured": [], "tolerated": []}
    found = findings(test)
    for name in sorted({*found, *entry.findings}):
        change = _change(lock, name, entry.findings.get(name, 0), found.get(name, []))
        sorted_[_sort(change, overdue=expired(change.debt.until, today))].append(change)
        if 0 < change.actual < change.locked:
            sorted_["cured"].append(change)
    return {key: tuple(changes) for key, changes in sorted_.items()}


def _sort(change: FindingChange, *, overdue: bool) -> str:
    if not change.actual:
        return "cured"
    if not change.locked:
        return "new"
    if change.actual > change.locked:
        return "grown"
    return "overdue" if overdue else "tolerated"


def _findings_of_new_test(lock: Lock, test: TestEntry, today: date) -> dict[str, tuple[FindingChange, ...]]:
    # A new test may walk through an old sin; it may not bring one.
    sorted_: dict[str, list[FindingChange]] = {"new": [], "overdue": [], "tolerated": []}
    for name, entries in sorted(findings(test).items()):
        change = _change(lock, name, 0, entries)
        late = expired(change.debt.until, today)
        sorted_["new" if name not in lock.debts else "overdue" if late else "tolerated"].append(change)
    return {key: tuple(changes) for key, changes in sorted_.items()}


def _change(lock: Lock, name: str, locked: int, entries: list[FindingEntry]) -> FindingChange:
    actual = weight(entries) if entries else 0
    return FindingChange(
        identity=name, locked=locked, actual=actual, entries=tuple(entries), debt=lock.debts.get(name, Debt())
    )


def _grown_statements(entry: TestLock, test: TestEntry, kinds: set[str]) -> tuple[StatementChange, ...]:
    changes = []
    for name, entries in statements(test).items():
        if entries[0].kind in kinds:
            locked = entry.statements.get(name, 0) if entry.statements or not entry.queries else None
            actual = sum(each.count for each in entries)
            changes.append(StatementChange(entries=tuple(entries), locked=locked, actual=actual))
    grown = [each for each in changes if each.more > 0]
    return tuple(sorted(grown, key=lambda each: (-each.more, each.entries[0].sql)))
