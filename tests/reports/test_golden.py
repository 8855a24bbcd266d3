"""Each format writes the sample as its golden file has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pytest_querybudget.reports import github, junit, registry
from pytest_querybudget.reports.document import Report, total
from pytest_querybudget.reports.html.data import pack
from tests.reports.golden import check
from tests.reports.sample import report


def short_report() -> Report:
    """The sample without its statement of a megabyte, so that the golden files can be read."""
    tests = tuple(
        replace(test, statements=tuple(each for each in test.statements if len(each.sql) < 10_000))
        for test in report().tests
    )
    return replace(report(), tests=tests, totals=total(tests))


@pytest.mark.parametrize("name", ["json", "markdown", "sarif", "gitlab"])
def test_text_formats(name: str) -> None:
    """What is text is compared as a whole."""
    suffix = {"markdown": "md"}.get(name, "json")
    text = "".join(map(str, registry.find(name, rootdir=Path("/nowhere")).render(short_report())))
    check(f"report.{name}.{suffix}", text)


def test_html_data() -> None:
    """Of the page, the packed data are compared; the browser tests look at the rest."""
    lines = [f"{key}: {value!r}" for key, value in pack(short_report()).items()]
    check("report.html.txt", "\n".join(lines) + "\n")


def test_github_annotations() -> None:
    """One command a line."""
    check("report.github.txt", "\n".join(github.annotate(short_report(), PurePosixPath())) + "\n")


def test_junit_properties() -> None:
    """Names and values a test."""
    properties = ((number, *each) for number, test in enumerate(report().tests) for each in junit.properties(test))
    lines = [f"{number}  {name} = {value}" for number, name, value in properties]
    check("report.junit.txt", "\n".join(lines) + "\n")
