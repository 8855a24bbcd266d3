"""`query_growth`: the same function with a few rows and with more."""

from __future__ import annotations

import re

import pytest

from tests.plugin.suites import Suite

HEAD = """
import pytest
from shop import *
from pytest_querybudget import QueryBudgetError, QueryBudgetExceeded

def add(count):
    with Session(engine) as session:
        session.add_all([Order(customer=Customer(name=f"new {each}")) for each in range(count)])
        session.commit()

def eager():
    with Session(engine) as session:
        return [order.customer.name for order in session.scalars(select(Order).options(joinedload(Order.customer)))]

def batches():
    with Session(engine) as session:
        return [order.customer.name for order in session.scalars(select(Order).options(selectinload(Order.customer)))]

@pytest.fixture(autouse=True)
def empty():
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM orders"))
        connection.execute(text("DELETE FROM customer"))
"""


def prose(text: str) -> str:
    """A failure without its margin and line breaks."""
    return " ".join(re.sub(r"(?m)^E ", "", text).split())


def growing(suite: Suite, body: str, *arguments: str) -> str:
    """Run one test that must fail, and return what it prints."""
    outcome = suite.run(body, *arguments, head=HEAD)
    assert outcome.counts == {"failed": 1}, outcome.text
    return outcome.text


def holding(suite: Suite, body: str, *arguments: str) -> None:
    """Run tests that must pass, without a finding."""
    outcome = suite.run(body, *arguments, head=HEAD)
    assert set(outcome.counts) == {"passed"}, outcome.text
    assert not [each for each in outcome.report["tests"] if any(one["failed"] for one in each["findings"])]


def test_a_lazy_load_for_each_row_fails_with_its_rate_and_its_cure(suite: Suite) -> None:
    text = growing(
        suite,
        """
        def test_names(query_growth):
            query_growth(names, seed=add)
        """,
    )
    assert "expected the same number for all sizes, got 3 queries with 2 rows, 9 with 8 rows" in prose(text)
    assert "SELECT on customer, a load of Order.customer: 2 with 2 rows, 8 with 8 rows, 1 more for each row" in prose(
        text
    )
    assert ".options(joinedload(Order.customer)) to the query at shop.py:" in prose(text)
    assert "   2 ->    8 x SELECT customer.id" in text
    assert "   1 ->    1 x SELECT orders.id" in text
    assert "growth.py" not in text


@pytest.mark.parametrize("function", ["eager", "batches"])
def test_one_query_for_all_rows_passes(suite: Suite, function: str) -> None:
    holding(
        suite,
        f"""
        def test_names(query_growth):
            assert set(query_growth({function}, seed=add)) == {{2, 8}}
        """,
        "--querybudget=strict",
    )


def test_batches_of_an_in_list_are_no_growth(suite: Suite) -> None:
    """`selectinload` sends one query for 500 parents."""
    holding(
        suite,
        """
        def test_names(query_growth):
            assert query_growth(batches, seed=add, sizes=(2, 1200)) == {2: 2, 1200: 4}
        """,
    )


def test_three_sizes_are_all_shown(suite: Suite) -> None:
    text = growing(
        suite,
        """
        def test_names(query_growth):
            query_growth(names, seed=add, sizes=(1, 2, 4))
        """,
    )
    assert "   1 ->    2 ->    4 x SELECT customer.id" in text


def test_a_slope_allows_as_many_queries_for_each_row(suite: Suite) -> None:
    holding(
        suite,
        """
        def test_names(query_growth):
            assert query_growth(names, seed=add, slope=1) == {2: 3, 8: 9}
        """,
    )


def test_less_than_a_slope_fails(suite: Suite) -> None:
    text = growing(
        suite,
        """
        def test_names(query_growth):
            query_growth(names, seed=add, slope=0.5)
        """,
    )
    assert "expected at most 0.5 more for each row" in prose(text)


def test_writes_for_each_row_fail_with_the_cure_for_writes(suite: Suite) -> None:
    text = growing(
        suite,
        """
        def rename():
            with Session(engine) as session:
                for customer in session.scalars(select(Customer)).all():
                    customer.name += "!"
                    session.flush()
                session.commit()

        def test_rename(query_growth):
            query_growth(rename, seed=add)
        """,
    )
    assert "UPDATE on customer: 2 with 2 rows, 8 with 8 rows" in prose(text)
    assert "Flush or commit once, after the loop" in prose(text)


def test_what_is_sent_less_often_and_another_way_is_no_growth(suite: Suite) -> None:
    holding(
        suite,
        """
        def counted():
            with engine.connect() as connection:
                number = connection.scalar(text("SELECT count(*) FROM orders"))
                if number < 5:
                    connection.execute(text("SELECT id FROM orders LIMIT 5")).all()
                else:
                    connection.execute(text("SELECT max(id) FROM orders")).all()

        def test_paths(query_growth):
            query_growth(counted, seed=add)
        """,
    )


