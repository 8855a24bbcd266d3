"""The HTML page as a file: self-contained, and nothing in it can break out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.html import HtmlFormat
from pytest_querybudget.reports.html.data import pack
from tests.reports.sample import HOSTILE_SQL, report


class Page(HTMLParser):
    """The elements of a page, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))
        self._inside = tag in {"script", "style"}
        if self._inside:
            self.raw.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._inside = False

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self._inside:
            self.raw[-1] += data


def page(of: Report) -> str:
    """Render a report."""
    return "".join(HtmlFormat().render(of))


def test_hostile_text_adds_no_element() -> None:
    """The page of the hostile sample has the same elements as that of an empty report."""
    assert [tag for tag, _ in Page(page(report())).tags] == [tag for tag, _ in Page(page(Report(mode="x"))).tags]


def test_page_needs_no_network() -> None:
    """No element names another file, and the policy forbids to load one."""
    text = page(report())
    for _, attributes in Page(text).tags:
        assert "src" not in attributes
        assert str(attributes.get("href", "data:,")).startswith("data:")
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_policy_lets_only_the_own_script_and_style_run() -> None:
    """Their digests stand in the policy."""
    found = Page(page(report()))
    policy = next(each["content"] for tag, each in found.tags if each.get("http-equiv"))
    style, _data, script = found.raw
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in str(policy)


def test_data_survive_the_page() -> None:
    """What the script element holds is the JSON that was packed."""
    assert json.loads(Page(page(report())).raw[1]) == json.loads(json.dumps(pack(report())))


def test_data_hold_nothing_that_acts() -> None:
    """No markup, no line separators, no control or reordering characters."""
    data = Page(page(report())).raw[1]
    assert not re.search("[<\u2028\u2029\u202a-\u202e\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", data)


def test_scripts_never_build_markup_from_text() -> None:
    """There is no innerHTML, eval or document.write in them."""
    script = Page(page(Report(mode="x"))).raw[2]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script)


def test_statement_of_a_megabyte_is_cut_visibly() -> None:
    """The page stays small, and says what is missing."""
    packed: dict[str, Any] = pack(report())
    long = next(text for text in packed["texts"] if text.endswith("more characters]"))
    assert len(long) < 21_000
    assert len(HOSTILE_SQL[-1]) > 1_000_000
    assert len(page(report())) < 250_000


def test_each_text_is_packed_once() -> None:
    """A suite that sends the same statement from 5,000 tests holds it once."""
    packed = pack(report())
    assert len(packed["texts"]) == len(set(packed["texts"]))
    assert len(packed["shapes"]) == 14
