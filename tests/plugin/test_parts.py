"""Tests that are made of several parts: each is measured by itself."""

from __future__ import annotations

import pytest

from .suites import RERUNS, Suite

pytest_plugins = ["pytester"]


def test_unittest_fixtures_have_phases_of_their_own(suite: Suite) -> None:
    """What `setUp` and `setUpClass` send is setup, what `tearDown` and clean-ups send is teardown."""
    done = suite.run(
        """
        import unittest
        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                ask(1)
            def setUp(self):
                self.addCleanup(ask, 1)
                ask(4)
            def tearDown(self):
                ask(3)
            @pytest.mark.max_queries(2, exact=True)
            def test_call(self):
                ask(2)
            @pytest.mark.max_queries(1)
            def test_exceeded(self):
                ask(2)
            @pytest.mark.max_queries(3, phase="setup")
            def test_setup(self):
                ask(9)
            @pytest.mark.max_queries(4, phase="teardown")
            def test_teardown(self):
                pass
            @pytest.mark.max_queries(3, phase="teardown")
            def test_teardown_exceeded(self):
                pass
            def test_own_failure(self):
                ask(1)
                self.assertEqual(1, 2)
            @unittest.skip("no")
            def test_skipped(self):
                ask(1)
            @unittest.expectedFailure
            def test_expected(self):
                self.assertEqual(1, 2)

        class TestAsync(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                ask(3)
            async def asyncTearDown(self):
                ask(2)
            @pytest.mark.max_queries(1, exact=True)
            async def test_call(self):
                ask(1)
            @pytest.mark.max_queries(1)
            async def test_exceeded(self):
                ask(2)
        """
    )
    assert {name: each["outcome"] for name, each in done.tests.items()} == {
        "TestCase::test_call": "passed",
        "TestCase::test_exceeded": "failed",
        "TestCase::test_setup": "failed",
        "TestCase::test_teardown": "passed",
        "TestCase::test_teardown_exceeded": "error",
        "TestCase::test_own_failure": "failed",
        "TestCase::test_skipped": "skipped",
        "TestCase::test_expected": "xfailed",
        "TestAsync::test_call": "passed",
        "TestAsync::test_exceeded": "failed",
    }
    assert done.queries("TestCase::test_call") == (5, 2, 4)
    assert done.queries("TestCase::test_own_failure") == (4, 1, 4)
    assert done.queries("TestAsync::test_call") == (3, 1, 2)
    assert "AssertionError: 1 != 2" in done.text


SUBTESTS = """
import unittest
class TestCase(unittest.TestCase):
    @pytest.mark.max_queries(2)
    def test_kept(self):
        ask(2)
        for each in range(3):
            with self.subTest(each=each):
                ask(2)
        ask(0)
    @pytest.mark.max_queries(2)
    def test_exceeded(self):
        for each in range(3):
            with self.subTest("part", each=each):
                ask(each + 1)
    def test_own(self):
        with self.subTest(each=1):
            ask(1)
            self.assertEqual(1, 2)
        with self.subTest(each=2):
            ask(1)

@pytest.mark.max_queries(2, exact=True)
def test_fixture(subtests):
    for each in range(3):
        with subtests.test("part", each=each):
            ask(2)
@pytest.mark.max_queries(2)
def test_fixture_exceeded(subtests):
    for each in range(3):
        with subtests.test(each=each):
            ask(each + 1)
@pytest.mark.max_queries(2)
def test_rest(subtests):
    ask(2)
    with subtests.test():
        ask(2)
    ask(1)
def test_fixture_own(subtests):
    with subtests.test(each=1):
        ask(1)
        assert 1 == 2
    with subtests.test(each=2):
        ask(1)
"""


def test_each_subtest_is_a_window(suite: Suite) -> None:
    """A limit holds for each subtest, and for what is sent outside of them; a subtest's own failure stays."""
    done = suite.run(SUBTESTS)
    rules = {name: done.found(name) for name in done.tests}
    assert rules == {
        "TestCase::test_kept": [],
        "TestCase::test_exceeded": ["MAX_QUERIES"],
        "TestCase::test_own": [],
        "test_fixture": [],
        "test_fixture_exceeded": ["MAX_QUERIES"],
        "test_rest": ["MAX_QUERIES"],
        "test_fixture_own": [],
    }
    assert "expected at most 2 queries, got 3 in subtest part, each=2" in " ".join(done.text.split())
    assert "expected at most 2 queries, got 3\n" in done.text
    assert done.tests["test_fixture_own"]["outcome"] == "failed"
    windows = {each.get("window") for each in done.tests["test_fixture_own"]["statements"]}
    assert windows == {"subtest each=1", "subtest each=2"}
    assert "windows.py" not in done.text


