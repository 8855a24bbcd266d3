"""The text of a growth: how many statements there were at each size, which of them grew, and the change to make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.places import Place
from pytest_querybudget.reports.failure import BLOCK_WIDTH, MOST_FINDINGS, MOST_STATEMENTS, Page, finding_lines
from pytest_querybudget.reports.text import plural
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What was compared: how often each statement was sent from each place, for each number of rows."""

    sizes: Sequence[int]
    counts: Sequence[Mapping[tuple[str, Place | None], int]]
    slope: float

    @property
    def totals(self) -> list[int]:
        """All statements at each size."""
        return [sum(each.values()) for each in self.counts]


def explain_growth(compared: Compared, findings: Sequence[Finding]) -> str:
    """Return the whole text, at most 80 columns wide in a traceback."""
    page = Page(width=BLOCK_WIDTH)
    lines = [*_headline(compared, page), ""]
    for each in findings[:MOST_FINDINGS]:
        lines += [*finding_lines(each, page=page), ""]
    if len(findings) > MOST_FINDINGS:
        lines += [f"... and {plural(len(findings) - MOST_FINDINGS, 'more finding')}", ""]
    lines += _table(compared, page)
    return "\n".join(lines)


def _headline(compared: Compared, page: Page) -> Iterator[str]:
    sizes, totals = compared.sizes, compared.totals
    rate = (totals[-1] - totals[0]) / (sizes[-1] - sizes[0])
    sent = ", ".join(
        f"{plural(total, 'query') if not index else f'{total:,}'} with {plural(size, 'row')}"
        for index, (size, total) in enumerate(zip(sizes, totals, strict=True))
    )
    expected = f"at most {compared.slope:g} more for each row" if compared.slope else "the same number for all sizes"
    told = f"expected {expected}, got {sent}: {rate:.3g} more for each row"
    yield from page.wrapped("constant_queries: ", told)


def _table(compared: Compared, page: Page) -> Iterator[str]:
    senders = list({sender: None for each in compared.counts for sender in each})
    rows = [(tuple(each.get(sender, 0) for each in compared.counts), sender) for sender in senders]
    rows.sort(key=lambda row: (row[0][0] - row[0][-1], -row[0][-1]))
    yield f"What was sent, with {_listed(compared.sizes)} rows:"
    for counts, (sql, place) in rows[:MOST_STATEMENTS]:
        yield from page.sql(f"{_arrow(counts)} x ", sql)
        yield from page.wrapped("", str(place) if place else "no line of the application", " " * 8)
    if len(rows) > MOST_STATEMENTS:
        yield f"    ... and {plural(len(rows) - MOST_STATEMENTS, 'more statement')}"


def _arrow(counts: Iterable[int]) -> str:
    return " -> ".join(f"{count:>4,}" for count in counts)


def _listed(sizes: Sequence[Any]) -> str:
    return ", ".join(map(str, sizes[:-1])) + f" and {sizes[-1]}"
