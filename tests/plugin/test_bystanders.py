"""What runs beside a test, or outlives it, makes no loop of what the test sends once."""

from __future__ import annotations

import json
import sys

import pytest

from pytest_querybudget.stacks.marks import MOST_MARKED
from tests.plugin.suites import HEAD, Suite

WORKERS = """
import queue, threading
from sqlalchemy import select, text
from shop import Customer, engine

def name(key):
    return select(Customer.name).where(Customer.id == key)

class Worker:
    \"\"\"A thread that is in one call for ever.\"\"\"
    def __init__(self):
        self.jobs, self.done = queue.Queue(), queue.Queue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
    def run(self):
        while True:
            self.done.put(self.ask(self.jobs.get()))
    def ask(self, statement):
        with engine.connect() as connection:
            return connection.execute(statement).scalar()
    def do(self, statement):
        self.jobs.put(statement)
        return self.done.get(timeout=5)

one, other = Worker(), Worker()

def both():
    return one.do(name(1)), other.do(name(2))
"""

TASKS = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from shop import Base, Customer

class Queried:
    def __init__(self, engine):
        self.engine, self.jobs, self.done, self.once = engine, asyncio.Queue(), asyncio.Queue(), asyncio.Event()
        self.lock = asyncio.Lock()

    async def ask(self, key):
        async with self.engine.connect() as connection:
            return (await connection.execute(select(Customer.name).where(Customer.id == key))).scalar()

    # What runs beside it.
    async def beat(self):
        while True:
            await asyncio.sleep(1)
    async def consume(self):
        while True:
            await self.done.put(await self.jobs.get())
    async def consume_in_time(self):
        while True:
            await asyncio.wait_for(self.jobs.get(), 5)
    async def wake(self):
        for _ in range(9):
            await self.once.wait()
            self.once.clear()
    async def join(self):
        await asyncio.gather(*[self.beat() for _ in range(2)])
    async def patient(self):
        while True:
            await asyncio.create_task(self.beat())
    async def greedy(self):
        for _ in range(9):
            await self.once_more()
    async def once_more(self):
        await self.lock.acquire()
        await self.lock.acquire()

    # Clean: two tasks, each started by a line of its own.
    async def gathered(self):
        await asyncio.gather(self.ask(1), self.ask(2))
    async def in_turn(self):
        await asyncio.create_task(self.ask(1))
        await asyncio.create_task(self.ask(2))
    async def shielded(self):
        await asyncio.shield(self.ask(1))
        await asyncio.shield(self.ask(2))

    # Loops.
    async def gathered_in_a_loop(self):
        await asyncio.gather(*[self.ask(key) for key in (1, 2)])
    async def awaited_in_a_loop(self):
        for key in (1, 2):
            await asyncio.create_task(self.ask(key))
    async def shielded_in_a_loop(self):
        for key in (1, 2):
            await asyncio.shield(self.ask(key))
    async def nested_in_a_loop(self):
        await asyncio.wait([asyncio.create_task(self.deeper(key)) for key in (1, 2)])
    async def deeper(self, key):
        await asyncio.create_task(self.ask(key))
    async def completed_in_a_loop(self):
        for each in asyncio.as_completed([self.ask(key) for key in (1, 2)]):
            await each
    async def told_by_an_event_in_a_loop(self):
        for key in (1, 2):
            event = asyncio.Event()
            async def work():
                await self.ask(key)
                event.set()
            task = asyncio.create_task(work())
            await event.wait()
    async def told_by_a_queue_in_a_loop(self):
        for key in (1, 2):
            task = asyncio.create_task(self.answer(key))
            await self.done.get()
    async def answer(self, key):
        self.done.put_nowait(await self.ask(key))
    async def timed_in_a_loop(self):
        for key in (1, 2):
            await asyncio.wait_for(asyncio.create_task(self.ask(key)), 5)
    async def through_a_future(self):
        loop = asyncio.get_running_loop()
        for key in (1, 2):
            future = loop.create_future()
            task = asyncio.create_task(self.ask(key))
            task.add_done_callback(future.set_result)
            await future
