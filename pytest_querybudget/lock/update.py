"""From what a run measured to the next lock: entries of tests that did not run, or did not pass, stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date

from pytest_querybudget.lock import identity
from pytest_querybudget.lock.measure import MEASURED, measure
from pytest_querybudget.lock.model import Debt, Lock, TestLock
from pytest_querybudget.reports.document import TestEntry
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUpdate:
    """The next lock, and the tests whose entries are new, higher, lower (in one figure at least) or gone."""

    lock: Lock
    added: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()


def update(
    lock: Lock,
    tests: Iterable[TestEntry],
    *,
    today: date,
    collected: Collection[str] | None = None,
    not_collected: Collection[str] = (),
    lower_only: bool = False,
) -> LockUpdate:
    """Take over what was measured.

    `collected` are the node ids of a *full* run, skipped and failed tests among them: entries of any other test
    are dropped, save those below a file or class of `not_collected` (skipped or broken as a whole). None, for a run
    of a part of the suite, drops nothing. `lower_only` lets no figure of a known test rise.
    `today` is when a finding that is new becomes a debt.
    """
    entries = dict(lock.tests)
    added, raised, lowered = [], [], []
    for name, now in sorted(_measured(tests).items()):
        old = entries.get(name)
        if old is None:
            entries[name] = now
            added.append(name)
            continue
        entries[name] = _next(_lowest(old, now) if lower_only else now, old)
        if _more(entries[name], old):
            raised.append(name)
        if _more(old, entries[name]):
            lowered.append(name)
    pruned = () if collected is None else stale(lock, collected, not_collected)
    for name in pruned:
        entries.pop(name, None)
    return LockUpdate(
        lock=Lock(tests=entries, debts=_debts(lock, entries, today)),
        added=tuple(added),
        raised=tuple(raised),
        lowered=tuple(lowered),
        pruned=pruned,
    )


def stale(lock: Lock, collected: Collection[str], not_collected: Collection[str] = ()) -> tuple[str, ...]:
    """The entries whose tests a full run did not collect, save those below a file or class of `not_collected`."""
    names = {identity.of_test(each) for each in collected}
    above = tuple(f"{each}{end}" for each in map(identity.of_test, not_collected) for end in ("::", "/"))
    return tuple(sorted(each for each in lock.tests if each not in names and not (above and each.startswith(above))))


def _measured(tests: Iterable[TestEntry]) -> dict[str, TestLock]:
    # One test measured twice (`--dist each`, two shards) is held to the most that it sent.
    measured: dict[str, TestLock] = {}
    for test in tests:
        if test.outcome in MEASURED:
            name, now = identity.of_test(test.nodeid), measure(test)
            measured[name] = highest(measured[name], now) if name in measured else now
    return measured


def highest(one: TestLock, other: TestLock) -> TestLock:
    """The larger of each figure of two entries; what a person wrote is the first's, or else the second's."""
    return TestLock(
        kinds=_larger(one.kinds, other.kinds),
        findings=_larger(one.findings, other.findings),
        statements=_larger(one.statements, other.statements),
        reason=one.reason or other.reason,
        owner=one.owner or other.owner,
        until=one.until or other.until,
    )


def _larger(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def _lowest(old: TestLock, now: TestLock) -> TestLock:
    kinds, findings = _smaller(old.kinds, now.kinds), _smaller(old.findings, now.findings)
    # The statements explain the number that the entry allows: they follow it down, and not up.
    return TestLock(kinds=kinds, findings=findings, statements=now.statements if kinds == now.kinds else old.statements)


def _smaller(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    smaller = {name: min(count, other.get(name, 0)) for name, count in one.items()}
    return {name: count for name, count in smaller.items() if count}


def _next(now: TestLock, old: TestLock) -> TestLock:
    return replace(now, reason=old.reason, owner=old.owner, until=old.until)


def _more(one: TestLock, other: TestLock) -> bool:
    return any(
        count > there.get(name, 0)
        for here, there in ((one.kinds, other.kinds), (one.findings, other.findings))
        for name, count in here.items()
    )


def _debts(lock: Lock, entries: dict[str, TestLock], today: date) -> dict[str, Debt]:
    names = {name for entry in entries.values() for name in entry.findings}
    return {name: lock.debts.get(name) or Debt(since=today) for name in names}
