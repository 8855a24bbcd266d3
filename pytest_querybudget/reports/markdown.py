"""The Markdown report: for a job summary or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from pytest_querybudget.findings.words import duration
from pytest_querybudget.reports import digest
from pytest_querybudget.reports.digest import FindingGroup
from pytest_querybudget.reports.document import Report, TestEntry
from pytest_querybudget.reports.text import brief, one_line, plural, printable, shorten

# A comment on GitHub takes 65,536 characters; GitLab and job summaries take more.
COMMENT = 60_000
_ROWS = 10
_PROBLEMS = 20
_LONGEST_CELL = 160
_LONGEST_BLOCK = 1_500

# Whatever has a meaning in Markdown, HTML or GitHub's references, as it may not have one in SQL that is shown.
_ACTIVE = re.compile(r"[&<>\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_MARKUP = re.compile(r"[&<>\"\\`*_\[\]|~$:@#!{}]")
# What makes a heading, a list or a rule of a line that it starts.
_LIST = re.compile(r"^(\d*)([#+=.)-])")
_REFERENCE = re.compile(r"[@#](?=\w)")
_ICONS = {"error": "❌", "warning": "⚠️", "note": "☑️"}


class MarkdownFormat:
    """`markdown`: totals, what was found and what it would take, the tests that sent most.

    It keeps within `limit` characters: what does not fit is counted.
    """

    name = "markdown"

    def __init__(self, limit: int = COMMENT) -> None:
        self._limit = limit

    def render(self, report: Report) -> Iterator[str]:
        """Yield blocks, the most important first, as long as they fit."""
        left = self._limit - 100
        skipped = 0
        for block in _blocks(report):
            if skipped or len(block) > left:
                skipped += 1
                continue
            left -= len(block)
            yield block
        if skipped and left > 0:
            yield f"\n_{plural(skipped, 'more section')} did not fit; the HTML report has everything._\n"


def _blocks(report: Report) -> Iterator[str]:
    groups = digest.findings(report)
    yield _head(report, groups)
    yield _held(report.tests)
    yield from filter(None, (_overview(groups), _busiest(report.tests), _routes(report.tests), _problems(report)))
    open_groups = [group for group in groups if not group.allowed]
    if open_groups:
        yield "\n### What it would take\n"
        yield from map(_detail, open_groups)


def _head(report: Report, groups: Iterable[FindingGroup]) -> str:
    totals = report.totals
    groups = tuple(groups)
    failed = sum(group.failed for group in groups)
    icon = "❌" if failed else "⚠️" if any(not group.allowed for group in groups) else "✅"
    kinds = ", ".join(f"{number:,} {escape(kind)}" for kind, number in sorted(totals.by_kind.items()) if number)
    found = plural(len(groups), "finding")
    state = f", **{failed:,} of them {'fails' if failed == 1 else 'fail'} tests**" if failed else ""
    return (
        f"## {icon} Queries of the test suite\n\n"
        f"{plural(totals.tests, 'test')} sent **{plural(totals.queries, 'query')}**"
        f"{f' ({kinds})' if kinds else ''} in {duration(totals.db_time)}; {found}{state}.\n"
    )


def _held(tests: Iterable[TestEntry]) -> str:
    """Say who held most connections at one time, and who the longest transaction; nothing where it was one or none."""
    lines = []
    most = max(tests, key=lambda test: test.connections, default=None)
    if most is not None and most.connections > 1:
        where = code(brief(most.nodeid, _LONGEST_CELL))
        lines.append(f"- most connections at one time: **{most.connections:,}**, in {where}")
    timed = [(test.transactions, test.nodeid) for test in tests if test.transactions and test.transactions.queries]
    if timed:
        longest, nodeid = max(timed, key=lambda each: each[0].seconds)
        held = f"**{duration(longest.seconds)}** and {plural(longest.queries, 'query')}"
        lines.append(f"- longest transaction: {held}, in {code(brief(nodeid, _LONGEST_CELL))}")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _overview(groups: tuple[FindingGroup, ...]) -> str:
    rows = (
        (
            _ICONS[group.level],
            code(group.finding.rule),
            code(str(group.location)) if group.finding.location else "",
            escape(brief(group.finding.message, _LONGEST_CELL)),
            f"{len(group.tests):,}",
        )
        for group in groups
    )
    return _table("Findings", ("", "Rule", "Where", "What", "Tests"), rows, len(groups), right=(4,))


def _busiest(tests: Iterable[TestEntry]) -> str:
    sending = [test for test in tests if digest.queries(test)]
    sending.sort(key=lambda test: (-digest.queries(test), test.nodeid))
    rows = (
        (
            code(brief(test.nodeid, _LONGEST_CELL)),
            f"{digest.queries(test):,}",
            duration(digest.db_time(test)),
            ", ".join(
                f"{code(rule)} {each.actual:,g} of {each.limit:,g}" for rule, each in sorted(test.budget.items())
            ),
        )
        for test in sending
    )
    return _table("Tests that sent most", ("Test", "Queries", "Time", "Budget"), rows, len(sending), right=(1, 2))


def _routes(tests: Iterable[TestEntry]) -> str:
    routes = digest.routes(tests)
    rows = (
        (code(brief(each.name, _LONGEST_CELL)), f"{each.most:,}", f"{each.count:,}", f"{each.queries:,}")
        for each in routes
    )
    head = ("Route", "Most queries in one request", "Requests", "Queries")
    return _table("Routes", head, rows, len(routes), right=(1, 2, 3))


def _problems(report: Report) -> str:
    if not report.problems:
        return ""
    lines = [
        f"- {escape(brief(each.text, _LONGEST_CELL))}"
        f"{f' — {code(brief(each.nodeid, _LONGEST_CELL))}' if each.nodeid else ''}"
        for each in report.problems[:_PROBLEMS]
    ]
    if len(report.problems) > _PROBLEMS:
        lines.append(f"- and {len(report.problems) - _PROBLEMS:,} more")
    return "\n### Not measured, or stale\n\n" + "\n".join(lines) + "\n"


def _detail(group: FindingGroup) -> str:
    finding = group.finding
    seen = plural(len(group.tests), "test")
    title = f"{_ICONS[group.level]} {html_code(finding.rule)} at {html_code(str(group.location))}, {seen}"
    said = escape(brief(finding.message, _LONGEST_BLOCK))
    parts = [f"\n<details><summary>{title}</summary>\n", f"{said}\n"]
    if finding.origin:
        parts.append(f"The rows come from {code(str(finding.origin))}.\n")
    parts.append(fence(brief(finding.sql, _LONGEST_BLOCK), "sql"))
    if finding.fix:
        parts.append("To mend it:\n")
        parts.append(fence(printable(shorten(finding.fix, _LONGEST_BLOCK))))
    if finding.proof:
        said = brief(finding.proof.text, _LONGEST_BLOCK)
        parts.append(f"**{escape(finding.proof.verdict.capitalize())}:** {escape(said)}\n")
    parts.append("</details>\n")
    return "\n".join(parts)


def _table(
    title: str, head: tuple[str, ...], rows: Iterator[tuple[str, ...]], number: int, right: tuple[int, ...]
) -> str:
    if not number:
        return ""
    rule = "|".join("---:" if index in right else "---" for index in range(len(head)))
    lines = [f"\n### {title}\n", f"| {' | '.join(head)} |", f"|{rule}|"]
    lines += [f"| {' | '.join(row)} |" for row in islice(rows, _ROWS)]
    if number > _ROWS:
        lines.append(f"\n_and {number - _ROWS:,} more_")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Show text as it is, wherever Markdown takes inline text, table cells included."""
    text = _LIST.sub(r"\1&#8203;\2", _ACTIVE.sub(_entity, one_line(text)))
    # A zero-width space keeps "@name" and "#1" from calling people and issues.
    return _REFERENCE.sub(lambda match: f"{match[0]}\u200b", text.replace("&#", "\0")).replace("\0", "&#")


def code(text: str) -> str:
    """Text in a fixed-width type, wherever Markdown takes inline text, table cells included."""
    text = one_line(text)
    # A code span cannot hold every text in a table cell; HTML can.
    return html_code(text) if not text or re.search(r"[`|\\]", text) else f"`{text}`"


def html_code(text: str) -> str:
    """Text in a fixed-width type, in a line of HTML and wherever Markdown takes HTML."""
    return f"<code>{re.sub(_MARKUP, _entity, one_line(text))}</code>"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def fence(text: str, language: str = "") -> str:
    """A block of code, with a fence longer than any in the text."""
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=2))
    return f"{ticks}{language}\n{text}\n{ticks}\n"
