"""The coverage report: a data file whose lines are the places that send queries, and whose contexts are the tests.

`coverage html --show-contexts --data-file=PATH` and editors that read such files then show which lines query,
and which tests make them do so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_querybudget.reports.document import Report, TestEntry
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.text import well_formed


class CoverageFormat:
    """`coverage`: written with the coverage library's own API. Paths are made absolute with `rootdir`."""

    name = "coverage"

    def __init__(self, rootdir: Path) -> None:
        self._rootdir = rootdir

    def render(self, report: Report) -> Iterator[bytes]:
        """Yield the bytes of the data file; raises `ReportError` when coverage is not installed."""
        try:
            from coverage import CoverageData
        except ImportError:
            raise ReportError(
                "the coverage report needs the coverage library: pip install 'pytest-querybudget[coverage]'"
            ) from None
        # The library writes to a file only.
        with TemporaryDirectory(prefix="querybudget-") as folder:
            path = Path(folder) / "data"
            data = CoverageData(basename=str(path))
            data.add_lines({})  # a run without statements gives a file too
            for test in sorted(report.tests, key=lambda each: each.nodeid):
                data.set_context(well_formed(test.nodeid))
                data.add_lines(self._lines(test))
            data.close()
            yield path.read_bytes()

    def _lines(self, test: TestEntry) -> dict[str, set[int]]:
        lines: dict[str, set[int]] = {}
        for statement in test.statements:
            place = statement.location
            # "<string>" and its kind have no source to show.
            if place and place.line > 0 and not place.path.startswith("<"):
                path = os.path.normpath(self._rootdir.absolute() / well_formed(place.path))
                lines.setdefault(path, set()).add(place.line)
        return lines
