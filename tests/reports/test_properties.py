"""Whatever text stands in a report, every format holds together."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_querybudget.reports import github, junit
from pytest_querybudget.reports.document import Location, Problem, Report, total
from pytest_querybudget.reports.gitlab import GitlabFormat
from pytest_querybudget.reports.html import HtmlFormat
from pytest_querybudget.reports.json import dumps, loads
from pytest_querybudget.reports.markdown import MarkdownFormat
from pytest_querybudget.reports.sarif import SarifFormat
from pytest_querybudget.reports.text import one_line, well_formed
from tests.reports.sample import LAZY, statement
from tests.reports.sample import report as sample

# Any code point, lone surrogates too, with a taste for those that formats care for.
TEXT = st.text(
    st.one_of(st.sampled_from("`|\\<>&\"':#@[]()\n\r\x1b\u2028%,* _~$"), st.characters(exclude_categories=()))
)


def filled(text: str) -> Report:
    """Make a report with this text wherever there is text."""
    place = Location(path=text, line=1, function=text)
    finding = replace(
        LAZY, message=text, sql=text, tables=(text,), relationship=text, location=place, origin=place, fix=text
    )
    entry = statement(text, text, tables=(text,), location=place, chain=(place,), window=text, plan=text)
    test = replace(sample().tests[0], nodeid=text, statements=(entry,), findings=(finding,), routes={text: 1})
    return Report(mode=text, tests=(test,), totals=total([test]), problems=(Problem(slug=text, text=text),))


@given(TEXT)
@settings(max_examples=200, deadline=None, database=None)
def test_json_round_trip(text: str) -> None:
    """What is read is what was written, but for lone surrogates."""
    assert loads(dumps(filled(text))) == loads(dumps(filled(well_formed(text))))
    assert loads(dumps(filled(well_formed(text)))) == filled(well_formed(text))


@given(TEXT)
@settings(max_examples=200, deadline=None, database=None)
def test_every_format_can_be_encoded_and_parsed(text: str) -> None:
    """JSON formats parse, the page keeps its elements, tables keep their cells, annotations stay one line each."""
    report = filled(text)
    here = PurePosixPath()
    assert len(json.loads("".join(SarifFormat(here).render(report)))["runs"][0]["results"]) == 1
    assert len(json.loads("".join(GitlabFormat(here).render(report)))) == 1
    page = "".join(HtmlFormat().render(report))
    page.encode()
    assert len(re.findall(r"</script", page)) == 2
    (command,) = github.annotate(report, here)
    command.encode()
    assert len(command.splitlines()) == 1
    for _, value in junit.properties(report.tests[0]):
        value.encode()


@given(TEXT)
@settings(max_examples=200, deadline=None, database=None)
def test_markdown_keeps_its_structure(text: str) -> None:
    """A Markdown library finds the same blocks whatever the text is."""
    library = pytest.importorskip("markdown_it")
    assume(one_line(text))

    def blocks(said: str) -> list[str]:
        parsed = library.MarkdownIt("gfm-like", {"linkify": False}).parse(
            "".join(MarkdownFormat().render(filled(said)))
        )
        return [token.type for token in parsed]

    assert blocks(text) == blocks("x")
