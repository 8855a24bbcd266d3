"""Where reports go: opened, written whole or not at all, and announced, once for all formats."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pytest_querybudget.reports import registry
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.format import Format, ReportError
from pytest_querybudget.reports.text import well_formed
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One report that was asked for: `format` is a name, `path` a file."""

    format: str
    path: Path


def parse_target(text: str, known: Iterable[str] = registry.names()) -> Target:
    """Read `FORMAT:PATH`, such as `html:build/queries.html`.

    Raises `ValueError` that says what was given and which formats there are.
    """
    known = tuple(known)
    format_name, colon, path = text.partition(":")
    format_name, path = format_name.strip(), path.strip()
    if not colon or not path:
        raise ValueError(f"expected FORMAT:PATH with FORMAT one of {', '.join(known)}; got {text!r}")
    if format_name not in known:
        raise ValueError(f"unknown report format {format_name!r} in {text!r}; there are {', '.join(known)}")
    return Target(format_name, Path(path).expanduser())


def write(report: Report, report_format: Format, path: Path) -> str:
    """Write one report and return the line that announces it.

    The file is complete or as it was before: pieces go to a file beside it, which then takes its place.
    A path that ends in `.gz` is compressed.
    Raises `ReportError` that names the file when it cannot be written.
    """
    # A link stays a link: its target is replaced.
    goal = Path(os.path.realpath(path))
    pieces = _encoded(report_format, report)
    if path.suffix == ".gz":
        pieces = _compressed(pieces)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        if goal.exists() and not goal.is_file() and not goal.is_dir():
            size = _write_through(goal, pieces)
        else:
            size = _replace(goal, pieces)
    except OSError as error:
        raise ReportError(f"{path}: cannot write the {report_format.name} report: {error.strerror or error}") from error
    return f"{report_format.name} report: {path} ({_size(size)})"


def _encoded(report_format: Format, report: Report) -> Iterator[bytes]:
    for piece in report_format.render(report):
        yield well_formed(piece).encode() if isinstance(piece, str) else piece


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # Unlike a `GzipFile`, this writes no time and no name: equal reports are equal files.
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _replace(goal: Path, pieces: Iterable[bytes]) -> int:
    half = goal.with_name(f".{goal.name[:100]}.{os.urandom(4).hex()}.part")
    try:
        # "x" gives the file the permissions that the user's umask asks for, which tempfile does not.
        with half.open("xb") as file:
            size = sum(map(file.write, pieces))
        half.replace(goal)
    except BaseException:  # Ctrl-C too leaves no half-written file
        with suppress(FileNotFoundError):
            half.unlink()
        raise
    return size


def _write_through(goal: Path, pieces: Iterable[bytes]) -> int:
    # A device or a pipe, such as /dev/stdout, cannot be replaced.
    with goal.open("wb") as file:
        return sum(map(file.write, pieces))


def _size(number: int) -> str:
    if number < 1_000_000:
        return f"{number / 1_000:.1f} kB"
    return f"{number / 1_000_000:.1f} MB"
