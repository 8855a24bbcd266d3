"""`query_budget` as a fixture and as a context manager, with pytest and without."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

from .suites import SHOP, Suite

pytest_plugins = ["pytester"]


def test_a_block_of_the_fixture_is_held_to_its_budget(suite: Suite) -> None:
    """Only what runs inside of the block counts, and the block says what it recorded."""
    done = suite.run(
        """
        from pytest_querybudget import QueryBudgetExceeded

        def test_kept(query_budget):
            ask(3)
            with query_budget(max_queries=2, read_only=True) as recording:
                ask(2)
            assert recording.queries() == 2
            assert query_budget.recording.queries("call") == 5
        def test_exceeded(query_budget):
            with query_budget(max_queries=1):
                ask(2)
        def test_is_an_assertion(query_budget):
            with pytest.raises(AssertionError, match="expected at most 1 query, got 2") as caught:
                with query_budget(max_queries=1):
                    ask(2)
            assert isinstance(caught.value, QueryBudgetExceeded)
            assert [each.rule for each in caught.value.findings] == ["max_queries"]
        def test_own_exception_wins(query_budget):
            with pytest.raises(ZeroDivisionError):
                with query_budget(max_queries=1):
                    ask(2)
                    1 / 0
        def test_recording_only(query_budget):
            with query_budget() as recording:
                ask(4)
            assert recording.queries() == 4
        """
    )
    assert {name: each["outcome"] for name, each in done.tests.items()} == {
        "test_kept": "passed",
        "test_exceeded": "failed",
        "test_is_an_assertion": "passed",
        "test_own_exception_wins": "passed",
        "test_recording_only": "passed",
    }
    assert done.found("test_exceeded") == ["MAX_QUERIES"]


def test_blocks_nest(suite: Suite) -> None:
    """Each block counts all that runs inside of it, and an inner one that fails does not hide the outer one."""
    done = suite.run(
        """
        def test_nested(query_budget):
            with query_budget(max_queries=4) as outer:
                ask(1)
                with query_budget(max_queries=2) as inner:
                    ask(2)
                with query_budget(max_queries=1) as second:
                    ask(1)
            assert (outer.queries(), inner.queries(), second.queries()) == (4, 2, 1)
        def test_outer_exceeded(query_budget):
            with pytest.raises(AssertionError, match="got 3"):
                with query_budget(max_queries=2):
                    ask(1)
                    with query_budget(max_queries=2):
                        ask(2)
        def test_entered_again(query_budget):
            block = query_budget(max_queries=1)
            with block:
                ask(1)
            with block as recording:
                ask(1)
            assert recording.queries() == 1
            with pytest.raises(AssertionError), block:
                ask(2)
        def test_rows_and_repeats_in_blocks(query_budget):
            with query_budget(max_queries=9) as outer:
                with query_budget(max_queries=9) as inner:
                    names()
            assert {each.max_rows for each in inner.statements()} == {5, 1}
            assert {each.max_rows for each in outer.statements()} == {5, 1}
            assert {each.max_rows for each in query_budget.recording.statements("call")} == {5, 1}
        """
    )
    assert done.counts == {"passed": 4}


def test_a_block_knows_loops_and_allowances(suite: Suite) -> None:
    """Rules that look for loops work in a block; a marker allows what a block finds, and is not stale then."""
    done = suite.run(
        """
        def test_loop(query_budget):
            with pytest.raises(AssertionError, match="no_n_plus_one"):
                with query_budget(no_n_plus_one=True):
                    names()
        @pytest.mark.allow_queries("no_n_plus_one")
        def test_allowed(query_budget):
            with query_budget(no_n_plus_one=True):
                names()
        """
    )
    assert done.counts == {"passed": 2}
    assert done.problems == []


def test_a_bad_block_is_an_error(suite: Suite) -> None:
    """A rule that does not exist, or a limit that is none, fails where it is written."""
    done = suite.run(
        """
        from pytest_querybudget import BudgetError
        @pytest.mark.parametrize("rules", [
            {"max_querys": 1}, {"max_queries": -1}, {"max_queries": "1"}, {"max_queries": True}, {"max_queries": None},
            {"max_queries": False}, {"only_columns": []}, {"no_n_plus_one": {"threshold": 1}},
        ])
        def test_it(query_budget, rules):
            with pytest.raises(BudgetError):
                query_budget(**rules)
        """
    )
    assert done.counts == {"passed": 8}


def test_the_standalone_block_works_while_the_plugin_is_active(suite: Suite) -> None:
    """Both count, neither counts twice, and the plugin records on after the block has ended."""
    done = suite.run(
        """
        from pytest_querybudget import query_budget

        @pytest.mark.max_queries(5, exact=True)
        def test_both():
            with query_budget(max_queries=2, max_rows=5) as recording:
                ask(2)
            assert recording.queries() == 2
            assert {each.max_rows for each in recording.statements()} == {5}
            with pytest.raises(AssertionError, match="got 2"):
                with query_budget(max_queries=1):
                    ask(2)
            ask(1)
        def test_made_and_never_entered():
            query_budget(max_queries=1)
            ask(2)
        """
    )
    assert done.counts == {"passed": 2}
    assert {each["max_rows"] for each in done.tests["test_both"]["statements"]} == {5}


SCRIPT = """
import asyncio, sys
sys.modules["pytest"] = sys.modules["_pytest"] = None
from pytest_querybudget import QueryBudgetError, QueryBudgetExceeded, query_budget
assert "sqlalchemy" not in sys.modules
try:
    with query_budget(max_queries=1):
        pass
