"""Faults and traps: what goes wrong inside of the plugin, or is done to SQLAlchemy, changes no test's outcome."""

from __future__ import annotations

import pytest

from .suites import Suite

pytest_plugins = ["pytester"]

TESTS = """
def test_nothing_declared():
    assert len(names()) == 5
@pytest.mark.max_queries(99)
def test_declared():
    names()
def test_own_failure():
    names()
    raise OSError("its own")
"""
# What is broken, by a conftest file that does it: in a process of its own, since the plugin that watches these tests
# would break with it.
SEAMS = {
    "listener": ("pytest_querybudget.capture.observer", "Observer", "observe"),
    "rule that is declared": ("pytest_querybudget.rules.max_queries", "MaxQueries", "check"),
    "rule that looks by itself": ("pytest_querybudget.rules.no_n_plus_one", "NoNPlusOne", "check"),
    "window": ("pytest_querybudget.instruments", "Instruments", "open"),
    "begin": ("pytest_querybudget.instruments", "Instruments", "begin"),
    "end": ("pytest_querybudget.instruments", "Instruments", "end"),
    "release": ("pytest_querybudget.instruments", "Instruments", "release"),
}
CONFTEST = """
import importlib
import pytest

def broken(*arguments, **keywords):
    raise RuntimeError("secret text of the fault")

@pytest.fixture(scope="session", autouse=True)
def nothing():
    yield

def pytest_configure(config):
    holder = importlib.import_module("{module}")
    holder = getattr(holder, "{name}", holder)
    before = getattr(holder, "{attribute}")
    setattr(holder, "{attribute}", broken)
    config.add_cleanup(lambda: setattr(holder, "{attribute}", before))
"""


@pytest.mark.parametrize("seam", SEAMS)
def test_a_fault_inside_the_plugin(suite: Suite, seam: str) -> None:
    """Tests end as they would, a declared budget fails, the summary says it, and the session does not succeed."""
    module, name, attribute = SEAMS[seam]
    suite.write("conftest.py", CONFTEST.format(module=module, name=name, attribute=attribute))
    done = suite.run(TESTS, subprocess=True)
    outcomes = {name: each["outcome"] for name, each in done.tests.items()}
    assert outcomes["test_nothing_declared"] == "passed"
    assert outcomes["test_own_failure"] == "failed"
    assert outcomes["test_declared"] == ("passed" if seam == "end" else "failed")
    assert "OSError: its own" in done.text
    assert any(each.startswith("fault: RuntimeError inside the plugin at ") for each in done.problems)
    assert "fault: " in done.text
    assert done.code == pytest.ExitCode.TESTS_FAILED
    if seam != "end":
        assert "the budget (max_queries) could not be measured: RuntimeError inside pytest-querybudget" in done.text


@pytest.mark.parametrize(
    ("module", "name", "attribute", "arguments"),
    [
        ("sessions", "Sessions", "_of", ()),
        ("transactions", "Transactions", "_in_call", ("-o", "querybudget_max_transaction=queries=99")),
        ("connections", "Connections", "_note_reclaimed", ("--querybudget-report=json:pools.json",)),
    ],
)
def test_a_fault_in_a_listener_of_anything_else(
    suite: Suite, module: str, name: str, attribute: str, arguments: tuple[str, ...]
) -> None:
    """Sessions, transactions and pools tell what they do, and must not hear of it."""
    broken = CONFTEST.format(module=f"pytest_querybudget.capture.{module}", name=name, attribute=attribute)
    suite.write("conftest.py", broken)
    done = suite.run(
        """
        def test_it():
            with Session(engine) as session:
                session.add(Customer(name="new"))
                session.flush()
                session.rollback()
                with session.begin_nested():
                    session.scalars(select(Customer)).all()
                session.commit()
        """,
        *arguments,
        subprocess=True,
    )
    assert done.counts == {"passed": 1}
    assert any(each.startswith("fault: RuntimeError inside the plugin at ") for each in done.problems)


def test_a_connection_that_is_a_mock(suite: Suite) -> None:
    """It answers for anything, also for what the plugin hangs on connections. SQLAlchemy's own suite has such."""
    done = suite.run(
        """
        from unittest.mock import Mock
        def test_it():
            bind = Mock()
            connection = Mock(engine=bind, in_transaction=Mock(return_value=False))
            bind.connect = Mock(return_value=connection)
            assert Session(bind=bind).connection() is connection
        """
    )
    assert done.counts == {"passed": 1}
    assert done.problems == []


@pytest.mark.parametrize("seam", ["listener", "end"])
def test_a_fault_makes_a_session_of_passing_tests_fail(suite: Suite, seam: str) -> None:
    """Exit code 1 even though every test passed, and with workers too."""
    module, name, attribute = SEAMS[seam]
    suite.write("conftest.py", CONFTEST.format(module=module, name=name, attribute=attribute))
    for arguments in ((), ("-n", "1")):
        done = suite.run("def test_it():\n    names()\n", *arguments, subprocess=True)
        assert done.counts == {"passed": 1}
        assert done.code == pytest.ExitCode.TESTS_FAILED
        assert "fault: 1" in done.text