"""


def test_a_worker_that_outlives_the_tests(suite: Suite) -> None:
    """What its frame remembers of one test is not mistaken for the next one's."""
    suite.write("app/__init__.py", "")
    suite.write("app/workers.py", WORKERS)
    done = suite.run(
        """
        @pytest.mark.parametrize("number", range(30))
        def test_both(number):
            both()
        """,
        head=HEAD + "from app.workers import *\n",
    )
    assert [each["findings"] for each in done.tests.values()] == [[]] * 30


def test_a_worker_does_not_remember_every_test(suite: Suite) -> None:
    """Memory does not grow with the suite."""
    suite.write("app/__init__.py", "")
    suite.write("app/workers.py", WORKERS)
    suite.write(
        "conftest.py",
        """
        import json, sys
        def pytest_sessionfinish():
            from app.workers import one
            frame, counts = sys._current_frames()[one.thread.ident], []
            while frame is not None:
                if hasattr(frame.f_trace, "serials"):
                    counts.append(len(frame.f_trace.serials))
                frame = frame.f_back
            with open("counts.json", "w") as file:
                json.dump(counts, file)
        """,
    )
    done = suite.run(
        """
        @pytest.mark.parametrize("number", range(30))
        def test_it(number):
            for each in range(20):
                one.do(text(f"SELECT {number} AS a{number * 20 + each}"))
        """,
        head=HEAD + "from app.workers import *\n",
    )
    assert done.code == 0
    counts = json.loads((suite.pytester.path / "counts.json").read_text())
    assert counts
    assert max(counts) <= MOST_MARKED + 20


BESIDE = ["beat", "consume", "wake", "join", "patient", "greedy"]
if sys.version_info >= (3, 12):
    # Before, `wait_for` waits by a future that tells nothing.
    BESIDE.append("consume_in_time")


@pytest.mark.parametrize("beside", ["", *BESIDE])
@pytest.mark.parametrize("work", ["gathered", "in_turn", "shielded"])
def test_a_task_that_has_nothing_to_do_with_it(suite: Suite, work: str, beside: str) -> None:
    """A heartbeat loops, and so does a consumer of a queue: neither has started what the test sends."""
    assert found_in_task(suite, work, beside) == []


@pytest.mark.parametrize("beside", ["", "beat"])
@pytest.mark.parametrize(
    "work",
    [
        "gathered_in_a_loop",
        "awaited_in_a_loop",
        "shielded_in_a_loop",
        "nested_in_a_loop",
        "completed_in_a_loop",
        "told_by_an_event_in_a_loop",
        "told_by_a_queue_in_a_loop",
        "timed_in_a_loop",
        "through_a_future",
    ],
)
def test_who_waits_in_a_loop_has_sent_it_in_a_loop(suite: Suite, work: str, beside: str) -> None:
    """Whatever way it waits for its tasks."""
    assert found_in_task(suite, work, beside) == [("no_n_plus_one", 2)]


def found_in_task(suite: Suite, work: str, beside: str) -> list[tuple[str, int]]:
    """Return what is found in a test that works with tasks while another one waits for something else."""
    suite.write("app/__init__.py", "")
    suite.write("app/tasks.py", TASKS)
    done = suite.run(
        f"""
        @pytest.mark.asyncio
        async def test_it(tmp_path):
            engine = create_async_engine(f"sqlite+aiosqlite:///{{tmp_path}}/shop.db")
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            queried, others = Queried(engine), []
            if {beside!r}:
                others.append(asyncio.create_task(getattr(queried, {beside!r})()))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await queried.{work}()
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await engine.dispose()
        """,
        head=HEAD + "from app.tasks import *\n",
    )
    assert done.tests["test_it"]["outcome"] == "passed"
    return [(each["rule"], each["count"]) for each in done.tests["test_it"]["findings"]]


