"""A table once, for the terminal and for Markdown."""

from __future__ import annotations

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


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    first, *others = widths
    lines = [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))])
        for row in rows
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign; no `-0.0`."""
    rounded = round(value, digits)
    return f"{rounded + 0.0:+.{digits}f}" if rounded else f"{0:.{digits}f}"
