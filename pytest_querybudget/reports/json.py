"""The JSON report: the whole run as data, one test a line, for other tools and for `querybudget compare`.

Version 1, described by `report.schema.json` in the package. Fields may be added, none renamed. What the schema does
not require of a statement is left out where it says nothing: a suite has hundreds of thousands of them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from pytest_querybudget.reports.document import VERSION, Report, StatementEntry, TestEntry, from_plain, to_plain
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.text import well_formed

_GZIP = b"\x1f\x8b"
_UNSAID = {
    each.name: to_plain(each.default)
    for each in fields(StatementEntry)
    if each.default is not MISSING and each.name != "phase"
}


class JsonFormat:
    """`json`: everything that the run knows, to be read by programs."""

    name = "json"

    def render(self, report: Report) -> Iterator[str]:
        """Yield one line a test, so that two reports can be compared by eye and by `diff` too."""
        head = {
            "version": report.version,
            "tool": to_plain(report.tool),
            "mode": report.mode,
            "totals": to_plain(report.totals),
        }
        yield f'{_dump(head)[:-1]},"tests":['
        for index, test in enumerate(report.tests):
            yield f"{',' if index else ''}\n{_dump(_test(test))}"
        yield f'\n],"problems":{_dump(to_plain(report.problems))}}}\n'


def dumps(report: Report) -> str:
    """The JSON report as one string."""
    return "".join(JsonFormat().render(report))


def load(path: str | Path) -> Report:
    """Read a JSON report, compressed or not.

    Raises `ReportError`, with the path and the cause, for a file that cannot be read, is no JSON, is no report,
    or was written by a later version of the format.
    """
    try:
        raw = Path(path).read_bytes()
        if raw.startswith(_GZIP):
            raw = gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ReportError(f"{path}: not a JSON report: the compressed file is damaged") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot read the report: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReportError(f"{path}: not a JSON report: the file is not UTF-8 text") from None
    return loads(text, name=str(path))


def loads(text: str, *, name: str = "report") -> Report:
    """Read a JSON report from a string; `name` is what errors call it."""
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        raise ReportError(f"{name}:{error.lineno}: not valid JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ReportError(f"{name}: not a querybudget report: nested too deeply") from None
    _check_version(plain, name)
    try:
        return from_plain(Report, plain)
    except ValueError as error:
        raise ReportError(f"{name}: not a querybudget report of version {VERSION}: {error}") from None


def _check_version(plain: Any, name: str) -> None:
    hint = "write one with `pytest --querybudget-report=json:PATH`"
    if not isinstance(plain, dict) or "version" not in plain or "tests" not in plain:
        raise ReportError(f"{name}: not a querybudget report ({hint})")
    version = plain["version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ReportError(f"{name}: the version of a report is a number from 1, got {version!r} ({hint})")
    if version > VERSION:
        raise ReportError(
            f"{name}: written in version {version} of the report format, and this pytest-querybudget reads "
            f"up to version {VERSION}: upgrade it"
        )


def _test(test: TestEntry) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(test)
    plain["statements"] = [
        {name: value for name, value in each.items() if name not in _UNSAID or value != _UNSAID[name]}
        for each in plain["statements"]
    ]
    return plain


def _dump(plain: Any) -> str:
    return well_formed(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))
