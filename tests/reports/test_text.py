"""Words, figures and hostile characters."""

from __future__ import annotations

import pytest

from pytest_querybudget.findings.words import duration, durations
from pytest_querybudget.recording.places import Place
from pytest_querybudget.reports.failure import finding_lines
from pytest_querybudget.reports.text import abridged, one_line, plural, pretty, printable, shorten, visible, well_formed
from pytest_querybudget.rules.no_n_plus_one import Lookups


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, "query"), "1 query"),
        ((0, "query"), "0 queries"),
        ((1200, "test"), "1,200 tests"),
        ((2, "day"), "2 days"),
        ((2, "index", "indexes"), "2 indexes"),
    ],
)
def test_plural(arguments: tuple[int, str], said: str) -> None:
    """One thing is one, others are many."""
    assert plural(*arguments) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 µs"), (0.00034, "340 µs"), (0.0009996, "1.0 ms"), (0.0125, "12.5 ms"), (0.09996, "100 ms"),
        (0.34, "340 ms"), (0.9996, "1.00 s"), (3.2, "3.20 s"), (600, "600.00 s"),
    ],
)  # fmt: skip
def test_duration(seconds: float, said: str) -> None:
    """The unit is the one in which the figure is short."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\x07 nul\x00 c1\x9b", "bell\\x07 nul\\x00 c1\\x9b"),
        ("\u202eabc\u2066 \u2028", "\\u202eabc\\u2066 \\u2028"),
        ("a\r\nb\rc\td", "a\nb\\x0dc\td"),
        ("\ud800 \udfff \ud83d\udc0d", "\ufffd \ufffd \U0001f40d"),
        ("naïve ✓ 漢字 \U0001f40d", "naïve ✓ 漢字 \U0001f40d"),
    ],
)
def test_visible(text: str, said: str) -> None:
    """What would act is shown; what is only foreign stays."""
    assert visible(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("::error::x", "\\x3a:error::x"),
        ("a\n  ::error::x", "a\n  \\x3a:error::x"),
        ("##[error]x a##[group]", "\\x23#[error]x a\\x23#[group]"),
        ("SELECT a::text, tests/a.py::test", "SELECT a::text, tests/a.py::test"),
    ],
)
def test_printable_is_no_command(text: str, said: str) -> None:
    """A CI runner that reads along finds nothing to obey; a cast within a line stays."""
    assert printable(text) == said


def test_one_line() -> None:
    """All white space becomes one space."""
    assert one_line("  SELECT a\n  FROM b\u2028\t") == "SELECT a FROM b"


def test_shorten_says_what_is_missing() -> None:
    """A text is cut visibly, or not at all."""
    assert shorten("abc", 3) == "abc"
    assert shorten("x" * 1_000_000, 10) == f"{'x' * 10} … [999,990 more characters]"


def test_well_formed_leaves_good_text_alone() -> None:
    """The same object comes back."""
    text = "SELECT 1"
    assert well_formed(text) is text


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        (
            "SELECT a.id, a.name FROM a JOIN b ON b.a_id = a.id WHERE a.x = ? AND b.y IN (?, ?) ORDER BY a.id",
            ["SELECT a.id, a.name", "FROM a", "JOIN b ON b.a_id = a.id"],
        ),
        ("INSERT INTO a (x) VALUES (?)", ["INSERT INTO a (x)", "VALUES (?)"]),
        ("SELECT '\x1b[31m'", ["SELECT '\\x1b[31m'"]),
        ("", [""]),
    ],
)
def test_pretty_lays_a_statement_out(sql: str, lines: list[str]) -> None:
    """One clause a line, and nothing that acts on a terminal."""
    assert pretty(sql).split("\n")[: len(lines)] == lines


@pytest.mark.parametrize("sql", ["(" * 2_000 + ")" * 2_000, "SELECT " + "x, " * 50_000 + "y"], ids=["deep", "long"])
def test_pretty_gives_up_where_it_would_cost(sql: str) -> None:
    """What is too deep or too long stays on one line."""
    assert "\n" not in pretty(sql)
    assert len(pretty(sql)) < 10_100


WIDE = "SELECT customer.id, coalesce(a, b) AS c, customer.secret FROM customer WHERE customer.id = ?"


@pytest.mark.parametrize(
    ("sql", "room", "said"),
    [
        (WIDE, 200, WIDE),
        (WIDE, 80, "SELECT customer.id, coalesce(a, b) AS c, ... FROM customer WHERE customer.id = ?"),
        (WIDE, 79, "SELECT customer.id, ... FROM customer WHERE customer.id = ?"),
        (WIDE, 40, "SELECT customer.id, ... FROM customer..."),
        ("SELECT (SELECT a FROM b) AS x, y FROM t WHERE z = ?", 45, "SELECT (SELECT a FROM b) AS x, ... FROM t ..."),
        ('SELECT "a FROM b, c", d FROM t', 28, 'SELECT "a FROM b, c", ... FROM t'[:25] + "..."),
        ("UPDATE customer SET name = ?, secret = ? WHERE id = ?", 40, "UPDATE customer SET name = ?, secret ..."),
        ("SELECT 1, 2, 3, 4, 5", 12, "SELECT 1,..."),
        ("SELECT 'never closed, FROM", 20, "SELECT 'never clo..."),
        ("SELECT a FROM t WHERE b = ?", 20, "SELECT a FROM t W..."),
    ],
)
def test_abridged(sql: str, room: int, said: str) -> None:
    """The columns go first: the table and the condition say more."""
    assert abridged(sql, room) == said
    assert len(said) <= max(room, len(sql) if said == sql else 0)


def test_abridging_a_huge_statement_costs_little() -> None:
    """Only its beginning is looked at."""
    assert abridged("SELECT " + "a, " * 1_000_000 + "b FROM t", 60).startswith("SELECT a, a, a")


@pytest.mark.parametrize(
    ("limit", "actual", "said"),
    [(0.2, 0.35, ("200 ms", "350 ms")), (0.2, 0.2001, ("200 ms", "200.1 ms")), (0, 1e-8, ("0 ms", "1e-05 ms"))],
)
def test_durations(limit: float, actual: float, said: tuple[str, str]) -> None:
    """A limit and what exceeds it never read the same."""
    assert durations(limit, actual) == said


def test_a_caller_is_named_once() -> None:
    """The callers below a message are those that the message does not name."""
    chain = tuple(Place("shop.py", line, name) for line, name in ((3, "find"), (8, "names"), (20, "report")))
    finding = Lookups(
        sql="", tables=("orders",), count=3, location=chain[0], chain=chain, keys=("orders.id",), loop=chain[1]
    )
    assert list(finding_lines(finding))[:4] == [
        "no_n_plus_one: the same query ran 3 times, each time for another orders.id,",
        "    called in a loop at shop.py:8 in names",
        "  at     shop.py:3 in find",
        "  called by shop.py:20 in report",
    ]
