"""The HTML page in a browser: search, sort, filter, open, keyboard, colours, widths, size; and no script error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pytest_querybudget.reports.document import Location, Report, TestEntry, total
from pytest_querybudget.reports.html import HtmlFormat
from pytest_querybudget.reports.writer import write
from tests.reports import browser
from tests.reports.sample import LAZY, report

LISTING = "tests/test_orders.py::test_list_orders"
# Types words into the search and says how many milliseconds that took.
TYPE = """((words, start) => {
    const search = document.getElementById("search");
    search.value = words;
    search.dispatchEvent(new Event("input"));
    return performance.now() - start;
})(arguments[0], performance.now())"""
KEYS = {"Escape": "\ue00c", "Enter": "\ue007", "Down": "\ue015", "Up": "\ue013", "Right": "\ue014", "Left": "\ue012"}


class Reader:
    """A person in front of the page."""

    def __init__(self, driver: Any, page: Path) -> None:
        self.driver = driver
        self.page = page

    def go(self, target: str = "", width: int = 1600, scheme: str = "light") -> Reader:
        """Open the page afresh at an address."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get("about:blank")
        self.driver.get(f"{self.page.as_uri()}{target}")
        return self

    def js(self, script: str, *arguments: object) -> Any:
        """What a line of script returns."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def all(self, selector: str) -> list[str]:
        """The texts of all elements."""
        found: list[str] = self.js(
            "[...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", selector
        )
        return found

    def one(self, selector: str) -> Any:
        """The only element, or the first."""
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """Click on all elements, one after the other."""
        for element in self.driver.find_elements("css selector", selector):
            element.click()
            self.settle()

    def settle(self) -> None:
        """Wait until the page has answered: it hears of a new address, or an opened line, a moment later."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))), 30)"
        )

    def keys(self, *names: str) -> None:
        """Type on whatever has the focus."""
        for name in names:
            self.driver.switch_to.active_element.send_keys(KEYS.get(name, name))
            self.settle()

    def rows(self) -> list[str]:
        """The keys of the rows in sight."""
        found: list[str] = self.js(
            "[...document.querySelectorAll('.list tbody tr[data-key]')].map((row) => row.dataset.key)"
        )
        return found

    def opened(self) -> str | None:
        """The name of what is open beside the list."""
        name: str | None = self.js(
            "(({ hidden, ariaLabel }) => (hidden ? null : ariaLabel))(document.querySelector('.details'))"
        )
        return name


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests."""
    found = browser.start(tmp_path_factory.mktemp("profile"))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, written once."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write(report(), HtmlFormat(), path)
    return path


@pytest.fixture
def reader(driver: Any, page: Path) -> Iterator[Reader]:
    """A reader who notices every message in the console, and whether the hostile sample did anything."""
    found = Reader(driver, page)
    yield found
    assert driver.get_log("browser") == []
    assert driver.title == "Queries of the test suite"


def test_findings_come_first(reader: Reader) -> None:
    """The page opens with what was found, worst first."""
    assert reader.go().rows() == [
        "5d1f0c8a2b3e4f60", "bad0bad0bad0bad0", "0a3bb4c55d667788", "c0ffee0000000001", "77aa0c8a2b3e4f11",
    ]  # fmt: skip
    assert reader.all(".figure") == ["5", "416", "487 ms", "7"]


def test_search_narrows_the_list(reader: Reader) -> None:
    """By every word, in any column; Escape clears it."""
    reader.go("#view=statements")
    everything = reader.rows()
    reader.keys("/")
    reader.keys("customer importing nothing")
    assert reader.all(".none") == ["No statement matches."]
    reader.keys("Escape")
    assert reader.rows() == everything
    reader.keys("order by LIMIT")
    assert reader.all(".status") == ["1 of 14 statements"]


def test_search_can_be_linked(reader: Reader) -> None:
    """The address may hold the words."""
    assert reader.go("#view=tests&q=importing").rows() == ["tests/test_importing.py::TestImporter::test_save_all"]


def test_sort_by_a_column(reader: Reader) -> None:
    """A click sorts numbers downwards, another one upwards, and assistive technology is told."""
    reader.go("#view=tests")
    reader.click("[data-sort=time]")
    assert reader.rows()[0] == "tests/test_reporting.py::test_busiest_customers"
    assert reader.js("document.querySelector('[aria-sort]').ariaSort") == "descending"
    reader.click("[data-sort=time]")
    assert reader.rows()[-1] == "tests/test_reporting.py::test_busiest_customers"
    reader.click("[data-sort=queries]")
    assert reader.rows()[0] == "tests/test_importing.py::TestImporter::test_save_all"


@pytest.mark.parametrize(
    ("view", "select", "value", "number"),
    [
        ("findings", "rule", "no_full_scans", 1),
        ("findings", "level", "error", 2),
        ("findings", "level", "note", 1),
        ("tests", "outcome", "passed", 3),
        ("tests", "state", "failing", 2),
        ("tests", "state", "over", 2),
        ("tests", "state", "quiet", 2),
        ("statements", "kind", "insert", 2),
        ("statements", "table", "orders", 3),
        ("tables", "touch", "never", 1),
    ],
)
def test_filters(view: str, select: str, value: str, number: int, reader: Reader) -> None:
    """Each filter leaves what it says."""
    reader.go(f"#view={view}")
    reader.click(f"#filter-{view}-{select} option[value='{value}']")
    assert len(reader.rows()) == number


def test_open_a_finding_by_mouse(reader: Reader) -> None:
    """With place, cure, proof, statement and tests; the address can be passed on."""
    reader.go()
    reader.click("tr[data-key='5d1f0c8a2b3e4f60']")
    assert reader.opened() == "Finding no_n_plus_one"
    text = reader.one(".details").text
    for said in (
        "app/orders.py:10",
        "app/orders.py:8",
        "joinedload(Order.customer)",
        "Proven",
        "52 queries",
        "2 tests",
    ):
        assert said in text
    assert reader.driver.current_url.endswith("#finding=5d1f0c8a2b3e4f60")
    reader.driver.back()
    reader.settle()
    assert reader.opened() is None


def test_link_opens_a_test(reader: Reader) -> None:
    """With budgets, findings and a timeline in which a loop is one bar."""
    reader.go(f"#test={quote(LISTING)}")
    assert reader.opened() == f"Test {LISTING}"
    assert reader.all(".budget .amount") == ["54 of 2", "50 of 100"]
    assert reader.all(".lines .times") == ["×50", "×3", "", "×50"]
    assert reader.all(".phase b") == ["setup", "call"]
    assert reader.js("document.querySelector('tr[aria-current]').dataset.key") == LISTING


def test_timeline_opens_to_the_statement(reader: Reader) -> None:
    """With its text, figures and plan."""
    reader.go(f"#test={quote(LISTING)}")
    reader.click(".phase-call li:nth-of-type(2) summary")
    body = reader.one(".lines details[open] .body").text
    assert "ORDER BY orders.placed_at" in body
    assert "GET /orders" in body
    assert "Scan orders" in body


def test_hostile_test_opens(reader: Reader) -> None:
    """Markup in its name and its statements is shown as text."""
    reader.go("#view=tests")
    reader.click("tr[data-key^='tests/test_hostile']")
    assert "test_markup[</script>-|`a`-\ufffd-" in reader.js("document.querySelector('.title h2').textContent")
    reader.click(".lines summary")
    assert len(reader.all(".lines .body")) == 7
    assert any("more characters]" in text for text in reader.all(".lines .body pre"))
    assert any("\\x1b[2J" in text for text in reader.all(".lines .body pre"))


@pytest.mark.parametrize(
    "target",
    ["#finding=nothing", "#test=nothing", "#statement=99999", "#statement=x", "#test=%E0%A4%A", "#view=nothing", "#x",
     "#&="],
)  # fmt: skip
def test_unknown_address_is_no_error(target: str, reader: Reader) -> None:
    """The page says so, and works."""
    reader.go(target)
    assert reader.rows()
    assert reader.opened() in (None, "Not found")


def test_whole_tour_by_keyboard(reader: Reader) -> None:
    """Arrow keys, Enter, Escape and digits; the focus comes back to the row."""
    reader.go("#view=tests")
    reader.keys("j")
    reader.keys("Down")
    reader.keys("Down", "Up")
    assert reader.js("document.activeElement.dataset.index") == "1"
    wanted = reader.rows()[1]
    reader.keys("Enter")
    assert reader.opened() == f"Test {wanted}"
    reader.keys("Escape")
    assert reader.opened() is None
    assert reader.js("document.activeElement.dataset.key") == wanted
    reader.keys("3")
    assert reader.all("[aria-selected=true]") == ["Statements14"]
    reader.keys("?")
    assert reader.js("document.querySelector('dialog').open")
    reader.keys("Escape")
    assert not reader.js("document.querySelector('dialog').open")


def test_tabs_by_keyboard(reader: Reader) -> None:
    """Left and right move between the lists."""
    reader.go("#view=findings")
    reader.js("document.querySelector('#tab-findings').focus()")
    reader.keys("Right")
    assert reader.all("[aria-selected=true]") == ["Tests7"]
    reader.keys("Left", "Left")
    assert reader.all("[aria-selected=true]") == ["Problems2"]


def test_focus_can_be_seen(reader: Reader) -> None:
    """A row that has the focus is outlined."""
    reader.go()
    reader.keys("j")
    assert reader.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_table_leads_to_its_statements(reader: Reader) -> None:
    """With the filter set."""
    reader.go("#view=tables")
    reader.click("tr[data-key=customer]")
    assert reader.all("[aria-selected=true]") == ["Statements14"]
    assert len(reader.rows()) == 2


def test_routes_lead_to_the_worst_test(reader: Reader) -> None:
    """The one that sent most."""
    reader.go("#view=routes")
    assert reader.rows() == ["GET /orders", "GET /settings/{name}"]
    reader.click("tr[data-key='GET /orders']")
    assert reader.opened() == f"Test {LISTING}"


def luminance(reader: Reader) -> float:
    """How bright the ground of the page is, from 0 to 255."""
    colour: str = reader.js("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3


def test_dark_and_light(reader: Reader) -> None:
    """As the system asks, or as the reader does; the choice lasts."""
    assert luminance(reader.go(scheme="dark")) < 60
    assert luminance(reader.go(scheme="light")) > 200
    reader.click("#theme")
    assert luminance(reader) < 60
    assert luminance(reader.go(scheme="light")) < 60
    reader.keys("t")
    assert luminance(reader) > 200
    reader.js("localStorage.clear()")


@pytest.mark.parametrize("width", [320, 400, 800, 1600])
@pytest.mark.parametrize(
    "target",
    ["#view=findings", "#view=tests", "#view=statements", "#view=tables", "#view=routes", "#view=problems",
     "#finding=bad0bad0bad0bad0", "#finding=c0ffee0000000001", f"#test={quote(LISTING)}", "#statement=2",
     "#statement=12"],
)  # fmt: skip
def test_layout_holds(target: str, width: int, reader: Reader) -> None:
    """Nothing is wider than the window, and no cell is cut off."""
    reader.go(target, width=width)
    assert reader.js("document.documentElement.scrollWidth") <= width
    wide = reader.js(
        "[...document.querySelectorAll('main *, .details *, .totals *')]"
        ".filter((each) => !each.closest('.plan, pre, .short, .hidden'))"
        ".filter((each) => each.getBoundingClientRect().right > innerWidth + 1)"
        ".map((each) => each.className || each.tagName)"
    )
    assert wide == []


LONG_CURE = (
    "Add .options(selectinload(Order.items).selectinload(OrderItem.product).joinedload(Product.manufacturer_of_the_part),"
    " selectinload(Order.customer).load_only(Customer.id, Customer.name)) to the query at src/shop/services/reports.py:118"
)
LONG_PLACE = Location(
    path="src/shop/services/reports/monthly.py", line=118, function="MonthlyReport.customers_by_turnover"
)
# The last letter of each line of an element, and the first one of the next.
BREAKS = """((element) => {
    const breaks = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), range = document.createRange();
    let before = null, top = null;
    while (walker.nextNode())
        for (let at = 0; at < walker.currentNode.length; at++) {
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + 1);
            const box = range.getBoundingClientRect(), sign = range.toString();
            if (sign === " ") before = sign;
            if (!box.width) continue;
            if (top !== null && box.top > top + 5) breaks.push(before + sign);
            [before, top] = [sign, box.top];
        }
    return breaks;
})(document.querySelector(arguments[0]))"""


@pytest.mark.parametrize("width", [400, 1600])
def test_a_long_cure_breaks_between_its_steps(width: int, driver: Any, tmp_path: Path) -> None:
    """Not within a word, and it is copied as it is."""
    found = replace(LAZY, fix=LONG_CURE, location=LONG_PLACE)
    tests = (TestEntry(nodeid="tests/test_it.py::test_it", outcome="passed", findings=(found,)),)
    path = tmp_path / "report.html"
    write(Report(mode="report", tests=tests, totals=total(tests)), HtmlFormat(), path)
    reader = Reader(driver, path).go(f"#finding={found.identity}", width=width)
    assert reader.all(".code pre")[0] == LONG_CURE
    for element in (".code pre", ".details .place", ".list .place"):
        breaks = reader.js(BREAKS, element)
        assert [each for each in breaks if not set(each) & set(" ./_(,")] == [], element
        assert breaks or width > 400, element


def test_every_control_has_a_name(reader: Reader) -> None:
    """For those who do not see the page."""
    reader.go(f"#test={quote(LISTING)}")
    unnamed = reader.js(
        "[...document.querySelectorAll('button, select, input, summary')].filter((each) =>"
        " !(each.ariaLabel || each.textContent.trim())).map((each) => each.outerHTML)"
    )
    assert unnamed == []


def test_empty_report(driver: Any, tmp_path: Path) -> None:
    """A run without tests is a page too."""
    write(Report(mode="report"), HtmlFormat(), tmp_path / "x.html")
    reader = Reader(driver, tmp_path / "x.html").go()
    assert reader.all(".none") == ["No test was recorded."]
    assert reader.all("[role=tab]") == ["Findings0", "Tests0", "Statements0", "Tables0"]
    assert driver.get_log("browser") == []


@pytest.fixture(scope="module")
def large(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A suite of 5,000 tests with 20 statements each."""
    first = report().tests[0]
    statements = tuple(
        replace(each, sql=f"{each.sql} /* {index} */") for index, each in enumerate(first.statements * 5)
    )
    tests = tuple(
        replace(
            first, nodeid=f"tests/part_{number % 40}/test_{number % 400}.py::test_{number}", statements=statements,
            findings=(replace(LAZY, identity=f"{number % 300:016x}"),) if number % 5 == 0 else (),
        )
        for number in range(5_000)
    )  # fmt: skip
    path = tmp_path_factory.mktemp("large") / "report.html"
    write(Report(mode="report", tests=tests, totals=total(tests)), HtmlFormat(), path)
    return Reader(driver, path)


def test_5000_tests_are_searched_and_paged(large: Reader) -> None:
    """Only a page of rows is in the document, and a search takes a moment."""
    large.go("#view=tests")
    assert len(large.rows()) == 100
    assert large.all(".pager span") == ["1–100 of 5,000"]
    large.keys("j")
    large.keys("Right")
    assert large.all(".pager span") == ["101–200 of 5,000"]
    spent = large.js(TYPE, "part_7 test_4987")
    assert spent < 1_000
    assert large.rows() == []
    large.js(TYPE, "part_27 test_4987")
    assert large.rows() == ["tests/part_27/test_187.py::test_4987"]
    assert large.driver.get_log("browser") == []
