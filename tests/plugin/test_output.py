"""What a person reads: the failure text and the summary, and what must never stand in them."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
from pathlib import Path

import pytest
import sqlalchemy

from .suites import Suite

pytest_plugins = ["pytester"]
GOLDEN = Path(__file__).parent.parent / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare with a golden file, or write it when QUERYBUDGET_UPDATE_GOLDEN is set; times and sizes are masked."""
    masked = re.sub(r" *\b\d+(\.\d+)?(,\d+)* (µs|ms|s|kB)\b", " TIME", text)
    masked = "\n".join(each.rstrip() for each in masked.splitlines()) + "\n"
    path = GOLDEN / name
    if os.environ.get("QUERYBUDGET_UPDATE_GOLDEN"):
        path.write_text(masked, "utf-8")
    assert masked == path.read_text("utf-8"), f"{name} differs; if that is meant, set QUERYBUDGET_UPDATE_GOLDEN=1"


SHOWN = """
from orders import list_orders, report

@pytest.mark.max_queries(1)
def test_ceiling():
    list_orders()
@pytest.mark.max_queries(20)
@pytest.mark.no_n_plus_one
def test_loop():
    list_orders()
@pytest.mark.query_budget(max_columns=1, max_rows=2, read_only=True, forbid_columns=["*.secret"])
def test_several():
    report()
@pytest.mark.max_queries(9)
def test_slack():
    ask(1)
@pytest.mark.allow_queries("no_write_loops")
def test_stale():
    ask(1)
"""
ORDERS = """
from shop import *

def name_of(order):
    return order.customer.name

def list_orders():
    with Session(engine) as session:
        orders = session.scalars(select(Order).order_by(Order.id))
        return [name_of(order) for order in orders]

def report():
    with Session(engine) as session:
        for _ in range(2):
            session.scalars(select(Customer)).all()
        session.execute(update(Customer).where(Customer.id == 77).values(name="nobody"))
"""


