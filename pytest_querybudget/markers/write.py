"""Budgets into the test files of a suite: which files change, as a diff to look at or in earnest.

libcst, which keeps formatting and comments, is imported when it is needed; the extra `markers` brings it.
"""

from __future__ import annotations

import difflib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_querybudget.files import replace_text
from pytest_querybudget.markers.figures import Case, Names, by_file
from pytest_querybudget.reports.document import TestEntry
from pytest_querybudget.reports.text import one_line, plural
from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from pytest_querybudget.markers.syntax import Outline

_MOST_NAMES = 3


class MarkersError(ValueError):
    """Markers cannot be written; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file before and after; `path` is relative to the root directory."""

    path: str
    before: str
    after: str
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The files to change, and the tests that are left alone, by node id, with the reason."""

    changes: tuple[Change, ...] = ()
    left: dict[str, str] = field(default_factory=dict)


def plan(tests: Iterable[TestEntry], root: Path, *, exact: bool = False, complete: bool = False) -> Plan:
    """Decide which budgets go where, without touching a file.

    `tests` are those of a report, failed and skipped ones among them; `root` is what node ids are relative to;
    `complete` says that the whole suite ran. Raises `MarkersError` when libcst is not installed.
    """
    try:
        from pytest_querybudget.markers.rewrite import rewrite
    except ModuleNotFoundError as error:
        if error.name != "libcst":
            raise
        raise MarkersError(
            "writing markers needs libcst: install it with `pip install 'pytest-querybudget[markers]'`"
        ) from None
    figures = by_file(tests)
    left: dict[str, str] = {}
    sources = _read(root, figures, left)
    inherited = _adopt(sources, figures)
    changes = []
    for path, source in sorted(sources.items()):
        try:
            result = rewrite(
                source.text, figures[path], exact=exact, complete=complete, inherited=frozenset(inherited.get(path, ()))
            )
            compile(result.source, path, "exec", dont_inherit=True)
        except (ValueError, SyntaxError) as error:
            left[path] = f"cannot be read as Python: {error}"
            continue
        left.update({f"{path}::{'::'.join(names)}": reason for names, reason in result.left.items()})
        if result.source != source.text:
            changes.append(Change(path=path, before=source.text, after=result.source, encoding=source.encoding))
    return Plan(changes=tuple(changes), left=left)


def diff(changes: Iterable[Change]) -> Iterator[str]:
    """The lines of a unified diff, as `git apply` takes it."""
    for change in changes:
        lines = difflib.unified_diff(
            change.before.splitlines(keepends=True),
            change.after.splitlines(keepends=True),
            f"a/{change.path}",
            f"b/{change.path}",
        )
        for line in lines:
            yield line.rstrip("\r\n")
            if not line.endswith("\n"):
                yield "\\ No newline at end of file"


def apply(changes: Iterable[Change], root: Path) -> None:
    """Write the files, each whole or not at all.

    Raises `MarkersError` for a file that cannot be written, or that someone has changed in the meantime.
    """
    for change in changes:
        path = root / change.path
        try:
            if _source(path).text != change.before:
                raise MarkersError(f"{change.path} has changed while the tests ran: it is left as it is")
            replace_text(path, change.after, encoding=change.encoding)
        except OSError as error:
            raise MarkersError(f"{change.path}: cannot be written: {error.strerror or error}") from error


def summary(planned: Plan, *, dry_run: bool = False, width: int = 80) -> Iterator[str]:
    """What was or would be written, and how many tests were left alone, by reason."""
    word = "would change" if dry_run else "changed"
    yield f"max_queries markers: {plural(len(planned.changes), 'file')} {word}"
    reasons: dict[str, list[str]] = {}
    for name, reason in planned.left.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in sorted(reasons.items()):
        yield f"  left alone, {one_line(reason)}:"
        for name in sorted(names)[:_MOST_NAMES]:
            yield shown if len(shown := f"    {one_line(name)}") <= width else f"{shown[: width - 1]}…"
        if len(names) > _MOST_NAMES:
            yield f"    … and {len(names) - _MOST_NAMES:,} more"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    text: str
    encoding: str


def _source(path: Path) -> _Source:
    raw = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    return _Source(text=raw.decode(encoding), encoding=encoding)


def _read(root: Path, files: Mapping[str, object], left: dict[str, str]) -> dict[str, _Source]:
    sources = {}
    for path in files:
        try:
            sources[path] = _source(root / path)
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            left[path] = f"cannot be read: {error}"
    return sources


def _adopt(sources: Mapping[str, _Source], figures: dict[str, dict[Names, list[Case]]]) -> dict[str, set[str]]:
    """Give tests that are inherited from a class of another file to that file, and name such classes by file.

    A class is known by its last name only: of two that share it, both are held to what either's tests sent.
    """
    import libcst as cst

    from pytest_querybudget.markers.syntax import outline

    outlines: dict[str, Outline] = {}
    for path, source in sources.items():
        try:
            outlines[path] = outline(cst.parse_module(source.text))
        except cst.ParserSyntaxError:
            continue
    inherited: dict[str, set[str]] = {}
    for path, found in outlines.items():
        bases = {base for names in found.classes for base in found.foreign_bases(names)}
        for other, there in outlines.items():
            if other != path:
                inherited.setdefault(other, set()).update(bases & {names[-1] for names in there.classes if names})
        for names in [each for each in figures[path] if found.definition(each) is None]:
            _hand_over(figures[path][names], names, found.foreign_bases(names[:-1]), outlines, figures, path)
    return inherited


def _hand_over(
    cases: Sequence[Case],
    names: Names,
    bases: set[str],
    outlines: Mapping[str, Outline],
    figures: dict[str, dict[Names, list[Case]]],
    path: str,
) -> None:
    for other, there in outlines.items():
        for group in there.classes if other != path else ():
            target = there.definition((*group, names[-1])) if group and group[-1] in bases else None
            if target:
                figures[other].setdefault(target, []).extend(cases)
