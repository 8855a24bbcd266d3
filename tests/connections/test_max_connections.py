"""`max_connections`: how many were out at one time, by what the report says; bad input; what is watched and when."""

from __future__ import annotations

import pytest

from tests.plugin.suites import Suite

pytest_plugins = ["pytester"]

HEAD = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool, SingletonThreadPool, StaticPool

pytestmark = pytest.mark.max_connections(1000)

def ask(connection):
    return connection.execute(text("SELECT 1")).all()

@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    made = create_engine(f"sqlite:///{tmp_path_factory.mktemp('x')}/a.db", pool_size=20)
    yield made
    made.dispose()

@pytest.fixture(scope="session")
def held(engine):
    with engine.connect() as connection:
        yield connection

@pytest.fixture
def mine(engine):
    with engine.connect() as connection:
        yield connection
"""

#: Each test is named after the most connections that are out in its call.
CASES = """
def test_0_none(engine):
    pass

def test_1_one_after_the_other(engine):
    for _ in range(3):
        with engine.connect() as connection:
            ask(connection)

def test_2_a_session_in_a_session(engine):
    with Session(engine) as first, Session(engine) as second:
        ask(first)
        ask(second)

def test_1_a_session_that_has_ended(engine):
    with Session(engine) as first, Session(engine) as second:
        ask(first)
        first.commit()
        ask(second)

def test_1_of_a_function_fixture_alone(mine):
    pass

def test_2_beside_a_function_fixture(mine, engine):
    with engine.connect():
        pass

def test_1_of_a_session_fixture_alone(held):
    pass

def test_2_beside_a_session_fixture(held, engine):
    with engine.connect():
        pass

def test_2_shared_by_static_pool(held):
    made = create_engine("sqlite://", poolclass=StaticPool)
    with made.connect() as first, made.connect() as second:
        ask(first), ask(second)

def test_2_shared_in_one_thread(held):
    made = create_engine("sqlite://", poolclass=SingletonThreadPool)
    with made.connect() as first, made.connect() as second:
        ask(first), ask(second)

def test_4_null_pool(held, tmp_path):
    made = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=NullPool)
    with made.connect(), made.connect(), made.connect():
        pass

def test_3_two_engines(held, engine, tmp_path):
    with engine.connect(), create_engine(f"sqlite:///{tmp_path}/a.db").connect():
        pass

def test_5_threads(held, engine):
    barrier = threading.Barrier(4)
    def work(_):
        with engine.connect() as connection:
            barrier.wait(20)
            ask(connection)
            barrier.wait(20)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

LEFT = []

def test_2_leaves_one(held, engine):
    LEFT.append(engine.connect())

def test_1_leftovers_of_others_do_not_count(held):
    LEFT.pop().close()

def test_2_detached_have_left_the_pool(held, engine):
    with engine.connect() as first:
        first.detach()
        with engine.connect():
            pass

def test_2_invalidated(held, engine):
    first = engine.connect()
    first.invalidate()
    with engine.connect():
        pass
    first.close()

def test_1_beside_a_fixture_of_other_tests(engine):
    with engine.connect():
        pass

async def test_4_gathered(tmp_path, held):
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    out = []
    async def work():
        async with AsyncSession(made) as session:
            await session.execute(text("SELECT 1"))
            out.append(1)
            while len(out) < 3:
                await asyncio.sleep(0)
    await asyncio.gather(*(work() for _ in range(3)))
    await made.dispose()
"""


def test_what_is_out_at_one_time(suite: Suite) -> None:
    """Each test's name says how many, and the report agrees, in the budget and by itself."""
    outcome = suite.run(CASES, head=HEAD)
    assert outcome.code == 0, outcome.text
    assert not outcome.problems
    wanted = {name: int(name.split("_")[1]) for name in outcome.tests}
    assert {name: each["budget"]["max_connections"]["actual"] for name, each in outcome.tests.items()} == wanted
    assert {name: each["connections"] for name, each in outcome.tests.items()} == wanted


def test_a_block_counts_what_its_test_has_and_not_what_others_left(suite: Suite) -> None:
    """Whatever ran before, and in whatever order."""
    source = """
        LEFT = []
        def test_leaves(engine, held):
            LEFT.append(engine.connect())
        def test_beside(engine, query_budget):
            with query_budget(max_connections=1):
                with engine.connect():
                    pass
        @pytest.mark.xfail(strict=True)
        def test_beside_its_own(engine, mine, query_budget):
            with query_budget(max_connections=1):
                with engine.connect():
                    pass
    """
    outcome = suite.run(source, head=HEAD)
    assert outcome.code == 0, outcome.text


def test_each_place_is_named(suite: Suite) -> None:
    """Of fixtures with their names, of several connections at one place with their number."""
    outcome = suite.run(
        """
        @pytest.mark.max_connections(2)
        def test_it(held, engine):
            with engine.connect():
                [connection.close() for connection in [engine.connect() for _ in range(2)]]
        """,
        head=HEAD,
    )
    expected = """
max_connections: expected at most 2 pool connections out at one time, got 4

  taken at test_it.py:23 in held (session fixture held)
  taken at test_it.py:33 in test_it
  taken at test_it.py:34 in test_it, 2 of them
"""
    assert expected in outcome.text
    found = outcome.tests["test_it"]["findings"][0]
    assert found["evidence"] == [line.strip() for line in expected.splitlines() if "taken at" in line]
    assert found["location"]["line"] == 34