def test_the_warm_up_fills_caches_first(suite: Suite) -> None:
    body = """
        import functools

        def make():
            @functools.cache
            def setting(name):
                ask(1, "orders")
            def work():
                for name in ("a", "b"):
                    setting(name)
                return eager()
            return work

        def test_default(query_growth):
            assert query_growth(make(), seed=add) == {2: 1, 8: 1}

        def test_cold(query_growth):
            assert query_growth(make(), seed=add, warmup=False) == {2: 3, 8: 1}
    """
    holding(suite, body)


def test_each_part_is_judged_by_itself(suite: Suite) -> None:
    """Two runs of one function on one session repeat nothing: they are two runs."""
    holding(
        suite,
        """
        @pytest.mark.max_queries(2)
        def test_shared(query_growth):
            with Session(engine) as session:
                query_growth(
                    lambda: session.scalars(select(Order).options(joinedload(Order.customer))).all(), seed=add
                )
        """,
        "--querybudget=strict",
    )


def test_a_session_that_was_only_flushed_is_cold_within_a_savepoint(suite: Suite) -> None:
    """What hangs on rows that a session has added itself need not be loaded: `savepoint=` lets it forget them."""
    text = growing(
        suite,
        """
        kept = []

        def test_factories(query_growth):
            with Session(engine) as session:
                def make(count):
                    made = [Order(customer=Customer(name="x")) for _ in range(count)]
                    kept.append(made)
                    session.add_all(made)
                try:
                    query_growth(
                        lambda: [order.customer.name for order in session.scalars(select(Order))],
                        seed=make, savepoint=session,
                    )
                finally:
                    assert session.scalar(select(text("count(*)")).select_from(Order)) == 0
        """,
    )
    assert "2 with 2 rows, 8 with 8 rows" in prose(text)


def test_a_savepoint_takes_the_rows_back(suite: Suite) -> None:
    holding(
        suite,
        """
        def test_connection(query_growth):
            counts = []
            with engine.connect() as connection, connection.begin():
                def fill(count):
                    connection.execute(insert(Customer), [{"name": "x"}] * count)
                def work():
                    counts.append(connection.scalar(text("SELECT count(*) FROM customer")))
                query_growth(work, seed=fill, savepoint=connection)
            assert counts == [2, 2, 8]
        """,
    )


def test_a_function_that_commits_cannot_be_taken_back(suite: Suite) -> None:
    text = growing(
        suite,
        """
        def test_commit(query_growth):
            with Session(engine) as session:
                def work():
                    session.scalars(select(Order)).all()
                    session.commit()
                query_growth(work, seed=lambda count: session.add_all([Customer(name="x")] * count), savepoint=session)
        """,
    )
    assert "a commit or a rollback has ended the savepoint; give reset=function" in prose(text)


def test_reset_takes_everything_back_after_each_size(suite: Suite) -> None:
    holding(
        suite,
        """
        def test_reset(query_growth):
            seen = []
            def clean():
                with engine.begin() as connection:
                    connection.execute(text("DELETE FROM orders"))
            def work():
                seen.append(len(eager()))
            query_growth(work, seed=add, reset=clean)
            assert seen == [2, 2, 8]
        """,
    )


def test_async_functions_are_awaited(suite: Suite) -> None:
    suite.write(
        "shop_async.py",
        """
        from shop import *
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
        async_engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)

        async def fill(count):
            async with AsyncSession(async_engine) as session:
                session.add_all([Order(customer=Customer(name="x")) for _ in range(count)])
                await session.commit()

        async def slow():
            async with AsyncSession(async_engine) as session:
                return [
                    (await session.get(Customer, order.customer_id)).name for order in await session.scalars(select(Order))
                ]

        async def fast():
            async with AsyncSession(async_engine) as session:
                found = await session.scalars(select(Order).options(joinedload(Order.customer)))
                return [order.customer.name for order in found]
        """,
    )
    outcome = suite.run(
        """
        from shop_async import *

        @pytest.fixture(autouse=True)
        async def tables():
            async with async_engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            yield
            await async_engine.dispose()

        async def test_slow(query_growth):
            await query_growth(slow, seed=fill)

        async def test_fast(query_growth):
            assert await query_growth(fast, seed=fill) == {2: 1, 8: 1}

        async def test_lambda(query_growth):
            assert await query_growth(lambda: fast(), seed=lambda count: fill(count)) == {2: 1, 8: 1}

        async def test_savepoint(query_growth):
            async with AsyncSession(async_engine) as session:
                async def work():
                    seen.append(len((await session.scalars(select(Order))).all()))
                async def add_more(count):
                    session.add_all([Order(customer=Customer(name="x")) for _ in range(count)])
                seen = []
                await query_growth(work, seed=add_more, savepoint=session)
                assert seen == [2, 2, 8]

        async def test_forgotten(query_growth):
            query_growth(fast, seed=fill)
        """,
        "-W",
        "ignore::RuntimeWarning",
        "-W",
        "ignore::pytest.PytestUnraisableExceptionWarning",
        head=HEAD,
    )
    assert outcome.counts == {"failed": 1, "passed": 4, "error": 1}, outcome.text
    assert "Load them together before the loop" in outcome.text
    assert "with an async function it must be awaited" in outcome.text


