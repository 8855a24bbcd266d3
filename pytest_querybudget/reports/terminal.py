"""The summary after the session: one screen that says where a suite wastes queries."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import field

from pytest_querybudget.findings.words import duration
from pytest_querybudget.reports import digest
from pytest_querybudget.reports.document import BudgetEntry, FindingEntry, Problem, Report, TestEntry
from pytest_querybudget.reports.text import plural, printable
from pytest_querybudget.values import dataclass

Line = tuple[str, dict[str, bool]]
MOST_FINDINGS = 10
MOST_PROBLEMS = 8
MOST_SLACK = 5
MOST_ROUTES = 5
# A budget has slack when at least half of it, and more than one statement, was not used.
SLACK = 2
# The verbosity of `-qq`.
SILENT = -2


@dataclass(slots=True)
class _Seen:
    """One finding over all tests."""

    entry: FindingEntry
    tests: set[str] = field(default_factory=set)
    count: int = 0
    failed: bool = False


def summary(report: Report, *, width: int, top: int, verbosity: int, wrote: Iterable[str] = ()) -> Iterator[Line]:
    """Yield the lines of the summary with their markup; nothing when there is nothing to say.

    With `-q` that is totals and problems, with `-qq` problems and what was asked for.
    """
    touched = verbosity > SILENT and (report.totals.queries > 0 or report.totals.findings > 0)
    if not touched and not report.problems and not wrote:
        return
    if touched:
        for line in _totals(report, width):
            yield line, {"bold": True}
    if verbosity < 0:
        yield from _problems(report, width)
        yield from ((each, {}) for each in wrote)
        return
    if touched:
        yield from _most(report, top, width)
        yield from _requests(report, width)
        yield from _findings(report, width)
        yield from _unplanned(report, width)
        yield from _slack(report, width)
    yield from _problems(report, width)
    for each in wrote:
        yield each, {}


def _totals(report: Report, width: int) -> list[str]:
    totals = report.totals
    # A figure stays with what it counts.
    kinds = ", ".join(
        f"{number:,}\xa0{kind}"
        for kind, number in sorted(totals.by_kind.items(), key=lambda one: -one[1])
        if kind != "transaction"
    )
    around = totals.queries - sum(each.phases["call"].queries for each in report.tests if "call" in each.phases)
    fixtures = f" ({around:,} in fixtures)" if around else ""
    counted = f"{plural(totals.queries, 'query')} in {plural(totals.tests, 'test')}{fixtures}"
    told = f"{counted}, {duration(totals.db_time)} in the database{kinds and f': {kinds}'}"
    return [each.replace("\xa0", " ") for each in textwrap.wrap(told, max(width - 1, 20), subsequent_indent="  ")]


def _most(report: Report, top: int, width: int) -> Iterator[Line]:
    calls = sorted(
        ((each.phases["call"], each.nodeid) for each in report.tests if "call" in each.phases),
        key=lambda one: (-one[0].queries, one[1]),
    )
    shown = [(call, nodeid) for call, nodeid in calls if call.queries][:top]
    if not shown:
        return
    yield "", {}
    yield "tests that send most", {"bold": True}
    for call, nodeid in shown:
        yield _middle(f"  {call.queries:>6,}  {duration(call.db_time):>8}  ", nodeid, width), {}


def _requests(report: Report, width: int) -> Iterator[Line]:
    routes = [each for each in digest.routes(report.tests) if each.most > 0]
    if not routes:
        return
    yield "", {}
    yield "requests that send most", {"bold": True}
    for each in routes[:MOST_ROUTES]:
        of = f"  (the most of {each.count:,} requests)" if each.count > 1 else ""
        yield _cut(f"  {each.most:>6,}  {_on_one_line(each.name)}{of}", width), {}
    if len(routes) > MOST_ROUTES:
        yield f"  ... and {plural(len(routes) - MOST_ROUTES, 'more route')}", {}


def _findings(report: Report, width: int) -> Iterator[Line]:
    found = _merged(report.tests)
    open_ones = [each for each in found if not each.entry.allowed]
    if open_ones:
        yield "", {}
        failed = sum(each.failed for each in open_ones)
        yield f"{plural(len(open_ones), 'finding')}{f', {failed} failing' if failed else ''}", {"bold": True}
    for each in open_ones[:MOST_FINDINGS]:
        yield from _finding(each, width)
    if len(open_ones) > MOST_FINDINGS:
        yield f"  ... and {plural(len(open_ones) - MOST_FINDINGS, 'more finding')}", {}
    allowed = len(found) - len(open_ones)
    if allowed:
        yield f"  {plural(allowed, 'finding')} allowed", {}


def _finding(seen: _Seen, width: int) -> Iterator[Line]:
    entry = seen.entry
    place = f"{entry.location.path}:{entry.location.line}" if entry.location else "?"
    subject = " ".join([entry.rule, printable(entry.relationship or ", ".join(entry.tables))]).strip()
    tests = plural(len(seen.tests), "test")
    mark = "F" if seen.failed else "-"
    markup = {"red": True} if seen.failed else {"yellow": True}
    yield (
        _cut(f"{mark} {subject} x{seen.count:,} at {printable(place)} in {tests}", width),
        markup,
    )
    yield from ((line, {}) for line in _cure(entry, width))


def _cure(entry: FindingEntry, width: int) -> Iterator[str]:
    """Yield the cure, or in its place what came of trying it, which is the same cure with figures."""
    fix, proof = printable((entry.fix or "").partition("\n")[0]), entry.proof
    tried = proof is not None and proof.verdict != "untried"
    if fix and (proof is None or proof.index is not None or not tried):
        yield _cut(f"    {fix}{f' ({proof.verdict})' if proof and tried else ''}", width)
    if proof is not None and proof.index is None:
        text = f"{printable(proof.text)}{f' ({proof.verdict})' if tried else ''}"
        yield from textwrap.wrap(
            text,
            width - 1,
            initial_indent=" " * 4,
            subsequent_indent=" " * 6,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _merged(tests: Iterable[TestEntry]) -> list[_Seen]:
    """Return each finding once: wastes before the limits that they break, what fails before what does not."""
    merged: dict[str, _Seen] = {}
    for test in tests:
        for entry in test.findings:
            if entry.declared_only and not entry.failed:
                continue
            seen = merged.setdefault(f"{entry.identity}{entry.allowed is None}", _Seen(entry))
            seen.tests.add(test.nodeid)
            seen.failed = seen.failed or entry.failed
            if entry.count > seen.count:
                seen.count, seen.entry = entry.count, entry
    return sorted(merged.values(), key=_rank)


def _rank(seen: _Seen) -> tuple[bool, bool, int, str]:
    return seen.entry.rule.startswith("max_"), not seen.failed, -seen.count * len(seen.tests), seen.entry.rule


def _unplanned(report: Report, width: int) -> Iterator[Line]:
    """What was to be planned and has no plan, with the reason: nothing was judged there."""
    entries = [each for test in report.tests for each in test.statements if each.not_planned]
    found = dict.fromkeys((each.not_planned, each.sql) for each in entries)
    if not found:
        return
    yield "", {}
    yield f"{plural(len(found), 'statement')} not planned", {"bold": True}
    for reason, sql in list(found)[:MOST_PROBLEMS]:
        yield _cut(f"  {printable(reason or '')}: {_on_one_line(sql)}", width), {}
    if len(found) > MOST_PROBLEMS:
        yield f"  ... and {len(found) - MOST_PROBLEMS:,} more", {}


def _slack(report: Report, width: int) -> Iterator[Line]:
    loose = [
        (name, budget, test.nodeid)
        for test in report.tests
        if test.outcome == "passed"
        for name, budget in sorted(test.budget.items())
        if _is_loose(name, budget)
    ]
    if not loose:
        return
    loose.sort(key=lambda each: each[1].actual - each[1].limit)
    yield "", {}
    yield "budgets with slack", {"bold": True}
    for name, budget, nodeid in loose[:MOST_SLACK]:
        yield _middle(f"  {name} declared {budget.limit:g}, used {budget.actual:g}  ", nodeid, width), {}
    if len(loose) > MOST_SLACK:
        yield f"  ... and {len(loose) - MOST_SLACK:,} more", {}


def _is_loose(name: str, budget: BudgetEntry) -> bool:
    return (
        budget.declared == "marker"
        and name.startswith(("max_queries", "max_columns", "max_rows"))
        and budget.limit >= SLACK * max(budget.actual, 1)
        and budget.limit - budget.actual > 1
    )


def _problems(report: Report, width: int) -> Iterator[Line]:
    groups: dict[str, list[Problem]] = {}
    for each in report.problems:
        groups.setdefault(each.slug, []).append(each)
    for slug, problems in groups.items():
        yield "", {}
        yield f"{slug.replace('-', ' ')}: {len(problems)}", {"bold": True, "yellow": True}
        for each in problems[:MOST_PROBLEMS]:
            yield from _problem(each, width)
        if len(problems) > MOST_PROBLEMS:
            yield f"  ... and {len(problems) - MOST_PROBLEMS:,} more", {}


def _problem(problem: Problem, width: int) -> Iterator[Line]:
    """Say a problem; a node id that does not fit beside it stands below it, whole, so that it can be copied."""
    text = f"  {_on_one_line(problem.text)}"
    where = _on_one_line(problem.nodeid) if problem.nodeid else ""
    beside = f"{text} ({where})" if where else text
    if len(beside) < width or not where:
        yield _cut(beside, width), {}
        return
    yield _cut(text, width), {}
    yield f"    {where}", {}


def _on_one_line(text: str) -> str:
    return printable(text).replace("\n", " ")


def _cut(text: str, width: int) -> str:
    text = text.replace("\n", " ")
    return text if len(text) < width else text[: max(width - 4, 20)] + "..."


def _middle(head: str, tail: str, width: int) -> str:
    """Put head and tail on one line; a long tail loses its beginning, which says least."""
    tail = _on_one_line(tail)
    room = max(width - 1 - len(head), 20)
    return head + (tail if len(tail) <= room else "..." + tail[-(room - 3) :])
