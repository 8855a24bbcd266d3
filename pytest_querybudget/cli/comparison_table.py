"""A comparison as text, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from pytest_querybudget.compare import Change, Comparison, FindingChange
from pytest_querybudget.findings.words import duration
from pytest_querybudget.reports.text import one_line, plural, printable


def as_table(comparison: Comparison, *, top: int | None = 10, width: int = 80) -> Iterator[str]:
    """Totals first, then what grew or shrank, most growth first; `!` marks a regression."""
    yield from wrapped(headline(comparison), width)
    yield from _totals(comparison.totals)
    for title, changes in (
        ("Tests", comparison.tests),
        ("Places", comparison.places),
        ("Statements", comparison.statements),
    ):
        yield from _changes(title, changes, top, width)
    for title, found in (
        ("New findings", comparison.found),
        ("Findings that changed", comparison.changed),
        ("Cured findings", comparison.cured),
    ):
        yield from _findings(title, found, top, width)
    yield ""
    yield verdict(comparison)


def headline(comparison: Comparison) -> str:
    """How many tests were compared, and which could not be."""
    aside = [
        f"{len(names):,} {word}"
        for names, word in (
            (comparison.added, "only in the head"),
            (comparison.removed, "only in the base"),
            (comparison.incomparable, "not passed in both"),
        )
        if names
    ]
    return f"{plural(comparison.compared, 'test')} compared" + (f"; {', '.join(aside)}" if aside else "")


def verdict(comparison: Comparison) -> str:
    """The last line."""
    tolerance = comparison.tolerance
    parts = [f"{tolerance.percent:g}%"] * bool(tolerance.percent)
    parts += [plural(int(tolerance.queries), "query")] * bool(tolerance.queries)
    beyond = f" beyond {' or '.join(parts)}" if parts else ""
    if not comparison.regressions:
        return f"No regression{beyond}."
    return f"{plural(comparison.regressions, 'regression')}{beyond}."


def figure(change: Change, value: float) -> str:
    """A count, or seconds where the figure is a time."""
    return duration(value) if change.name == "db_time" else f"{value:,.0f}"


def percent(change: Change) -> str:
    """`+4.2 %`, `new` for what was not there, `gone` for what no longer is."""
    if change.percent is None:
        return "new" if change.head else ""
    if not change.head:
        return "gone"
    return f"{change.percent:+,.1f} %" if change.more else "="


def signed(change: Change) -> str:
    """The difference with its sign."""
    if change.name == "db_time":
        return f"{'-' if change.more < 0 else '+'}{duration(abs(change.more))}"
    return f"{change.more:+,.0f}"


def place(change: FindingChange) -> str:
    """Where it is, in how many tests, with how many statements."""
    before, after = (
        f"{plural(count, 'statement')} in {plural(tests, 'test')}"
        for count, tests in ((change.base, change.base_tests), (change.head, change.head_tests))
    )
    if change.base_tests and change.head_tests:
        return f"{before} -> {after}"
    return after if change.head_tests else before


def _totals(totals: Sequence[Change]) -> Iterator[str]:
    yield ""
    yield f"{'Totals':<14}{'base':>12}{'head':>12}{'change':>12}"
    for each in totals:
        row = f"  {each.name:<12}{figure(each, each.base):>12}{figure(each, each.head):>12}{signed(each):>12}"
        yield f"{row}{percent(each):>12}".rstrip()


def _changes(title: str, changes: Sequence[Change], top: int | None, width: int) -> Iterator[str]:
    name = _test if title == "Tests" else _name
    if not changes:
        return
    yield ""
    yield f"{title:<14}{'base':>8}{'head':>8}{'change':>8}"
    for each in _most(changes, top):
        mark = "!" if each.regression else " "
        row = f"{'':<14}{figure(each, each.base):>8}{figure(each, each.head):>8}{signed(each):>8}{percent(each):>12}"
        yield f"{mark} {name(each.name, width - 2)}"
        yield row
    yield from _left(len(changes), top)


def _most(changes: Sequence[Change], top: int | None) -> Iterable[Change]:
    """The largest growth and the largest gains: neither hides the other."""
    if top is None or len(changes) <= top:
        return changes
    return sorted(sorted(changes, key=lambda each: -abs(each.more))[:top], key=lambda each: -each.more)


def _findings(title: str, found: Sequence[FindingChange], top: int | None, width: int) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield title
    for each in found[:top]:
        yield f"{'!' if each.regression else ' '} {_name(each.identity, width - 2)}"
        yield from wrapped(place(each), width, "    ")
        if each.head_tests:
            if each.entry.location:
                yield f"    at {printable(str(each.entry.location))}"
            if each.entry.fix:
                yield from wrapped(f"fix: {one_line(each.entry.fix)}", width, "    ")
    yield from _left(len(found), top)


def _left(number: int, top: int | None) -> Iterator[str]:
    if top is not None and number > top:
        yield f"  … and {number - top:,} more (--top=0 shows all)"


def _name(text: str, width: int) -> str:
    text = one_line(text) or "(no place)"
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def _test(nodeid: str, width: int) -> str:
    """A test that is too long loses its folders: many share them."""
    nodeid = one_line(nodeid)
    return nodeid if len(nodeid) <= width else f"…{nodeid[1 - width :]}"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Wrap prose at spaces only."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
