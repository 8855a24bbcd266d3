"""Where the command writes, and how it says that it is still at work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.text import well_formed


class UsageError(ValueError):
    """An argument that cannot be used; the text says what was given and what is allowed."""


class Console:
    """Text for the user on `out`, complaints and progress on `err`; progress only where a person watches."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err

    def say(self, lines: str | Iterable[str]) -> None:
        """Print one line or several."""
        for line in [lines] if isinstance(lines, str) else lines:
            self._out.write(f"{well_formed(line)}\n")

    def pour(self, pieces: Iterable[str]) -> None:
        """Print text as it is, such as a report."""
        for piece in pieces:
            self._out.write(well_formed(piece))

    def complain(self, lines: str | Iterable[str]) -> None:
        """Print to the error stream, so that what is piped stays clean."""
        for line in [lines] if isinstance(lines, str) else lines:
            self._err.write(f"{well_formed(line)}\n")

    def progress(self, text: str) -> None:
        """Say what is being done on one line, which the next call overwrites; an empty text wipes it."""
        if self._err.isatty():
            self._err.write(f"\r\x1b[K{text[:78]}")
            self._err.flush()


def load_all(paths: Sequence[Path], console: Console) -> Iterator[Report]:
    """Read JSON reports one by one. Raises `ReportError` for the first that cannot be read."""
    from pytest_querybudget.reports.json import load

    try:
        for number, path in enumerate(paths, start=1):
            console.progress(f"reading {number} of {len(paths)}: {path}")
            yield load(path)
    finally:
        console.progress("")