def test_each_hypothesis_example_is_a_window(suite: Suite) -> None:
    """Examples are measured one by one and are no loop; the function is left as it was."""
    done = suite.run(
        """
        import unittest
        from hypothesis import given, settings, strategies as st

        @pytest.mark.max_queries(2, exact=True)
        @settings(max_examples=10, deadline=None, database=None)
        @given(st.integers())
        def test_kept(number):
            with Session(engine) as session:
                session.get(Customer, 1)
                session.get(Order, 1)

        @pytest.mark.max_queries(1)
        @settings(max_examples=10, deadline=None, database=None)
        @given(st.integers())
        def test_exceeded(number):
            ask(2)

        @settings(max_examples=5, deadline=None, database=None)
        @given(st.integers())
        async def test_async(number):
            ask(1)

        class TestCase(unittest.TestCase):
            def setUp(self):
                ask(3)
            @pytest.mark.max_queries(1, exact=True)
            @settings(max_examples=5, deadline=None, database=None)
            @given(st.integers())
            def test_method(self, number):
                ask(1)

        def test_nothing_is_left():
            for each in (test_kept, test_exceeded, TestCase.test_method):
                assert not hasattr(each.hypothesis.inner_test, "__wrapped__")
        """,
        "--querybudget=strict",
    )
    assert {name: done.found(name) for name in done.tests} == {
        "test_kept": [],
        "test_exceeded": ["MAX_QUERIES"] * len(done.found("test_exceeded")),
        "test_async": [],
        "TestCase::test_method": [],
        "test_nothing_is_left": [],
    }
    assert done.counts == {"passed": 4, "failed": 1}
    assert done.queries("test_kept")[1] == 20
    assert done.queries("TestCase::test_method")[0] == 3
    labels = {each.get("window") for each in done.tests["test_kept"]["statements"]}
    assert "example 1" in labels and "example 10" in labels


def test_a_rerun_counts_once(suite: Suite) -> None:
    """The last run of a test is the one that counts, and its recording is new."""
    source = """
        times = []
        @pytest.mark.flaky(reruns=3)
        @pytest.mark.max_queries(3, exact=True)
        def test_it(query_budget):
            times.append(1)
            ask(3)
            assert query_budget.recording.queries("call") == 3
            assert len(times) == 3
    """
    for arguments in ((), ("-n", "1")):
        done = suite.run(source, *RERUNS, *arguments)
        assert done.counts == {"passed": 1, "rerun": 2}, done.text
        assert done.queries("test_it") == (0, 3, 0)
        assert done.tests["test_it"]["outcome"] == "passed"
        assert done.report["totals"]["queries"] == 3


def test_a_budget_that_fails_is_run_again_too(suite: Suite) -> None:
    """A rerun after an exceeded budget begins anew, and its findings replace those before it."""
    done = suite.run(
        """
        times = []
        @pytest.mark.flaky(reruns=1)
        @pytest.mark.max_queries(1)
        def test_it():
            times.append(1)
            ask(3 - len(times))
        """,
        *RERUNS,
    )
    assert done.counts == {"passed": 1, "rerun": 1}
    assert done.found("test_it") == []


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_async_tests(suite: Suite, mode: str) -> None:
    """Statements of coroutines, of tasks and of async fixtures are those of the test and of its phases."""
    done = suite.run(
        """
        import asyncio
        import pytest_asyncio
        from sqlalchemy.ext.asyncio import create_async_engine
        asyncio_engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)

        async def aask(times):
            async with asyncio_engine.connect() as connection:
                for each in range(times):
                    await connection.execute(text(f"SELECT 1 AS {'x' * (each + 1)}"))

        @pytest_asyncio.fixture
        async def three():
            await aask(3)
            yield
            await aask(2)
            await asyncio_engine.dispose()

        @pytest.mark.asyncio
        @pytest.mark.max_queries(1, exact=True)
        async def test_kept(three):
            await aask(1)
        @pytest.mark.asyncio
        @pytest.mark.max_queries(1)
        async def test_exceeded(three):
            await aask(2)
        @pytest.mark.asyncio
        @pytest.mark.max_queries(2, exact=True)
        async def test_tasks(three, query_budget):
            with query_budget(max_queries=2) as recording:
                await asyncio.gather(aask(1), aask(1))
            assert recording.queries() == 2
        @pytest.mark.asyncio
        @pytest.mark.max_queries(2, exact=True)
        async def test_to_thread(three):
            await asyncio.to_thread(ask, 2)
        """,
        "-o",
        f"asyncio_mode={mode}",
    )
    assert {name: each["outcome"] for name, each in done.tests.items()} == {
        "test_kept": "passed",
        "test_exceeded": "failed",
        "test_tasks": "passed",
        "test_to_thread": "passed",
    }, done.text
    assert done.queries("test_kept") == (3, 1, 2)