except QueryBudgetError as error:
    assert "no SQLAlchemy engine" in str(error), error
else:
    raise SystemExit("a block without any engine passed")
from shop import *
from sqlalchemy.ext.asyncio import create_async_engine
with query_budget(max_queries=0):
    pass
with query_budget(max_queries=2) as recording:
    ask(2)
assert recording.queries() == 2
try:
    with query_budget(no_n_plus_one=True):
        names()
except QueryBudgetExceeded as error:
    assert "joinedload(Order.customer)" in str(error), error
else:
    raise SystemExit("the loop was not found")
block = query_budget(max_queries=1)
for _ in range(2):
    try:
        with block:
            ask(2)
    except QueryBudgetExceeded as error:
        assert "got 2" in str(error)
    else:
        raise SystemExit("a block that is entered again passed")

async def main():
    other = create_async_engine("sqlite+aiosqlite://")
    with query_budget(max_queries=2) as recording:
        async with other.connect() as connection:
            await asyncio.gather(connection.execute(text("SELECT 1")))
            await connection.execute(text("SELECT 2, 3"))
    assert recording.queries() == 2, recording.queries()
    await other.dispose()

asyncio.run(main())
assert list(engine.dialect.dispatch.do_execute) == [], "listeners were left behind"
print("done")
"""


def test_the_standalone_block_needs_no_pytest(suite: Suite) -> None:
    """It works in a script: in a row, entered again, in async code; it fails without an engine and leaves nothing."""
    suite.write("script.py", SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=suite.path, env=suite.env(), capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_switched_off_blocks_check_nothing(suite: Suite) -> None:
    """Under `--querybudget=off` nothing is listened to, markers are known, and blocks run unchecked."""
    done = suite.run(
        """
        import sys
        from pytest_querybudget import QueryBudgetError

        @pytest.mark.max_queries(1)
        @pytest.mark.query_budget(max_rows=1)
        @pytest.mark.allow_queries("max_rows")
        def test_off(query_budget):
            with query_budget(max_queries=1) as recording:
                ask(3)
            with pytest.raises(QueryBudgetError, match="querybudget=off"):
                recording.queries()
            with pytest.raises(QueryBudgetError, match="querybudget=off"):
                query_budget.recording
            assert not any(name.startswith("pytest_querybudget.capture") for name in sys.modules)
            assert list(engine.dialect.dispatch.do_execute) == []
        """,
        "--querybudget=off",
        "--strict-markers",
        subprocess=True,
    )
    assert done.counts == {"passed": 1}
    assert "query budget" not in done.text
    assert done.report == {}


def test_a_block_before_the_import_of_sqlalchemy(suite: Suite) -> None:
    """The application may be imported for the first time inside of a block, or of a test with a budget."""
    suite.write("shop.py", dedent(SHOP))
    done = suite.run(
        """
        import pytest
        def test_block(query_budget):
            with pytest.raises(AssertionError, match="got 2"):
                with query_budget(max_queries=1):
                    from sqlalchemy import create_engine, text
                    with create_engine("sqlite://").connect() as connection:
                        connection.execute(text("SELECT 1"))
                        connection.execute(text("SELECT 2, 3"))
        """,
        subprocess=True,
        head="",
    )
    assert done.counts == {"passed": 1}
    done = suite.run(
        """
        import pytest
        @pytest.mark.max_queries(1)
        def test_marker():
            from sqlalchemy import create_engine, text
            with create_engine("sqlite://").connect() as connection:
                connection.execute(text("SELECT 1"))
                connection.execute(text("SELECT 2, 3"))
        """,
        subprocess=True,
        head="",
    )
    assert done.counts == {"failed": 1}
    assert "got 2" in done.text


def test_no_engine_at_all_fails_a_declared_budget(suite: Suite) -> None:
    """A budget that nothing could have exceeded is an error; a limit of zero with an engine is kept."""
    done = suite.run(
        """
        import pytest
        @pytest.mark.max_queries(3)
        def test_declared():
            pass
        @pytest.mark.max_queries(3)
        @pytest.mark.xfail(strict=True)
        def test_expected():
            assert False
        def test_nothing():
            pass
        def test_block(query_budget):
            with query_budget(max_queries=3):
                pass
        """,
        subprocess=True,
        head="",
    )
    assert {name: each["outcome"] for name, each in done.tests.items()} == {
        "test_declared": "failed",
        "test_expected": "xfailed",
        "test_nothing": "passed",
        "test_block": "failed",
    }
    assert "no SQLAlchemy engine" in done.text
    done = suite.run("@pytest.mark.max_queries(0)\ndef test_zero():\n    pass\n", subprocess=True)
    assert done.counts == {"passed": 1}


CAUGHT = """
import unittest
from pytest_querybudget import QueryBudgetExceeded

