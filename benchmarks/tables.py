"""A table once, for the terminal and for Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """Something that the figures must show: what, measured against what, and whether they do.

    `met` is None where it could not be judged; `note` says why.
    """

    text: str
    met: bool | None
    note: str = ""

    def __str__(self) -> str:
        verdict = {True: "pass", False: "FAIL", None: "n/a "}[self.met]
        return f"{verdict}  {self.text}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True)
class Table:
    """Rows of texts under a title; the first column is to the left, all others to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """For the terminal, as wide as its widest cells."""
        return "\n".join([self.title, *_aligned([self.columns, *self.rows]), *(f"  {note}" for note in self.notes)])

    def markdown(self) -> str:
        """For a documentation page."""
        lines = ["| " + " | ".join(row) + " |" for row in (self.columns, *self.rows)]
        rule = "|---|" + "---:|" * (len(self.columns) - 1)
        return "\n".join([f"**{self.title}**", "", lines[0], rule, *lines[1:], "", *self.notes]).rstrip()


@dataclass(frozen=True)
class Section:
    """What one benchmark found."""

    name: str
    tables: tuple[Table, ...]
    goals: tuple[Goal, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)


# Where a heading may go on in the next line: at a space, after a hyphen, and within the long names of recorders.
WIDTH = 100
BREAK = re.compile(r" |(?<=-)|(?<=query)(?=\w)")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The heading, a rule, the rows; the heading in several lines where one would be wider than 100 columns."""
    lines = _laid_out([[cell] for cell in rows[0]], rows[1:])
    if len(lines[0]) <= WIDTH:
        return lines
    return _laid_out([[cell] if index == 0 else BREAK.split(cell) for index, cell in enumerate(rows[0])], rows[1:])


def _laid_out(heads: list[list[str]], body: Sequence[tuple[str, ...]]) -> list[str]:
    height = max(map(len, heads))
    # Filled up from above, so that a short heading stands right over its figures.
    stacked = list(zip(*([""] * (height - len(head)) + head for head in heads), strict=True))
    widths = [max(len(row[index]) for row in (*stacked, *body)) for index in range(len(heads))]
    lines = [_line(row, widths) for row in (*stacked, *body)]
    return [*lines[:height], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[height:]]


def _line(row: tuple[str, ...], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells])


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign; no `-0.0`."""
    rounded = round(value, digits)
    return f"{rounded + 0.0:+.{digits}f}" if rounded else f"{0:.{digits}f}"
