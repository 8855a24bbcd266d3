"""A report in a few lines: totals, outcomes, what was found most, and what was not measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pytest_querybudget.findings.words import duration
from pytest_querybudget.reports import digest
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.text import one_line, plural

_MOST = 10


def overview(report: Report, *, shards: int = 1, width: int = 80) -> Iterator[str]:
    """One screen at most."""
    totals = report.totals
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(totals.by_kind.items(), key=lambda each: -each[1]))
    outcomes = Counter(each.outcome for each in report.tests)
    ran = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    yield f"{plural(totals.tests, 'test')} of {plural(shards, 'report')}: {ran or 'none'}"
    yield f"{plural(totals.queries, 'query')} in {duration(totals.db_time)}{f' ({kinds})' if kinds else ''}"
    groups = [group for group in digest.findings(report) if not group.allowed]
    if groups:
        failing = sum(group.failed for group in groups)
        yield f"{plural(len(groups), 'finding')}{f', {failing:,} of them failing tests' if failing else ''}:"
    for group in groups[:_MOST]:
        place = str(group.finding.location or "")
        text = f"  {group.finding.rule}  {place}  ({plural(len(group.tests), 'test')})"
        yield _cut(one_line(text).join(["  ", ""]), width)
    if len(groups) > _MOST:
        yield f"  … and {len(groups) - _MOST:,} more"
    for problem in report.problems[:_MOST]:
        yield _cut(f"{problem.slug.replace('-', ' ')}: {one_line(problem.text)}", width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
