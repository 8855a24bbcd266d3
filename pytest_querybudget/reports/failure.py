"""The text of a failing budget: expected and got, what was sent, what explains it, and the change to make."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.findings.words import duration
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.reports.text import abridged, plural, pretty, printable
from pytest_querybudget.values import dataclass

WIDTH = 78
# A block's text stands in a traceback, behind an `E` and the indentation of the code.
BLOCK_WIDTH = 70
# How many shapes and findings a text shows; the rest is in the reports.
MOST_STATEMENTS = 8
MOST_FINDINGS = 6
MOST_CALLERS = 3
MOST_EVIDENCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How a text is laid out: at most `width` columns, where words allow it.

    `full` (that is `-vv`) lays each statement out over several lines instead of abridging it. `raised` keeps the
    first sentence on one line, where `pytest.raises(match=...)` may look for it.
    """

    width: int = WIDTH
    full: bool = False
    raised: bool = False

    def wrapped(self, label: str, text: str, indent: str = "") -> Iterator[str]:
        """Yield a text behind a label, over as many lines as it takes."""
        own = len(text) - len(text.lstrip(" "))
        yield from textwrap.wrap(
            printable(text),
            self.width,
            initial_indent=indent + label,
            # What is indented by itself goes on further in, or it would look like the end of the line above it.
            subsequent_indent=indent + " " * ((len(label) if len(label) < 10 else 4) + (own and own + 2)),
            break_long_words=False,
            break_on_hyphens=False,
        )

    def sql(self, label: str, sql: str) -> Iterator[str]:
        """Yield a statement behind a label: one line, or all of it."""
        if not self.full:
            yield label + abridged(sql, self.width - len(label))
            return
        for index, line in enumerate(pretty(sql).splitlines()):
            yield (" " * len(label) if index else label) + line


def explain(recording: Recording, budget: Any, verdicts: Sequence[Any], page: Page) -> str:  # noqa: ARG001
    """Return the whole text; its first sentence is all that short listings show."""
    failed = [each.finding for each in verdicts if each.failed]
    others = [each.finding for each in verdicts if not each.failed and each.allowed is None]
    lines: list[str] = [*_headline(failed, page), ""]
    for each in failed[:MOST_FINDINGS]:
        told = list(finding_lines(each, said=len(failed) == 1, page=page))
        lines += [*told, ""] if told else []
    lines += _more(len(failed), MOST_FINDINGS, "finding")
    sums = [each for each in failed if hasattr(each, "limit") and each.sql and not each.of_one]
    if sums:
        statements = _counted(recording, sums)
        lines += [*statement_lines(statements, by_time=all(each.is_time for each in sums), page=page), ""]
        lines += _explanation(others, statements, page)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _headline(failed: Sequence[Finding], page: Page) -> Iterator[str]:
    """Yield the first sentence: expected and got, or the names of the rules."""
    rules = list(dict.fromkeys(each.rule for each in failed))
    more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
    told = f"{rules[0]}: {failed[0].message}{more}"
    if len(rules) > 1:
        told = f"{len(rules)} budgets exceeded: {', '.join(rules)}"
    yield from [printable(told)] if page.raised else page.wrapped("", told)


def _more(number: int, shown: int, noun: str) -> list[str]:
    return [f"... and {plural(number - shown, f'more {noun}')}", ""] if number > shown else []


def _explanation(others: Sequence[Finding], statements: Sequence[Statement], page: Page) -> list[str]:
    """Return the findings that are about what was counted, those that cost most first."""
    sent = {each.sql for each in statements}
    told = sorted((each for each in others if each.sql in sent), key=lambda each: -each.count)
    lines = ["What explains it:"] if told else []
    for each in told[:MOST_FINDINGS]:
        lines += [*finding_lines(each, indent="  ", page=page), ""]
    return lines + [f"  {each}" for each in _more(len(told), MOST_FINDINGS, "finding") if each]