EXITS = """
from contextlib import AsyncExitStack, ExitStack
from sqlalchemy import select
from shop import Customer

def name(key):
    return select(Customer.name).where(Customer.id == key)
def send(connection, key):
    return connection.execute(name(key))
def exits(connection):
    with ExitStack() as stack:
        stack.callback(send, connection, 3)
        stack.callback(send, connection, 2)
        stack.callback(connection.scalars, name(1))
async def send_later(connection, key):
    return await connection.execute(name(key))
async def exits_later(connection):
    async with AsyncExitStack() as stack:
        stack.push_async_callback(send_later, connection, 3)
        stack.push_async_callback(send_later, connection, 2)
        stack.push_async_callback(connection.scalars, name(1))
"""


def test_a_function_of_the_application_behind_another_library(suite: Suite) -> None:
    """It is as far away as what the library asks itself, and sends statements of its own all the same."""
    suite.write("app/__init__.py", "")
    suite.write("app/exits.py", EXITS)
    done = suite.run(
        """
        from sqlalchemy.ext.asyncio import create_async_engine
        def test_it():
            with engine.connect() as connection:
                exits(connection)
        @pytest.mark.asyncio
        async def test_later(tmp_path):
            engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
                await exits_later(connection)
            await engine.dispose()
        """,
        head=HEAD + "from app.exits import *\n",
    )
    sent = {
        name: {each["location"]["function"]: each["count"] for each in test["statements"] if each["kind"] == "select"}
        for name, test in done.tests.items()
    }
    assert sent == {"test_it": {"send": 2, "exits": 1}, "test_later": {"send_later": 2, "exits_later": 1}}
    # Each was put on the stack by a line of its own.
    assert [test["findings"] for test in done.tests.values()] == [[], []]


def test_another_thread_comes_in_between(suite: Suite) -> None:
    """What it changes of a statement that is being looked at is no fault."""
    suite.write("app/__init__.py", "")
    suite.write(
        "app/work.py",
        """
        from sqlalchemy import select
        from shop import Customer
        def name(key):
            return select(Customer.name).where(Customer.id == key)
        def pair(connection):
            return list(map(connection.scalar, (name(1), name(2))))
        """,
    )
    suite.write(
        "conftest.py",
        """
        from pytest_querybudget.capture.finder import Finder
        inner = Finder._is_same_call
        def meanwhile(self, journal, entry, *rest):
            entry.call = None
            return inner(self, journal, entry, *rest)
        Finder._is_same_call = meanwhile
        """,
    )
    done = suite.run(
        "def test_it():\n    with engine.connect() as connection:\n        pair(connection)\n",
        subprocess=True,
        head=HEAD + "from app.work import *\n",
    )
    assert done.code == 0
    assert done.tests["test_it"]["phases"]["call"]["queries"] == 2


@pytest.mark.parametrize("tracer", ["None", "lambda *_: tracer"])
def test_a_generator_that_delegates_under_a_tracer(suite: Suite, tracer: str) -> None:
    """A tracer takes the mark off a frame that is resumed; the verdict is the same with and without one."""
    suite.write("app/__init__.py", "")
    suite.write(
        "app/work.py",
        """
        from sqlalchemy import select
        from shop import Customer
        def name(key):
            return select(Customer.name).where(Customer.id == key)
        def several(session):
            yield from map(session.scalar, [name(1), name(2)])
        def all_of(session):
            return list(several(session))
        """,
    )
    done = suite.run(
        f"""
        import sys
        def tracer(frame, event, argument):
            return tracer
        def test_it():
            before = sys.gettrace()
            sys.settrace({tracer})
            try:
                with Session(engine) as session:
                    all_of(session)
            finally:
                sys.settrace(before)
        """,
        head=HEAD + "from app.work import *\n",
    )
    assert done.tests["test_it"]["phases"]["call"]["queries"] == 2
    assert done.tests["test_it"]["findings"] == []
