"""What tells one call of a function from the next: a line that sends several statements hides no loop around it."""

from __future__ import annotations

import pytest

from tests.plugin.suites import HEAD, Suite

HELPERS = """
import asyncio, queue, threading
from contextlib import contextmanager
from functools import partial, singledispatch
from operator import methodcaller
from sqlalchemy import func, select
from shop import Customer, Order

def name(key):
    return select(Customer.name).where(Customer.id == key)

def order(key):
    return select(Order.id).where(Order.id == key)

def listed(first, number):
    return select(Customer.name).where(Customer.id.in_(range(first, first + number)))

def pair(connection, key):
    return list(map(connection.scalar, (order(key), order(key + 1))))

def pairs(connection, keys):
    return [pair(connection, key) for key in keys]

def rename(session, *customers):
    for each in customers:
        each.name = func.upper(Customer.name)
    session.flush()

def rename_all(session, customers):
    for one, other in zip(customers[::2], customers[1::2]):
        rename(session, one, other)

@contextmanager
def unit(session):
    yield
    session.flush()

def rename_in_units(session, customers):
    for one, other in zip(customers[::2], customers[1::2]):
        with unit(session):
            one.name = other.name = func.upper(Customer.name)

async def rename_all_later(session, customers):
    for one, other in zip(customers[::2], customers[1::2]):
        one.name = other.name = func.upper(Customer.name)
        await flush_later(session)

async def flush_later(session):
    session.flush()

def generated(connection, key):
    yield pair(connection, key)

def all_generated(connection, keys):
    for key in keys:
        yield from generated(connection, key)

def delegating(connection, keys):
    yield from map(connection.scalar, map(order, keys))

def growing(connection):
    list(map(connection.execute, (listed(100, 2), listed(110, 4), listed(120, 8), listed(130, 5))))

async def pairs_later(connection, keys):
    for key in keys:
        pair(connection, key)

def send(connection, key):
    return connection.execute(name(key))

def mixed(connection):
    list(map(methodcaller("__call__"), [
        partial(connection.scalars, name(1)), partial(send, connection, 2), partial(send, connection, 3),
    ]))

def send_all(sends):
    list(map(methodcaller("__call__"), sends))

# One more frame of a library between a function and its caller.
further = singledispatch(send_all)

def each_batch(way, batches):
    for sends in batches:
        way(sends)

def batch(way, sends):
    way(sends)

# As warm as in an application that has run for a while.
for _ in range(30):
    send_all([int]), each_batch(send_all, [[int]]), each_batch(further, [[int]]), batch(further, [int])

class Names:
    def __init__(self, connection):
        self.connection = connection
    def __getitem__(self, key):
        return self.connection.execute(name(key)).scalar()

class Worker:
    \"\"\"A thread that is in one call for ever.\"\"\"
    def __init__(self, engine):
        self.jobs, self.done = queue.Queue(), queue.Queue()
        self.engine = engine
        threading.Thread(target=self.run, daemon=True).start()
    def run(self):
        with self.engine.connect() as self.connection:
            list(map(self.done.put, map(methodcaller("__call__"), iter(self.jobs.get, None))))
    def do(self, jobs):
        for each in jobs:
            self.jobs.put(each)
            self.done.get()
"""
IMPORTS = HEAD + "import time\nfrom sqlalchemy.orm import Session\nfrom app.helpers import *\n"
CONNECTED = "with engine.connect() as connection: "
PAIRS = "with engine.connect() as connection: pairs(connection, range(1, 9, 2))"
# The clean twin: what one call sends at once is no loop.
PAIR = "with engine.connect() as connection: pair(connection, 1)"
RENAMED = """with Session(engine) as session:
        session.add_all([Customer(name=str(each)) for each in range(8)])
        session.flush()
        customers = session.scalars(select(Customer).limit(8)).all()
        """
# Two calls on two ways, and then a loop of calls as near as the one and from as far away as the other.
WAYS = """c = engine.connect()
    near, far = (lambda k: partial(c.execute, name(k))), (lambda k: partial(c.scalars, name(k)))
    other = partial(c.execute, order(1))
    """
CALLS = """for way, batches in [
        (send_all, [[near(1), near(2)]]), (further, [[other, near(3), far(4)]]), (LAST, [[far(k)] for k in (5, 6, 7, 8)])
    ]: each_batch(way, batches)"""