def finding_lines(finding: Finding, indent: str = "", *, said: bool = False, page: Page | None = None) -> Iterator[str]:
    """Yield one finding: the message, the access, the query that brought the rows in, the cure, the statement.

    `said` leaves out the message, where it has been said already.
    """
    page = page or Page()
    if not said:
        yield from page.wrapped(f"{finding.rule}: ", finding.message, indent)
    inner = indent + "  "
    for line in finding.evidence[:MOST_EVIDENCE]:
        yield from page.wrapped("", line, inner)
    if len(finding.evidence) > MOST_EVIDENCE:
        yield f"{inner}... and {len(finding.evidence) - MOST_EVIDENCE} more"
    # A figure that many statements add up to is no statement's own; they are listed below it.
    whole = getattr(finding, "of_one", True)
    if whole:
        yield from _places(finding, inner, page)
    if finding.fix:
        for index, line in enumerate(finding.fix.splitlines()):
            yield from page.wrapped("       " if index else "fix    ", line, inner)
    if finding.proof:
        yield from page.wrapped("proof  ", finding.proof.text, inner)
    if whole and finding.sql:
        yield from page.sql(f"{inner}sql    ", finding.sql)


def _places(finding: Finding, indent: str, page: Page) -> Iterator[str]:
    if finding.location:
        yield from page.wrapped("at     ", str(finding.location), indent)
    for each in callers(finding.chain):
        if str(each) in finding.message:
            # It has been said who calls.
            continue
        yield from page.wrapped("called ", f"by {each}", indent)
    if finding.origin and finding.origin != finding.location:
        yield from page.wrapped("rows   ", f"from the query at {finding.origin}", indent)


def callers(chain: Sequence[Place]) -> list[Place]:
    """Return the nearest callers of the line that sends a statement, each function once."""
    found: list[Place] = []
    for each in chain[1:]:
        if (each.path, each.function) not in {(one.path, one.function) for one in (chain[0], *found)}:
            found.append(each)
    return found[:MOST_CALLERS]


def _counted(recording: Recording, sums: Sequence[Any]) -> list[Statement]:
    """Return the statements that exceeded figures add up, each once; all of their phases where they do not say."""
    found: dict[int, Statement] = {}
    for each in sums:
        everything = recording.statements(*(() if each.phase == "all" else (each.phase,)))
        for statement in each.statements or everything:
            if statement.shape.kind != "transaction":
                found[id(statement)] = statement
    return list(found.values())


def statement_lines(statements: Sequence[Statement], *, by_time: bool, page: Page) -> Iterator[str]:
    """Yield what was sent, collapsed by shape and place, worst first: what was sent most often, or took longest."""
    worst = sorted(statements, key=lambda each: (-each.time, 0) if by_time else (-each.count, -each.time))
    total = sum(each.count for each in worst)
    yield f"What was sent: {plural(total, 'query')} in {plural(len(worst), 'place')}"
    for each in worst[:MOST_STATEMENTS]:
        yield from _statement(each, page)
    rest = worst[MOST_STATEMENTS:]
    if rest:
        more = plural(sum(each.count for each in rest), "more query", "more queries")
        yield f"    ... and {more} in {plural(len(rest), 'place')}"


def _statement(statement: Statement, page: Page) -> Iterator[str]:
    yield from page.sql(f"{statement.count:>5} x ", statement.sql)
    place = str(statement.location or _nowhere(statement))
    loaded = f", {statement.meaning.load} load" if statement.meaning else ""
    rows = f", {plural(statement.rows, 'row')}" if statement.rows else ""
    yield from page.wrapped("", f"{place} ({duration(statement.time)}{rows}{loaded})", " " * 8)


def _nowhere(statement: Statement) -> str:
    """Say why there is no line: none of the application was there, or nothing had asked for it yet."""
    return "no line of the application" if statement.is_located else f"in the {statement.window.phase}"