def test_anyio_tests(suite: Suite) -> None:
    """Tests under anyio's own plugin, with a fixture and a worker thread."""
    done = suite.run(
        """
        import anyio
        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        @pytest.fixture
        async def two(anyio_backend):
            ask(2)
            yield
            ask(1)
        @pytest.mark.anyio
        @pytest.mark.max_queries(1)
        async def test_exceeded(two):
            await anyio.to_thread.run_sync(ask, 1)
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, ask, 1)
        @pytest.mark.anyio
        @pytest.mark.max_queries(1, exact=True)
        async def test_kept(two):
            await anyio.to_thread.run_sync(ask, 1)
        """,
        "-o",
        "asyncio_mode=strict",
    )
    assert done.counts == {"passed": 1, "failed": 1}
    assert done.queries("test_kept") == (2, 1, 1)


def test_fixtures_of_all_scopes(suite: Suite) -> None:
    """A fixture's statements belong to the setup and teardown of the test that it was made and ended for."""
    done = suite.run(
        """
        def make(scope, times):
            @pytest.fixture(scope=scope)
            def it():
                ask(times)
                yield
                ask(times)
            return it
        session_, package_, module_, class_, function_ = (
            make(scope, times) for times, scope in enumerate(["session", "package", "module", "class", "function"], 1)
        )
        class TestIt:
            def test_first(self, session_, package_, module_, class_, function_):
                pass
            def test_second(self, session_, package_, module_, class_, function_):
                pass
        """
    )
    assert done.queries("TestIt::test_first") == (15, 0, 5)
    assert done.queries("TestIt::test_second") == (5, 0, 15)


def test_threads_of_a_test(suite: Suite) -> None:
    """Threads and executors that a test starts are its own, and are counted to the last statement."""
    done = suite.run(
        """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)

        @pytest.mark.max_queries(8, exact=True)
        def test_threads():
            threads = [threading.Thread(target=ask, args=(2,)) for _ in range(4)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        @pytest.mark.max_queries(3, exact=True)
        def test_executor():
            with ThreadPoolExecutor(3) as executor:
                list(executor.map(ask, [1, 1, 1]))
        @pytest.mark.max_queries(2, exact=True)
        def test_shared_pool():
            list(pool.map(ask, [1, 1]))
        @pytest.mark.max_queries(2, exact=True)
        def test_shared_pool_again():
            list(pool.map(ask, [1, 1]))
        """,
        "--querybudget=strict",
    )
    assert done.counts == {"passed": 4}
    assert done.problems == []


def test_a_thread_left_over_is_nobodys(suite: Suite) -> None:
    """What a left-over thread or job sends later is not blamed on the next test, and the summary names it."""
    done = suite.run(
        """
        from concurrent.futures import ThreadPoolExecutor
        go, done = threading.Event(), threading.Event()
        pool = ThreadPoolExecutor(1)

        def late():
            go.wait(5)
            ask(3)
            done.set()

        def test_leaves():
            threading.Thread(target=late, name="late", daemon=True).start()
        @pytest.mark.max_queries(1, exact=True)
        def test_next():
            ask(1)
            go.set()
            assert done.wait(5)
        def test_leaves_a_job():
            go.clear(), done.clear()
            pool.submit(late)
        @pytest.mark.max_queries(2, exact=True)
        def test_after_the_job():
            ask(1)
            go.set()
            assert done.wait(5)
            pool.submit(ask, 1).result()
        """
    )
    assert done.counts == {"passed": 4}, done.text
    assert len(done.problems) == 2
    assert (
        done.problems[1]
        == "stray-thread: thread late, left over from test_it.py::test_leaves sent 3 statements that belong to no test"
    )
    assert "left over from test_it.py::test_leaves_a_job sent 3 statements" in done.problems[0]
    assert "late, left over from test_it.py::test_leaves" in done.text


def test_a_thread_that_a_fixture_ends_belongs_to_the_teardown(suite: Suite) -> None:
    """A thread is left over when the test and its fixtures have finished, not before."""
    done = suite.run(
        """
        @pytest.fixture
        def started():
            threads, go = [], threading.Event()
            yield threads, go
            go.set()
            threads[0].join()
        def test_it(started):
            threads, go = started
            threads.append(threading.Thread(target=lambda: (go.wait(5), ask(2))))
            threads[0].start()
        """
    )
    assert done.queries("test_it") == (0, 0, 2)
    assert done.problems == []


def test_a_schema_is_one_entry(suite: Suite) -> None:
    """What `create_all` sends table by table is folded: all of its statements count, and its tables are named."""
    done = suite.run(
        """
        def build():
            other = connect()
            Base.metadata.create_all(other)
            Base.metadata.drop_all(other)
        def test_one():
            build()
        """
    )
    statements = done.tests["test_one"]["statements"]
    shown = [(each["kind"], each["sql"], each["count"], each["tables"]) for each in statements]
    assert ("ddl", "CREATE TABLE …", 2, ["customer", "orders"]) in shown
    assert ("ddl", "DROP TABLE …", 2, ["customer", "orders"]) in shown
    assert len(shown) == 3
    assert sum(each["count"] for each in statements) == done.tests["test_one"]["phases"]["call"]["queries"]