def test_churn_is_limited_by_itself(suite: Suite) -> None:
    """How often connections are taken, and how many of them are opened, each with its cure."""
    outcome = suite.run(
        """
        @pytest.mark.max_connections(checkouts=3, opened=0)
        def test_clean(held, engine):
            for _ in range(3):
                with engine.connect() as connection:
                    ask(connection)

        @pytest.mark.max_connections(2, checkouts=2, opened=1)
        def test_churn(tmp_path):
            made = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=NullPool)
            for _ in range(3):
                with made.connect() as connection:
                    ask(connection)
        """,
        head=HEAD.replace(
            "yield made", "made.connect().close()\n    made.connect().close()\n    yield made", 1
        ).replace(
            "yield connection",
            "made = [engine.connect() for _ in range(2)]\n        [each.close() for each in made]\n"
            "        yield connection",
            1,
        ),
    )
    assert outcome.counts == {"passed": 1, "failed": 1}, outcome.text
    found = outcome.tests["test_churn"]["findings"]
    assert [each["message"] for each in found] == [
        "expected at most 2 pool connections taken in all, got 3",
        "expected at most 1 pool connection newly opened, got 3",
    ]
    assert [each["fix"].partition(" ")[0] for each in found] == ["Take", "Make"]
    assert "3 of them" in found[0]["evidence"][0]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("max_connections()", "max_connections got no limit; it takes n, checkouts=, opened="),
        ("max_connections(1, n=2)", "max_connections got 2 limits; it takes n, checkouts=, opened="),
        ("max_connections(-1)", "max_connections got -1, but a limit cannot be negative"),
        ("max_connections(True)", "max_connections got True, but takes a whole number"),
        ("max_connections(1.5)", "max_connections got 1.5, but takes a whole number"),
        (
            "max_connections(1, size=2)",
            "max_connections got an unknown keyword 'size'; it takes n, checkouts=, opened=",
        ),
        ("max_connections(checkouts=-1)", "max_connections got checkouts=-1, but a limit cannot be negative"),
        ("max_connections(opened=True)", "max_connections got opened=True, but takes a whole number"),
        ("no_connection_leaks(1)", "no_connection_leaks got 1, but takes no arguments"),
        ("no_connection_leaks(n=1)", "no_connection_leaks got an unknown keyword 'n'; it takes no arguments"),
        ("max_transaction()", "max_transaction got no limit; it takes queries=, seconds="),
        ("max_transaction(3)", "max_transaction got 3, but takes queries=, seconds="),
        ("max_transaction(queries=-1)", "max_transaction got queries=-1, but a limit cannot be negative"),
        ("max_transaction(queries=True)", "max_transaction got queries=True, but takes a whole number"),
        ("max_transaction(seconds=True)", "max_transaction got seconds=True, but takes a number of seconds"),
        ("max_transaction(seconds=-0.1)", "got seconds=-0.1, but takes a finite number of seconds from 0"),
        ("max_transaction(seconds=float('inf'))", "got seconds=inf, but takes a finite number of seconds from 0"),
        ("max_transaction(seconds=1e9)", "which no test reaches"),
        ("max_transaction(statements=1)", "got an unknown keyword 'statements'; it takes queries=, seconds="),
    ],
)
def test_bad_input_is_an_error(suite: Suite, marker: str, said: str) -> None:
    """It stops the run before it begins, and says what is allowed."""
    outcome = suite.run(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): ...\n", head="")
    assert outcome.code == 4
    assert said in " ".join(outcome.text.split())


def test_a_marker_that_comes_too_late_says_so(suite: Suite) -> None:
    """Nobody listened when the test began: a budget that could not be measured fails."""
    outcome = suite.run(
        """
        @pytest.mark.parametrize("late", ["max_connections(5)", "max_transaction(queries=5)", "no_connection_leaks()"])
        def test_it(request, late):
            engine.connect().close()
            request.node.add_marker(eval(f"pytest.mark.{late}"))
        """
    )
    assert outcome.counts == {"failed": 3}
    assert outcome.text.count("was declared when the test had begun, and could not be measured from the start") >= 3


def test_ini_defaults_hold_for_every_test(suite: Suite) -> None:
    """With workers as well, and an allowance silences them."""
    suite.write(
        "pytest.ini",
        """
        [pytest]
        querybudget_max_connections = 1
        querybudget_no_connection_leaks = true
        querybudget_max_transaction = queries=1
        """,
    )
    outcome = suite.run(
        """
        made = create_engine("sqlite:///a.db")
        KEPT = []

        def test_ok():
            with made.connect() as connection:
                connection.execute(text("SELECT 1"))

        def test_two():
            with made.connect(), made.connect():
                pass

        @pytest.mark.max_connections(2)
        def test_nearer():
            with made.connect(), made.connect():
                pass

        @pytest.mark.allow_queries("max_connections", reason="side by side")
        def test_allowed():
            with made.connect(), made.connect():
                pass

        def test_leak():
            KEPT.append(made.connect())

        def test_long():
            with made.connect() as connection:
                connection.execute(text("SELECT 1"))
                connection.execute(text("SELECT 2"))
        """,
        "-n2",
        subprocess=True,
    )
    assert {name: each["outcome"] for name, each in outcome.tests.items()} == {
        "test_ok": "passed",
        "test_two": "failed",
        "test_nearer": "passed",
        "test_allowed": "passed",
        "test_leak": "error",
        "test_long": "failed",
    }, outcome.text
    assert not outcome.problems


def test_nothing_listens_where_nothing_asks(suite: Suite) -> None:
    """Neither to pools nor to transactions: such events cost something with each checkout."""
    suite.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import event
        from shop import engine

        @pytest.mark.max_queries(1)
        def test_it():
            assert not list(engine.pool.dispatch.checkout)
            assert not list(engine.dispatch.begin)
        """,
    )
    result = suite.pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