@pytest.mark.parametrize("arguments", [(), ("-q",)], ids=["normal", "quiet"])
def test_failures_and_summary_at_80_columns(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """The whole output, as it is read in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    suite.write("orders.py", ORDERS)
    done = suite.run(SHOWN, "--color=no", "--querybudget-top=3", *arguments)
    told = done.text[done.text.index("test_ceiling ____") :]
    assert [each for each in told.splitlines() if len(each) > 80] == []
    if sqlalchemy.__version__.startswith("2.0"):
        # Its lazy loads name their columns in other words; the golden files are those of 2.1.
        assert "What was sent: 6 queries in 2 places" in told
        return
    check_golden(
        f"terminal.{'quiet' if arguments else 'normal'}.txt", told.partition("short test summary")[0].lstrip("=\n")
    )


def test_with_qq_nothing_is_said_but_what_is_wrong(suite: Suite) -> None:
    """As pytest leaves out its own last line then."""
    told = suite.run("def test_it():\n    ask(1)\n", "-qq").text
    assert "query budget" not in told
    assert "report.json" not in told
    told = suite.run("@pytest.mark.allow_queries('no_write_loops')\ndef test_it():\n    ask(1)\n", "-qq").text
    assert "silences nothing" in told
    assert "1 query" not in told


LIMITS = """
from orders import list_orders, report

@pytest.mark.max_queries(1)
def test_marker():
    list_orders()
def test_block(query_budget):
    with query_budget(max_queries=1):
        list_orders()
@pytest.mark.max_queries(3, select=1)
def test_kinds():
    list_orders()
"""


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(("--tb=line",), "/test_it.py:"), (("--tb=no", "-vv"), "FAILED test_it.py::")],
    ids=["line", "no"],
)
def test_short_listings_say_the_limit_and_the_line_of_the_test(
    suite: Suite, arguments: tuple[str, ...], place: str
) -> None:
    """One line for each broken budget, and none of this plugin's files; the figures fit where 80 columns cut."""
    suite.write("orders.py", ORDERS)
    done = suite.run(LIMITS, *arguments)
    assert done.counts == {"failed": 3}
    said = [each for each in done.text.splitlines() if place in each and "expected" in each]
    assert [each.partition("max_queries: ")[2] for each in said] == [
        "expected at most 1 query, got 6",
        "expected at most 1 query, got 6",
        "expected at most 3 queries, got 6 (and 1 more)",
    ]
    assert "What was sent" not in done.text
    assert "pytest_querybudget/" not in done.text
    if "--tb=line" in arguments:
        assert [int(each.partition(place)[2].partition(":")[0]) for each in said] == [6, 10, 12]


def test_a_limit_by_kind_shows_what_it_counts(suite: Suite) -> None:
    """Neither statements of other kinds, nor loops of them, explain it; a time lists the slowest first."""
    suite.write("orders.py", ORDERS)
    done = suite.run(
        """
        from orders import list_orders, report
        @pytest.mark.max_queries(update=0)
        def test_update():
            report()
        @pytest.mark.max_queries(1)
        def test_part(subtests):
            with subtests.test("small"):
                ask(1)
            with subtests.test("large"):
                ask(2, "orders")
        @pytest.mark.max_db_time(0)
        def test_time():
            list_orders()
        """
    )
    told = done.text
    update = told[told.index("_ test_update _") : told.index("_ test_part _")]
    assert "What was sent: 1 query in 1 place\n    1 x UPDATE" in update
    assert "What explains it" not in update
    part = told[told.index("_ test_part _") : told.index("_ test_time _")]
    assert "What was sent: 2 queries in 2 places" in part and "in subtest large" in part
    assert "max_db_time: expected at most 0 µs in the database, got " in told


def test_the_totals_are_wrapped(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal, and no figure is parted from what it counts."""
    monkeypatch.setenv("COLUMNS", "60")
    done = suite.run(
        """
        @pytest.fixture
        def rows():
            names()
        def test_it(rows):
            with engine.begin() as connection:
                connection.execute(insert(Customer).values(name="x"))
                connection.execute(update(Customer).values(name="x"))
                connection.exec_driver_sql("PRAGMA user_version")
                connection.exec_driver_sql("DELETE FROM customer WHERE id > 5")
        """
    )
    told = done.text.partition("query budget =")[2].partition("tests that")[0].strip().splitlines()[1:]
    assert told[0].startswith("10 queries in 1 test (6 in fixtures), ")
    assert all(len(each) < 60 and each.strip(" ,")[-1].isalpha() for each in told)


def test_colours(suite: Suite) -> None:
    """`--color=no` prints no escape, `--color=yes` marks what fails; the words are the same."""
    suite.write("orders.py", ORDERS)
    plain = suite.run(SHOWN, "--color=no").text
    coloured = suite.run(SHOWN, "--color=yes").text
    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured.partition("query budget =")[2]
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert "What was sent: 6 queries in 2 places" in plain and "What was sent: 6 queries in 2 places" in stripped


def test_silent_without_a_database(suite: Suite) -> None:
    """A suite that sends nothing sees no summary, with a database library imported or not."""
    for source in ("def test_it():\n    pass\n", "import sqlalchemy\ndef test_it():\n    pass\n"):
        report = suite.path / "report.json"
        suite.write("test_it.py", source)
        arguments = [each for each in suite.arguments() if "report" not in each]
        result = suite.pytester.runpytest_inprocess(*arguments)
        assert "query budget" not in result.stdout.str()
        assert not report.exists()


def test_the_number_of_tests_in_the_summary(suite: Suite) -> None:
    """`--querybudget-top` says how many, the ini option too, and 0 is none."""
    source = "".join(f"def test_{each}():\n    ask({each})\n" for each in range(1, 8))
    for arguments, number in {
        (): 5,
        ("--querybudget-top=2",): 2,
        ("-o", "querybudget_top=7"): 7,
        ("--querybudget-top=0",): 0,
    }.items():
        done = suite.run(source, *arguments)
        assert len(re.findall(r"^ +\d+ +[\d.]+ .s +test_it", done.text, re.MULTILINE)) == number
        assert ("tests that send most" in done.text) == bool(number)


CANARIES = """
@pytest.mark.query_budget(max_queries=1, max_rows=0, read_only=True, no_repeated_queries=True)
def test_it():
    with engine.begin() as connection:
        for _ in range(2):
            connection.execute(text("SELECT * FROM customer WHERE name = 'CANARY1' OR name = :n"), {"n": "CANARY2"}).all()
        connection.execute(text("SELECT /* CANARY3 */ 99900042, id FROM customer -- CANARY4")).all()
        connection.execute(update(Customer).where(Customer.name == "CANARY5").values(name="CANARY6"))
        connection.exec_driver_sql('SELECT X\\'CA4A\\', "CANARY7x" FROM (SELECT 1 AS "CANARY7x")')
        connection.exec_driver_sql("INSERT INTO customer (name, secret) VALUES ('CANARY8', 'it''s CANARY9')")
        with pytest.raises(Exception):
            connection.exec_driver_sql("SELECT 'CANARY0")
"""


def test_values_never_leave_the_process(suite: Suite) -> None:
    """No parameter and no literal stands in the failure text, the summary, or a report."""
    done = suite.run(CANARIES, "--querybudget=strict", "-rA", "--tb=short")
    assert done.counts == {"failed": 1}
    told = done.text + json.dumps(done.report)
    found = set(re.findall(r"CANARY\d|99900042|CA4A", told))
    assert found <= {"CANARY7"}, "a quoted name is no value, everything else is"


def test_escapes_in_sql_act_on_nothing(suite: Suite) -> None:
    """Control characters and workflow commands of a statement are shown, and not obeyed."""
    done = suite.run(
        """
        @pytest.mark.max_queries(0)
        def test_it():
            with engine.connect() as connection:
                connection.exec_driver_sql('SELECT id AS "\\x1b[31mred\\x07\\u202e" FROM customer')
                connection.exec_driver_sql('SELECT id AS "\\n::error::x\\r" FROM customer')
        """,
        "--color=no",
    )
    assert done.counts == {"failed": 1}
    assert "\x1b" not in done.text and "\x07" not in done.text and "\u202e" not in done.text
    assert r"\x1b[31mred\x07\u202e" in done.text
    assert not re.search(r"^\s*::error", done.text, re.MULTILINE)


def test_the_json_report_is_valid(suite: Suite) -> None:
    """It validates against the schema in the package, and holds what the contract names."""
    jsonschema = pytest.importorskip("jsonschema")
    suite.write("orders.py", ORDERS)
    done = suite.run(SHOWN, "--querybudget=strict")
    schema = json.loads((importlib.resources.files("pytest_querybudget") / "report.schema.json").read_text("utf-8"))
    jsonschema.validate(done.report, schema)
    test = done.tests["test_ceiling"]
    assert test["budget"] == {"max_queries": {"limit": 1, "actual": 6, "declared": "marker"}}
    found = next(each for each in test["findings"] if each["rule"] == "no_n_plus_one")
    assert found["relationship"] == "Order.customer"
    assert (found["location"]["path"], found["location"]["function"]) == ("orders.py", "name_of")
    assert found["origin"]["function"] == "list_orders"
    assert found["count"] == 5
    assert "joinedload(Order.customer)" in found["fix"]


def test_a_broken_surrogate_reaches_the_report(suite: Suite) -> None:
    """A statement that no driver can encode fails by itself, and its recording is handed over by a worker too."""
    source = """
        def test_it():
            with engine.connect() as connection, pytest.raises(Exception, match="must be|surrogates|wrong type"):
                connection.exec_driver_sql('SELECT 1 AS "' + chr(0xd800) + '"')
    """
    for arguments in ((), ("-n", "1")):
        done = suite.run(source, *arguments)
        assert done.counts == {"passed": 1}, done.text
        assert done.queries("test_it")[1] == 1
