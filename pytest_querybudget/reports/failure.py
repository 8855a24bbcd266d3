"""The text of a failing budget: expected and got, what was sent, what explains it, and the change to make."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.reports.text import duration, plural, pretty, printable

WIDTH = 78
# How many shapes and findings a text shows; the rest is in the reports.
MOST_STATEMENTS = 8
MOST_FINDINGS = 6
MOST_CALLERS = 3
MOST_EVIDENCE = 8


def explain(recording: Recording, budget: Any, verdicts: Sequence[Any], *, full: bool = False) -> str:  # noqa: ARG001
    """Return the whole text, at most 80 columns wide where words allow it.

    `full` (that is `-vv`) lays each statement out over several lines instead of cutting it.
    """
    failed = [each.finding for each in verdicts if each.failed]
    others = [each.finding for each in verdicts if not each.failed and each.allowed is None]
    lines: list[str] = [*_headline(failed), ""]
    for each in failed[:MOST_FINDINGS]:
        told = list(finding_lines(each, said=len(failed) == 1, full=full))
        lines += [*told, ""] if told else []
    lines += _more(len(failed), MOST_FINDINGS, "finding")
    ceilings = [each for each in failed if hasattr(each, "limit")]
    if ceilings:
        lines += [*statement_lines(recording, ceilings, full=full), ""]
        if others:
            lines.append("What explains it:")
            for each in others[:MOST_FINDINGS]:
                lines += [*finding_lines(each, indent="  ", full=full), ""]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _headline(failed: Sequence[Finding]) -> Iterator[str]:
    """Yield the first line, all that short listings show: expected and got, or the names of the rules."""
    if len(failed) == 1:
        yield from _wrapped("", f"query budget exceeded: {failed[0].rule}: {failed[0].message}", "")
    else:
        yield f"query budget exceeded: {', '.join(dict.fromkeys(each.rule for each in failed))}"


def _more(number: int, shown: int, noun: str) -> list[str]:
    return [f"... and {plural(number - shown, f'more {noun}')}", ""] if number > shown else []


def finding_lines(  # noqa: C901 - one branch a line
    finding: Finding, indent: str = "", *, said: bool = False, full: bool = False
) -> Iterator[str]:
    """Yield one finding: the message, the access, the query that brought the rows in, the cure, the statement.

    `said` leaves out the message, where it has been said already.
    """
    if not said:
        yield from _wrapped(f"{finding.rule}: ", finding.message, indent)
    inner = indent + "  "
    for line in finding.evidence[:MOST_EVIDENCE]:
        yield from _wrapped("", line, inner)
    if len(finding.evidence) > MOST_EVIDENCE:
        yield f"{inner}... and {len(finding.evidence) - MOST_EVIDENCE} more"
    if hasattr(finding, "limit"):
        if finding.fix:
            yield from _wrapped("fix    ", finding.fix, inner)
        return
    if finding.location:
        yield from _wrapped("at     ", str(finding.location), inner)
    for each in callers(finding.chain):
        yield from _wrapped("called ", f"by {each}", inner)
    if finding.origin and finding.origin != finding.location:
        yield from _wrapped("rows   ", f"from the query at {finding.origin}", inner)
    if finding.fix:
        for index, line in enumerate(finding.fix.splitlines()):
            yield from _wrapped("       " if index else "fix    ", line, inner)
    if finding.proof:
        yield from _wrapped("proof  ", finding.proof.text, inner)
    if finding.sql:
        yield from _sql(f"{inner}sql    ", finding.sql, full=full)


def callers(chain: Sequence[Place]) -> list[Place]:
    """Return the nearest callers of the line that sends a statement, each function once."""
    found: list[Place] = []
    for each in chain[1:]:
        if (each.path, each.function) not in {(one.path, one.function) for one in (chain[0], *found)}:
            found.append(each)
    return found[:MOST_CALLERS]


def statement_lines(recording: Recording, failed: Iterable[Finding], *, full: bool = False) -> Iterator[str]:
    """Yield what was sent in the phases that ceilings looked at, collapsed by shape and place, worst first."""
    phases = {getattr(each, "phase", "call") for each in failed}
    looked_at = () if "all" in phases else phases
    statements = sorted(
        (each for each in recording.statements(*looked_at) if each.shape.kind != "transaction"),
        key=lambda each: (-each.count, -each.time),
    )
    total = sum(each.count for each in statements)
    yield f"What was sent: {plural(total, 'query')} in {plural(len(statements), 'place')}"
    for each in statements[:MOST_STATEMENTS]:
        yield from _statement(each, full=full)
    rest = statements[MOST_STATEMENTS:]
    if rest:
        more = plural(sum(each.count for each in rest), "more query", "more queries")
        yield f"    ... and {more} in {plural(len(rest), 'place')}"


def _statement(statement: Statement, *, full: bool) -> Iterator[str]:
    facts = statement.shape.facts
    yield from _sql(f"{statement.count:>5} x ", facts.sql, full=full)
    place = str(statement.location) if statement.location else "no line of the application"
    loaded = f", {statement.meaning.load} load" if statement.meaning else ""
    rows = f", {plural(statement.rows, 'row')}" if statement.rows else ""
    yield from _wrapped("", f"{place} ({duration(statement.time)}{rows}{loaded})", " " * 8)


def _sql(label: str, sql: str, *, full: bool) -> Iterator[str]:
    if not full:
        yield _cut(f"{label}{printable(sql)}")
        return
    for index, line in enumerate(pretty(sql).splitlines()):
        yield (" " * len(label) if index else label) + line


def _wrapped(label: str, text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=indent + label,
        subsequent_indent=indent + " " * (len(label) if len(label) < 10 else 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
