"""What a person reads of the lock: why a test fails, what a run gained, which debts are oldest."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from pytest_querybudget.lock.check import FindingChange, LockVerdict, StatementChange
from pytest_querybudget.lock.model import Debt, Lock, TestLock, expired
from pytest_querybudget.lock.update import LockUpdate
from pytest_querybudget.reports.document import Location
from pytest_querybudget.reports.text import one_line, plural, printable

_MOST_STATEMENTS = 10
_MOST_NAMES = 5


def failure(verdict: LockVerdict, *, name: str = "querybudget.lock", width: int = 80) -> Iterator[str]:
    """Why the test fails on its lock, and what to do; `name` is what the file is called."""
    yield f"{name}: {_headline(verdict)}"
    for kind in verdict.exceeded:
        yield f"  {kind.kind:<8} {kind.locked:>5} locked, {kind.actual:>5} sent  (+{kind.actual - kind.locked})"
    yield from _statements(verdict.statements, width)
    for title, changes in (
        ("A finding that is not in the lock:", verdict.new),
        ("A known finding that grew:", verdict.grown),
        ("A known finding that was tolerated until its date:", verdict.overdue),
    ):
        for change in changes:
            yield f"  {title}"
            yield from _finding(change, width)
    if verdict.entry_overdue:
        yield from _wrapped(f"This test was tolerated until {verdict.entry.until}{_who(verdict.entry)}.", width, "  ")
    yield from _way_out(verdict)


def _headline(verdict: LockVerdict) -> str:
    if verdict.exceeded:
        more = sum(each.actual - each.locked for each in verdict.exceeded)
        return f"this test sends {plural(more, 'statement')} more than it is known to send"
    if verdict.new:
        return "this test has a finding that is not in the lock"
    if verdict.grown:
        return "a known finding of this test grew"
    return "what was tolerated in this test is past its date"


def _statements(changes: Sequence[StatementChange], width: int) -> Iterator[str]:
    if not changes:
        return
    yield "  What grew, by statement and place:"
    for change in changes[:_MOST_STATEMENTS]:
        yield from _statement(change, width)
    if len(changes) > _MOST_STATEMENTS:
        yield f"    … and {len(changes) - _MOST_STATEMENTS} more"


def _statement(change: StatementChange, width: int) -> Iterator[str]:
    entry = max(change.entries, key=lambda each: each.count)
    was = "" if change.locked is None else f"{change.locked} -> {change.actual}  "
    sign = f"{change.actual}x" if change.locked is None else f"+{change.more}"
    yield _cut(f"    {sign:>5}  {was}{one_line(entry.sql)}", width)
    if entry.location:
        yield f"           at {_place(entry.location)}"


def _finding(change: FindingChange, width: int) -> Iterator[str]:
    was = f"{change.locked} -> " if 0 < change.locked < change.actual else ""
    yield f"    {was}{plural(change.actual, 'statement')}  {printable(change.identity.split(' ', 1)[0])}"
    entry = max(change.entries, key=lambda each: each.count)
    yield from _wrapped(one_line(entry.message), width, "    ")
    if entry.location:
        yield f"    at {_place(entry.location)}"
    if entry.fix:
        yield from _wrapped(f"fix: {one_line(entry.fix)}", width, "    ")
    if change.debt.until:
        yield from _wrapped(f"tolerated until {change.debt.until}{_who(change.debt)}", width, "    ")


def _who(entry: Debt | TestLock) -> str:
    owner = f", owner {one_line(entry.owner)}" if entry.owner else ""
    return f"{owner}: {one_line(entry.reason)}" if entry.reason else owner


def _way_out(verdict: LockVerdict) -> Iterator[str]:
    if verdict.overdue or verdict.entry_overdue:
        yield "  Mend it, or move its `until` in the lock file."
    if verdict.exceeded or verdict.new or verdict.grown:
        yield "  Mend it, or accept it with `pytest --querybudget-lock --querybudget-update`."


def summary(verdicts: Iterable[LockVerdict], *, stale: Sequence[str] = (), width: int = 80) -> Iterator[str]:
    """The lines that a run's summary says of its lock; none when there is nothing to say."""
    verdicts = list(verdicts)
    failed = [each.nodeid for each in verdicts if each.failed]
    gains = [each for each in verdicts if each.gained and not each.failed]
    unknown = [each.nodeid for each in verdicts if not each.known]
    yield from _names(f"{plural(len(failed), 'test')} above the lock", failed, width)
    yield from _names(
        f"{plural(len(gains), 'test')} below the lock{_gain(gains)}",
        [each.nodeid for each in gains],
        width,
        "--querybudget-update keeps the gain",
    )
    yield from _names(
        f"{plural(len(unknown), 'test')} not in the lock yet", unknown, width, "--querybudget-update adds them"
    )
    yield from _names(
        f"{plural(len(stale), 'entry')} of the lock without a test",
        stale,
        width,
        "--querybudget-update on a full run drops them",
    )


def _gain(gains: Iterable[LockVerdict]) -> str:
    fewer = cured = 0
    for verdict in gains:
        fewer += sum(change.locked - change.actual for change in verdict.fewer)
        cured += sum(not change.actual for change in verdict.cured)
    parts = [f"{plural(fewer, 'statement')} fewer"] * bool(fewer) + [f"{plural(cured, 'finding')} cured"] * bool(cured)
    return f" ({', '.join(parts)})" if parts else ""


def updated(update: LockUpdate, *, name: str = "querybudget.lock", width: int = 80) -> Iterator[str]:
    """The lines that say what an update wrote; each raised test is named, as a review should see it."""
    parts = [
        (len(update.added), "added"),
        (len(update.raised), "raised"),
        (len(update.lowered), "lowered"),
        (len(update.pruned), "dropped"),
    ]
    said = ", ".join(f"{number:,} {word}" for number, word in parts if number) or "nothing to change"
    yield f"{name}: {said} ({plural(len(update.lock.tests), 'test')})"
    yield from _names("raised", update.raised, width)


def debts(lock: Lock, *, today: date, width: int = 80) -> Iterator[str]:
    """The known findings, the oldest first: how long, how many tests and statements, whose, until when and why."""
    for name, debt in sorted(lock.debts.items(), key=lambda item: (item[1].since or date.min, item[0])):
        counts = [entry.findings[name] for entry in lock.tests.values() if name in entry.findings]
        since = f"since {debt.since} ({plural((today - debt.since).days, 'day')})" if debt.since else "of unknown age"
        yield _cut(printable(name), width)
        yield f"  {since}, {plural(len(counts), 'test')}, {plural(sum(counts), 'statement')}"
        if debt.until:
            yield f"  tolerated until {debt.until}{'  OVERDUE' if expired(debt.until, today) else ''}"
        if debt.owner:
            yield _cut(f"  owner: {one_line(debt.owner)}", width)
        if debt.reason:
            yield from _wrapped(f"reason: {one_line(debt.reason)}", width, "  ")


def _names(title: str, names: Sequence[str], width: int, hint: str = "") -> Iterator[str]:
    if not names:
        return
    yield f"{title}:"
    for name in names[:_MOST_NAMES]:
        yield _cut(f"  {one_line(name)}", width)
    if len(names) > _MOST_NAMES:
        yield f"  … and {len(names) - _MOST_NAMES:,} more"
    if hint:
        yield f"  -> {hint}"


def _place(location: Location) -> str:
    return one_line(str(location))


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
