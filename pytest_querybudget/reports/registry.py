"""The report formats by name: those that are built in, imported when they are asked for, and those of other plugins.

This module is imported at every start: it imports nothing that the formats need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from pytest_querybudget.reports.format import Format, ReportError


def _json(_rootdir: Path) -> Format:
    from pytest_querybudget.reports.json import JsonFormat

    return JsonFormat()


def _html(_rootdir: Path) -> Format:
    from pytest_querybudget.reports.html import HtmlFormat

    return HtmlFormat()


def _markdown(_rootdir: Path) -> Format:
    from pytest_querybudget.reports.markdown import MarkdownFormat

    return MarkdownFormat()


def _sarif(rootdir: Path) -> Format:
    from pytest_querybudget.reports import repository
    from pytest_querybudget.reports.sarif import SarifFormat

    return SarifFormat(repository.prefix(rootdir))


def _gitlab(rootdir: Path) -> Format:
    from pytest_querybudget.reports import repository
    from pytest_querybudget.reports.gitlab import GitlabFormat

    return GitlabFormat(repository.prefix(rootdir))


def _coverage(rootdir: Path) -> Format:
    from pytest_querybudget.reports.coverage import CoverageFormat

    return CoverageFormat(rootdir)


BUILT_IN: Mapping[str, Callable[[Path], Format]] = MappingProxyType(
    {"json": _json, "html": _html, "markdown": _markdown, "sarif": _sarif, "gitlab": _gitlab, "coverage": _coverage}
)


def names(others: Iterable[Format] = ()) -> tuple[str, ...]:
    """The formats that can be asked for, built-in ones first."""
    return tuple(dict.fromkeys([*BUILT_IN, *(each.name for each in others)]))


def find(name: str, *, rootdir: Path, others: Iterable[Format] = ()) -> Format:
    """The format of that name; one of `others` goes before a built-in one, so that a plugin can replace it.

    `rootdir` is what the paths in a report are relative to. Raises `ReportError` for an unknown name.
    """
    others = tuple(others)
    for each in others:
        if each.name == name:
            return each
    if name not in BUILT_IN:
        raise ReportError(f"unknown report format {name!r}; there are {', '.join(names(others))}")
    return BUILT_IN[name](rootdir)