# What belongs to no single test.
AROUND = {
    "reading of markers": ("pytest_querybudget.budgets", "BudgetReader", "of_item"),
    "entry": ("pytest_querybudget.run", "Run", "_test_entry"),
    "collector": ("pytest_querybudget.collector", "Collector", "add"),
    "comments": ("pytest_querybudget.findings.allowances", "SourceComments", "noted"),
    "sizes": ("pytest_querybudget.collector", "Collector", "compare_sizes"),
    "lock": ("pytest_querybudget.lock.keeper", "Keeper", "finish"),
    "report": ("pytest_querybudget.collector", "Collector", "make_report"),
    "format": ("pytest_querybudget.reports.registry", "", "find"),
    "summary": ("pytest_querybudget.collector", "Collector", "summary"),
    "junit": ("pytest_querybudget.reports.junit", "", "properties"),
}


@pytest.mark.parametrize("seam", AROUND)
def test_a_fault_around_the_tests(suite: Suite, seam: str) -> None:
    """Every test ends as it would, the fault is told without its text, and the session does not succeed."""
    module, name, attribute = AROUND[seam]
    suite.write("conftest.py", CONFTEST.format(module=module, name=name, attribute=attribute))
    done = suite.run(TESTS, "--junit-xml=junit.xml", "--querybudget-lock=some.lock", "--querybudget-update")
    wanted = {"reading of markers": {"passed": 1, "failed": 1, "error": 1}}
    wanted |= {name: {"passed": 1, "failed": 2} for name in ("entry", "collector")}
    assert done.counts == wanted.get(seam, {"passed": 2, "failed": 1})
    assert "OSError: its own" in done.text
    assert "INTERNALERROR" not in done.text
    assert "secret text of the fault" not in done.text
    assert "RuntimeError" in done.text
    assert done.code == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("seam", ["failure text", "lock"])
def test_a_fault_while_a_test_is_held_to_something(suite: Suite, seam: str) -> None:
    """A budget that is declared fails all the same, and a test that declares none does not."""
    module, name, attribute = {
        "failure text": ("pytest_querybudget.reports.failure", "", "explain"),
        "lock": ("pytest_querybudget.lock.keeper", "Keeper", "check"),
    }[seam]
    suite.write("conftest.py", CONFTEST.format(module=module, name=name, attribute=attribute))
    options = ("--querybudget-lock=some.lock", "--querybudget-update")
    done = suite.run(
        "def test_free():\n    ask(1)\n@pytest.mark.max_queries(1)\ndef test_bound():\n    ask(2)\n", *options
    )
    assert done.counts == {"passed": 1, "failed": 1}
    assert "the budget (max_queries) could not be measured: RuntimeError inside pytest-querybudget" in done.text
    assert "INTERNALERROR" not in done.text and "secret text" not in done.text


def test_a_plan_reader_that_breaks(suite: Suite) -> None:
    """The statement runs all the same, and a rule that needs the plan does not pass."""
    module = "pytest_querybudget.plans.planner"
    suite.write("conftest.py", CONFTEST.format(module=module, name="Planner", attribute="plan"))
    done = suite.run(
        "def test_free():\n    ask(1)\n@pytest.mark.no_full_scans\ndef test_bound():\n    ask(1)\n",
        "--querybudget-explain",
    )
    assert done.counts == {"passed": 1, "failed": 1}
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert "could not be measured: RuntimeError inside pytest-querybudget" in done.text


def test_a_rule_that_breaks_in_a_block(suite: Suite) -> None:
    """A block that could not be judged does not pass."""
    suite.write(
        "conftest.py", CONFTEST.format(module=SEAMS["rule that is declared"][0], name="MaxQueries", attribute="check")
    )
    done = suite.run(
        """
        from pytest_querybudget import QueryBudgetError
        def test_it(query_budget):
            with pytest.raises(QueryBudgetError, match="could not be measured"):
                with query_budget(max_queries=3):
                    ask(1)
        """
    )
    assert done.counts == {"passed": 1}


@pytest.mark.parametrize("what", ["Engine.dispatch._clear()", "Dialect.dispatch._clear()"])
def test_a_suite_that_clears_the_listeners(suite: Suite, what: str) -> None:
    """The next test is recorded again; a budget on the test itself is not passed unseen."""
    done = suite.run(
        f"""
        from sqlalchemy.engine import Engine, Dialect
        def test_clears():
            ask(1)
            {what}
            ask(2)
        @pytest.mark.max_queries(1)
        def test_next():
            ask(2)
        @pytest.mark.max_queries(1)
        def test_itself():
            {what}
            ask(2)
        """
    )
    outcomes = {name: each["outcome"] for name, each in done.tests.items()}
    assert outcomes == {"test_clears": "passed", "test_next": "failed", "test_itself": "failed"}
    assert "expected at most 1 query, got 2" in done.text