def exceed(query_budget):
    with query_budget(max_queries=1):
        ask(2)
def test_caught(query_budget):
    with pytest.raises(QueryBudgetExceeded):
        exceed(query_budget)
def test_own_exception_won(query_budget):
    with pytest.raises(ZeroDivisionError), query_budget(max_queries=1):
        ask(2)
        1 / 0
def add(number):
    with Session(engine) as session:
        session.add_all([Order(customer=Customer(name="new")) for each in range(number)])
        session.commit()
def test_growth_caught(query_growth):
    with pytest.raises(QueryBudgetExceeded):
        query_growth(names, seed=add)
def test_waste_caught(query_budget):
    with pytest.raises(QueryBudgetExceeded), query_budget(no_n_plus_one=True):
        names()
def test_caught_and_failed(query_budget):
    with pytest.raises(QueryBudgetExceeded):
        exceed(query_budget)
    assert not "another reason"
def test_raised(query_budget):
    exceed(query_budget)
def test_raised_as_another(query_budget):
    try:
        exceed(query_budget)
    except QueryBudgetExceeded as error:
        raise ValueError("told") from error
def test_part(query_budget, subtests):
    with subtests.test("one"):
        exceed(query_budget)
class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take(self, query_budget):
        self.query_budget = query_budget
    def test_caught(self):
        with self.assertRaises(QueryBudgetExceeded):
            exceed(self.query_budget)
    def test_part(self):
        with self.subTest("one"):
            exceed(self.query_budget)
"""


def test_what_the_test_itself_catches_does_not_fail_it(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is expected to fail is no failure anywhere: the reports count what pytest was told."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = suite.run(CAUGHT)
    found = {name: done.found(name) for name in done.tests}
    assert found == {
        "test_caught": [],
        "test_own_exception_won": [],
        "test_growth_caught": ["no_n_plus_one"],
        "test_waste_caught": ["no_n_plus_one"],
        "test_caught_and_failed": ["max_queries"],
        "test_raised": ["MAX_QUERIES"],
        "test_raised_as_another": ["MAX_QUERIES"],
        "test_part": ["MAX_QUERIES"],
        "TestUnit::test_caught": [],
        "TestUnit::test_part": ["MAX_QUERIES"],
    }
    assert done.report["totals"]["failed"] == 4
    # The failing test comes last, and none before it has failed.
    source = CAUGHT.partition("def test_caught_and_failed")[0]
    assert "::error" not in suite.run(source).text


def test_what_the_test_itself_catches_is_nothing_to_lock(suite: Suite) -> None:
    """Neither a debt when the lock is written, nor news when a test is held to it."""
    suite.run("def test_caught(): pass", "--querybudget-lock", "--querybudget-update")
    source = CAUGHT.partition("def test_growth_caught")[0]
    done = suite.run(source, "--querybudget-lock")
    assert done.counts == {"passed": 1, "failed": 1}
