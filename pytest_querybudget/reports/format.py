"""What a report format is: an object with a name and one method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pytest_querybudget.reports.document import Report


class Format(Protocol):
    """One way to say a report.

    `render` yields the file in pieces, text (encoded as UTF-8 by the writer) or bytes. It neither opens files
    nor prints: `reports.writer` does, once for all formats.
    """

    @property
    def name(self) -> str:
        """The word in `--querybudget-report=NAME:PATH`."""

    def render(self, report: Report) -> Iterator[str] | Iterator[bytes]:
        """Yield the pieces of the file."""


class ReportError(ValueError):
    """A report that cannot be read or written; the text says which file, what is wrong and what to do."""
