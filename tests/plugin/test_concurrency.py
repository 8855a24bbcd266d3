"""Many threads and many tasks over several engines: each statement is counted once, for the test that sent it."""

from __future__ import annotations

from collections import Counter

from .suites import Outcome, Suite

pytest_plugins = ["pytester"]

# Each statement names the test that sends it, and its engine.
ENGINES = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import create_engine, text
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

THREADS, TASKS = 32, 1000
"""


def sent(done: Outcome) -> dict[str, Counter[str]]:
    """Return how often each test sent each text, by what the report says."""
    found: dict[str, Counter[str]] = {}
    for name, test in done.tests.items():
        found[name] = Counter()
        for each in test["statements"]:
            found[name][each["sql"]] += each["count"]
    return found


def of_test(name: str, count: int) -> Counter[str]:
    """Return what a test sends that asks each of four engines `count` times."""
    return Counter({f"SELECT ? AS {name}_{engine}": count for engine in range(4)})


def test_threads_over_several_engines(suite: Suite) -> None:
    """32 threads of each test, started at once, and one of the first test that goes on asking all through the second."""
    done = suite.run(
        ENGINES
        + """
anywhere = {"check_same_thread": False}
engines = [create_engine("sqlite://", poolclass=QueuePool, connect_args=anywhere) for _ in range(4)]
over = threading.Event()

def send(name, number):
    with engines[number % 4].connect() as connection:
        for _ in range(25):
            connection.execute(text(f"SELECT 1 AS {name}_{number % 4}")).all()

def at_once(name):
    barrier = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: (barrier.wait(10), send(name, number)), range(THREADS)))

def go_on(started):
    while not over.is_set():
        send("left", 0)
        started.set()

@pytest.mark.max_queries(800, exact=True)
def test_first():
    at_once("first")

def test_leaves():
    started = threading.Event()
    threading.Thread(target=go_on, args=(started,), name="left", daemon=True).start()
    assert started.wait(10)

@pytest.mark.max_queries(800, exact=True)
def test_second(query_budget):
    with query_budget(max_queries=800) as recording:
        at_once("second")
    assert recording.queries() == 800
    over.set()
""",
        head="import pytest\nimport threading\n",
    )
    assert done.counts == {"passed": 3}, done.text
    found = sent(done)
    assert found["test_first"] == of_test("first", 200)
    assert set(found["test_leaves"]) == {"SELECT ? AS left_0"}
    assert found["test_second"] == of_test("second", 200)
    assert [each.partition(" sent ")[0] for each in done.problems] == [
        "stray-thread: thread left, left over from test_it.py::test_leaves"
    ]


def test_tasks_over_several_engines(suite: Suite) -> None:
    """1,000 tasks of each of two tests that share a loop, all at once."""
    done = suite.run(
        ENGINES
        + """
from contextlib import asynccontextmanager
from sqlalchemy.ext.asyncio import create_async_engine

@asynccontextmanager
async def connected():
    engines = [create_async_engine("sqlite+aiosqlite://", poolclass=AsyncAdaptedQueuePool) for _ in range(4)]
    try:
        yield engines
    finally:
        for each in engines:
            await each.dispose()

async def send(engine, name, number):
    async with engine.connect() as connection:
        for _ in range(2):
            await connection.execute(text(f"SELECT 1 AS {name}_{number % 4}"))

async def at_once(name):
    async with connected() as engines:
        await asyncio.gather(*(send(engines[number % 4], name, number) for number in range(TASKS)))

@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.max_queries(2000, exact=True)
async def test_first():
    await at_once("first")

@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.max_queries(2000, exact=True)
async def test_second(query_budget):
    with query_budget(max_queries=2000) as recording:
        await at_once("second")
    assert recording.queries() == 2000
""",
        head="import pytest\n",
    )
    assert done.counts == {"passed": 2}, done.text
    assert sent(done) == {"test_first": of_test("first", 500), "test_second": of_test("second", 500)}
    assert done.problems == []


def test_one_thread_that_is_asked_from_several_lines(suite: Suite) -> None:
    """It does not move from its line, the test does: a loop of the test is one statement, whatever came before it."""
    done = suite.run(
        """
from queue import Queue
from threading import Thread

def serve(asked, done):
    with engine.connect() as connection:
        while (question := asked.get()) is not None:
            connection.execute(text(question), {"id": 1}).all()
            done.put(None)

def test_it():
    asked, done = Queue(), Queue()
    thread = Thread(target=serve, args=(asked, done))
    thread.start()
    asked.put("SELECT :id AS once")
    done.get()
    for _ in range(3):
        asked.put("SELECT :id AS often")
        done.get()
    asked.put(None)
    thread.join()
"""
    )
    found = [(each["sql"], each["count"]) for each in done.tests["test_it"]["statements"]]
    assert found == [("SELECT ? AS once", 1), ("SELECT ? AS often", 3)]