def test_what_the_function_or_the_seed_raise_comes_out(suite: Suite) -> None:
    holding(
        suite,
        """
        def test_function(query_growth, query_budget):
            with pytest.raises(ZeroDivisionError):
                query_growth(lambda: 1 / 0, seed=add)

        def test_seed(query_growth):
            with pytest.raises(ZeroDivisionError):
                query_growth(names, seed=lambda count: 1 / 0)
        """,
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("query_growth(eager, seed=lambda count: None)", "seed(2) added no rows, it sent no INSERT"),
        ("query_growth(eager, seed=lambda count: eager())", "seed(2) added no rows, it sent no INSERT"),
        (
            (
                "query_growth(eager, seed=lambda count: engine.connect().execute("
                "text('INSERT INTO customer SELECT * FROM customer WHERE 1 = 0')))"
            ),
            "seed(2) added no rows, its INSERT wrote none",
        ),
        ("query_growth(lambda: None, seed=add)", "the function sent no query with 8 rows"),
        ("query_growth(eager, seed=add, sizes=(2,))", "sizes=(2,), but takes two or more"),
        ("query_growth(eager, seed=add, sizes=8)", "sizes=8, but takes two or more"),
        ("query_growth(eager, seed=add, sizes=(8, 2))", "ascending"),
        ("query_growth(eager, seed=add, sizes=(2, 2))", "ascending"),
        ("query_growth(eager, seed=add, sizes=(0, 2))", "from 1"),
        ("query_growth(eager, seed=add, sizes=(True, 2))", "from 1"),
        ("query_growth(eager, seed=add, sizes=(2, 8.0))", "from 1"),
        ("query_growth(eager, seed=add, sizes='28')", "two or more"),
        ("query_growth(eager, seed=add, slope=-1)", "slope=-1"),
        ("query_growth(eager, seed=add, slope='1')", "takes a number"),
        ("query_growth(eager, seed=3)", "seed=int, but takes a function"),
        ("query_growth(eager(), seed=add)", "fn=list, but takes a function"),
        ("query_growth(eager, seed=add, reset=print, savepoint=engine)", "takes one of them"),
        ("query_growth(eager, seed=add, savepoint=engine)", "savepoint=Engine, but takes a session or a connection"),
    ],
)
def test_what_measures_nothing_is_an_error(suite: Suite, call: str, said: str) -> None:
    text = growing(suite, f"def test_it(query_growth):\n    {call}\n")
    assert said in prose(text), text


def test_a_cache_that_hides_everything_is_said(suite: Suite) -> None:
    text = growing(
        suite,
        """
        import functools
        def test_it(query_growth):
            query_growth(functools.cache(eager), seed=add)
        """,
    )
    assert "after 1 in the warm-up run" in prose(text)


def test_a_growth_that_is_allowed_passes_and_is_reported(suite: Suite) -> None:
    outcome = suite.run(
        """
        @pytest.mark.allow_queries("constant_queries", reason="two customers at most")
        def test_marker(query_growth):
            query_growth(names, seed=add)

        def test_comment(query_growth):
            def work():
                with Session(engine) as session:
                    for order in session.scalars(select(Order)):
                        order.customer  # querybudget: allow[constant_queries] few
            query_growth(work, seed=add)
        """,
        head=HEAD,
    )
    assert outcome.counts == {"passed": 2}, outcome.text
    for test, reason in (("test_marker", "two customers at most"), ("test_comment", "few")):
        allowed = [each["allowed"] for each in outcome.tests[test]["findings"] if each["rule"] == "constant_queries"]
        assert [each["reason"] for each in allowed] == [reason]
    assert not outcome.problems


def test_a_failure_is_a_finding_of_the_reports(suite: Suite) -> None:
    outcome = suite.run("def test_it(query_growth):\n    query_growth(names, seed=add)\n", head=HEAD)
    assert "CONSTANT_QUERIES" in outcome.found("test_it")


def test_switched_off_it_runs_and_compares_nothing(suite: Suite) -> None:
    outcome = suite.run(
        "def test_it(query_growth):\n    query_growth(names, seed=add)\n", "--querybudget=off", head=HEAD
    )
    assert outcome.counts == {"passed": 1}, outcome.text


def test_a_test_client_is_a_function(suite: Suite) -> None:
    """Requests run in threads of their own."""
    text = growing(
        suite,
        """
        from fastapi import FastAPI
        from starlette.testclient import TestClient

        app = FastAPI()

        @app.get("/slow")
        def slow():
            return names()

        @app.get("/fast")
        def fast():
            return eager()

        def test_requests(query_growth):
            client = TestClient(app)
            assert query_growth(lambda: client.get("/fast"), seed=add) == {2: 1, 8: 1}
            query_growth(lambda: client.get("/slow"), seed=add)
        """,
    )
    assert "SELECT on customer" in prose(text)
