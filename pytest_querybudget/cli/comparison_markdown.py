"""A comparison as Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_querybudget.cli.comparison_table import figure, headline, percent, place, signed, verdict
from pytest_querybudget.compare import Change, Comparison, FindingChange
from pytest_querybudget.reports.markdown import code, escape
from pytest_querybudget.reports.text import one_line, shorten

_LONGEST = 160


def as_markdown(comparison: Comparison, *, top: int | None = 10) -> Iterator[str]:
    """The verdict as the heading, findings with their cure first, then the figures, folded where they are long."""
    icon = "❌" if comparison.regressions else "✅"
    yield f"## {icon} Queries: {verdict(comparison)}"
    yield ""
    yield f"{headline(comparison)}."
    yield from _totals(comparison.totals)
    for title, found in (
        ("New findings", comparison.found),
        ("Findings that changed", comparison.changed),
        ("Cured findings", comparison.cured),
    ):
        yield from _findings(title, found, top)
    yield from _changes("Tests", "Test", comparison.tests, top, folded=False)
    yield from _changes("Places", "Place", comparison.places, top, folded=True)
    yield from _changes("Statements", "Statement", comparison.statements, top, folded=True)


def _totals(totals: Sequence[Change]) -> Iterator[str]:
    yield ""
    yield "| | base | head | change | |"
    yield "|---|---:|---:|---:|---:|"
    for each in totals:
        yield f"| {escape(each.name)} {_figures(each)}"


def _figures(change: Change) -> str:
    return f"| {figure(change, change.base)} | {figure(change, change.head)} | {signed(change)} | {percent(change)} |"


def _changes(title: str, column: str, changes: Sequence[Change], top: int | None, *, folded: bool) -> Iterator[str]:
    if not changes:
        return
    yield ""
    yield f"<details><summary>{title} ({len(changes):,})</summary>" if folded else f"### {title}"
    yield ""
    yield f"| | {column} | base | head | change | |"
    yield "|---|---|---:|---:|---:|---:|"
    for each in changes[:top]:
        name = code(shorten(one_line(each.name), _LONGEST)) if each.name else "(no place)"
        yield f"| {'❌' if each.regression else ''} | {name} {_figures(each)}"
    yield from _left(len(changes), top)
    if folded:
        yield ""
        yield "</details>"


def _findings(title: str, found: Sequence[FindingChange], top: int | None) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield f"### {title}"
    yield ""
    for each in found[:top]:
        yield f"- {'❌ ' if each.regression else ''}{code(one_line(each.identity))}: {place(each)}"
        if each.head_tests:
            yield f"  <br>{escape(shorten(one_line(each.entry.message), _LONGEST * 2))}"
            if each.entry.location:
                yield f"  <br>at {code(str(each.entry.location))}"
            if each.entry.fix:
                yield f"  <br>fix: {code(one_line(each.entry.fix))}"
    yield from _left(len(found), top)


def _left(number: int, top: int | None) -> Iterator[str]:
    if top is not None and number > top:
        yield ""
        yield f"… and {number - top:,} more"