# Parts of a list in one call, of one length but the last.
PARTS = """c = engine.connect()
    part = lambda *a: partial(c.execute, listed(*a))
    five = [part(120, 3), part(130, 4), part(140, 4), part(150, 4), part(160, 4)]
    for way, sends in [(send_all, [part(100, 2), part(110, 5)]), (further, [partial(c.execute, order(1)), *five])]:
        batch(way, sends)"""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (PAIRS, [("no_n_plus_one", 8)]),
        (PAIR, []),
        (RENAMED + "rename_all(session, customers)", [("no_write_loops", 8)]),
        (RENAMED + "rename(session, *customers)", []),
        (WAYS + CALLS.replace("LAST", "send_all"), [("no_n_plus_one", 8)]),
        (WAYS + CALLS.replace("LAST", "further"), [("no_n_plus_one", 8)]),
        (PARTS, []),
        (RENAMED + "rename_in_units(session, customers)", [("no_write_loops", 8)]),
        (RENAMED + "asyncio.run(rename_all_later(session, customers))", [("no_write_loops", 8)]),
        (CONNECTED + "list(all_generated(connection, range(1, 9, 2)))", [("no_n_plus_one", 8)]),
        (CONNECTED + "asyncio.run(pairs_later(connection, range(1, 9, 2)))", [("no_n_plus_one", 8)]),
        (CONNECTED + "[growing(connection) for _ in range(3)]", []),
        # What a function of the application sends is its own, as far away as it is.
        (CONNECTED + "mixed(connection)", [("no_n_plus_one", 2)]),
    ],
)
def test_a_line_that_sends_several_statements(suite: Suite, body: str, found: list[tuple[str, int]]) -> None:
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(f"def test_it():\n    {body}\n", head=IMPORTS)
    findings = [(each["rule"], each["count"]) for each in done.tests["test_it"]["findings"]]
    assert [each for each in findings if each[0] != "no_repeated_queries"] == found


@pytest.mark.parametrize(
    "send", ["connection.scalar, connection.execute, connection.scalar", "*[connection.scalar] * 3"]
)
def test_a_thread_that_serves_one_request_after_the_other(suite: Suite, send: str) -> None:
    """It stays in its line all the time; what it repeats for one request is repeated."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        f"""
        from flask import Flask
        app, worker = Flask("app"), Worker(engine)
        @app.route("/<int:number>")
        def view(number):
            connection = worker.connection
            keys = (number, number, number) if number else (100, 101, 102)
            worker.do([partial(send, name(key)) for send, key in zip(({send},), keys)])
            return ""
        def test_it():
            client = app.test_client()
            while not hasattr(worker, "connection"):
                time.sleep(0.01)
            for number in range(4):
                client.get(f"/{{number}}")
        """,
        head=IMPORTS,
    )
    found = [each for each in done.tests["test_it"]["findings"] if each["rule"] == "no_repeated_queries"]
    assert [each["count"] for each in found] == [3]


def test_a_task_of_the_test(suite: Suite) -> None:
    """The test waits in a thread that is its own, and is on no stack."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        """
        @pytest.mark.asyncio
        @pytest.mark.parametrize("work", [pairs_later, pair_later])
        async def test_it(work):
            with engine.connect() as connection:
                await asyncio.create_task(work(connection, range(1, 9, 2)))
        """,
        head=IMPORTS + "async def pair_later(connection, keys):\n    pair(connection, 1)\n",
    )
    found = {name: [each["count"] for each in test["findings"]] for name, test in done.tests.items()}
    assert found == {"test_it[pairs_later]": [8], "test_it[pair_later]": []}


def test_who_resumes_a_generator_that_delegates(suite: Suite) -> None:
    """It stays in its line, and each line that resumes it is another place."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        """
        @pytest.fixture
        def rows():
            with engine.connect() as connection:
                made = delegating(connection, range(3))
                next(made)
                next(made)
                next(made)
        def test_it(rows):
            pass
        """,
        head=IMPORTS,
    )
    assert [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "setup"] == [1, 1, 1]


@pytest.mark.parametrize(
    "lines",
    [
        "for key in range(12): list(connection.execute(name(key)))",
        "for key, names in enumerate([Names(connection)] * 12): names[key]",
        "for key in range(12): getattr(connection.execute(name(key)), 'all')()",
        "for one in sessions: list(one.query(Customer).filter(Customer.id == 1))",
        "for one in orders: getattr(one, 'customer')",
    ],
)
def test_a_line_stays_one_place_when_its_bytecode_is_specialised(suite: Suite, lines: str) -> None:
    """A call, also by a subscript, stands elsewhere from its eighth round on, in some versions of Python."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS + f"\ndef run(connection, sessions, orders):\n    {lines}\n")
    done = suite.run(
        """
        def test_it():
            with Session(engine) as session, engine.connect() as connection:
                session.add_all([Order(customer=Customer(name=str(each))) for each in range(12)])
                session.flush()
                session.expunge_all()
                run(connection, [Session(session.connection()) for _ in range(12)], session.scalars(select(Order).limit(12)).all())
        """,
        head=IMPORTS,
    )
    sent = [each for each in done.tests["test_it"]["statements"] if each["location"]["path"] == "app/helpers.py"]
    assert [each["count"] for each in sent] == [12]