def test_listeners_of_the_application_are_respected(suite: Suite) -> None:
    """A `do_execute` that answers itself, and cursor listeners, do what they do without the plugin."""
    done = suite.run(
        """
        mine = connect()
        Base.metadata.create_all(mine)
        seen = []

        @event.listens_for(mine, "do_execute")
        def answer(cursor, statement, parameters, context):
            seen.append("do_execute")
            if "rewritten" in statement:
                cursor.execute("SELECT 42")
                return True

        @event.listens_for(mine, "before_cursor_execute", retval=True)
        def before(connection, cursor, statement, parameters, context, executemany):
            seen.append("before")
            return statement + " -- seen", parameters

        @event.listens_for(mine, "after_cursor_execute")
        def after(connection, cursor, statement, parameters, context, executemany):
            seen.append("after")

        @pytest.mark.max_queries(2, exact=True)
        def test_it():
            with mine.connect() as connection:
                assert connection.execute(text("SELECT 1 AS rewritten")).scalar() == 42
                assert connection.execute(text("SELECT 1")).scalar() == 1
            assert seen == ["before", "do_execute", "after"] * 2
        """
    )
    assert done.counts == {"passed": 1}
    assert any("-- seen" in each["sql"] or "SELECT" in each["sql"] for each in done.tests["test_it"]["statements"])


@pytest.mark.parametrize("style", ["long", "native", "short"])
def test_the_traceback_of_a_failing_statement(suite: Suite, style: str) -> None:
    """No frame of the plugin stands in it, however it is shown."""
    done = suite.run(
        """
        import traceback
        def fail():
            with engine.connect() as connection:
                connection.execute(text("SELECT * FROM nowhere"))
        def fail_in_orm():
            with Session(engine) as session:
                session.scalars(select(Customer).where(text("nowhere.id = 1"))).all()
        def test_pytest():
            fail()
        @pytest.mark.max_queries(1)
        def test_block(query_budget):
            with query_budget(max_queries=0):
                fail_in_orm()
        def test_text():
            for each in (fail, fail_in_orm):
                try:
                    each()
                except Exception as error:
                    for one in (error, error.orig, error.__cause__):
                        assert "pytest_querybudget" not in "".join(traceback.format_exception(one))
                    assert "nowhere" in str(error.orig)
                else:
                    raise SystemExit
        """,
        f"--tb={style}",
    )
    assert done.counts == {"passed": 1, "failed": 2}
    assert "no such table: nowhere" in done.text
    for name in ("listener.py", "windows.py", "block.py", "run.py", "plugin.py"):
        assert f"pytest_querybudget/{name}" not in done.text and f"capture/{name}" not in done.text


@pytest.mark.parametrize("style", ["long", "short", "native", "line"])
def test_a_failing_budget_shows_no_frame(suite: Suite, style: str) -> None:
    """Neither does a budget that is exceeded, on a test or in a block."""
    done = suite.run(
        """
        @pytest.mark.max_queries(1)
        def test_marker():
            ask(2)
        def test_block(query_budget):
            with query_budget(max_queries=1):
                ask(2)
        """,
        f"--tb={style}",
    )
    assert done.counts == {"failed": 2}
    assert "pytest_querybudget/" not in done.text
    assert style == "line" or "with query_budget(max_queries=1):" in done.text


@pytest.mark.parametrize("style", ["long", "short", "native", "line"])
def test_a_failing_method_of_unittest_shows_no_frame(suite: Suite, style: str) -> None:
    """Whatever fails in it: the test itself, what it has caught before, a statement, a block, an example."""
    done = suite.run(
        """
        import unittest
        class TestIt(unittest.TestCase):
            def test_plain(self):
                raise ValueError("plain")
            def test_chained(self):
                try:
                    int("x")
                except ValueError as error:
                    raise KeyError("chained") from error
            def test_statement(self):
                ask(1)
                with engine.connect() as connection:
                    connection.execute(text("SELECT * FROM nowhere"))
            def test_part(self):
                with self.subTest("one"):
                    raise ValueError("in a part")
        class TestAsync(unittest.IsolatedAsyncioTestCase):
            async def test_async(self):
                raise ValueError("async")
        class TestBlock(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def keep(self, query_budget):
                self.budget = query_budget
            def test_block(self):
                with self.budget(max_queries=1):
                    ask(2)
        """,
        f"--tb={style}",
    )
    assert done.counts["failed"] == 6
    assert "pytest_querybudget/" not in done.text
    assert "max_queries: expected at most 1 query, got 2" in done.text
    assert style == "line" or "with self.budget(max_queries=1):" in done.text
