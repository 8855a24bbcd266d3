"""A stack that is recognised is the stack that would have been read."""

from __future__ import annotations

import json

import pytest

from tests.plugin.suites import Suite

# Reads each stack that was recognised, too, and writes down what differs.
CHECKED = """
import json, sys
import pytest

said = {"recalled": 0, "read": 0, "different": []}

@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    from pytest_querybudget.capture import finder
    read = finder.read

    def checked(reader, shape, own, position, above):
        found = read(reader, shape, own, position, above + 1)
        # Only what was read tells all frames.
        said["read" if found.parts else "recalled"] += 1
        true = reader.read(sys._getframe(above), own, position)
        same = found.stack is true.stack and found.request is true.request
        same = same and [id(each) for each in found.frames] == [id(each) for each in true.frames]
        if not same or any(
            getattr(found, name) != getattr(true, name) for name in ("near", "beyond", "entered", "inside")
        ):
            said["different"].append([shape.text, str(found.stack.places), str(true.stack.places)])
        return found

    finder.read = checked

def pytest_unconfigure():
    with open("said.json", "w") as file:
        json.dump(said, file)
"""

SHOP = """
import asyncio, functools, threading
from contextlib import ExitStack, contextmanager
import fastapi, flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from shop import Customer, engine

def name(key):
    return select(Customer.name).where(Customer.id == key)

def one(connection, key=1):
    return connection.execute(name(key)).scalar()

def two_lines(connection):
    one(connection, 1)
    return one(connection, 2)

def by_another_way(connection):
    return connection.scalar(name(3))

def called_back(connection):
    with ExitStack() as stack:
        stack.callback(one, connection, 1)
        stack.callback(connection.scalar, name(2))

def mapped(connection):
    return list(map(lambda key: one(connection, key), (1, 2)))

def deep(connection, levels):
    return deep(connection, levels - 1) if levels else one(connection)

def rows(connection):
    for key in (1, 2):
        yield one(connection, key)

@contextmanager
def counted(connection):
    connection.execute(select(func.count(Customer.id))).scalar()
    yield
    one(connection)

def in_thread(key=1):
    def work():
        with engine.connect() as connection:
            one(connection, key)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def thrice(test):
    @functools.wraps(test)
    def run(*arguments, **named):
        for _ in range(3):
            test(*arguments, **named)
    return run

site = flask.Flask(__name__)

@site.get("/one")
def page():
    with engine.connect() as connection:
        return one(connection)

web = fastapi.FastAPI()

@web.get("/threaded")
def threaded():
    with engine.connect() as connection:
        return one(connection)

@web.get("/awaited")
async def awaited():
    with engine.connect() as connection:
        return one(connection)

async def asked(connection, key=1):
    return (await connection.execute(name(key))).scalar()
"""

TESTS = """
import httpx, unittest
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import create_async_engine
from app.shop import *

def everything():
    with engine.connect() as connection:
        one(connection)
        two_lines(connection)
        by_another_way(connection)
        called_back(connection)
        mapped(connection)
        deep(connection, 3)
        list(rows(connection))
        with counted(connection):
            one(connection)
    in_thread()
    site.test_client().get("/one")
    TestClient(web).get("/threaded")
    TestClient(web).get("/awaited")

async def awaiting(tmp_path):
    queried = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    async with queried.connect() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await asked(connection)
        await asyncio.gather(asked(connection), asked(connection, 2))
        await connection.run_sync(one)
    await queried.dispose()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://shop") as client:
        await client.get("/threaded")
        await asyncio.gather(client.get("/awaited"), client.get("/awaited"))

@pytest.mark.parametrize("time", range(3))
def test_again(time):
    everything()

def test_from_another_line():
    for _ in range(2):
        everything()

class TestOfAClass:
    def test_method(self):
        everything()

def test_that_is_called():
    with engine.connect() as connection:
        one(connection)

def test_that_calls_a_test():
    test_that_is_called()

def test_that_is_called_no_more():
    test_that_is_called()
    everything()

@thrice
def test_that_is_called_thrice():
    everything()

class TestByUnittest(unittest.TestCase):
    def test_method(self):
        everything()

@pytest.mark.asyncio
@pytest.mark.parametrize("time", range(3))
async def test_awaiting(time, tmp_path):
    await awaiting(tmp_path)

@pytest.mark.asyncio
async def test_awaiting_elsewhere(tmp_path):
    everything()
    await awaiting(tmp_path)
"""


def test_what_is_recognised_is_what_would_be_read(suite: Suite) -> None:
    """Whoever sends: a line, a callback, a request, a thread, a task, in one test and in the next."""
    suite.write("app/__init__.py", "")
    suite.write("app/shop.py", SHOP)
    suite.write("conftest.py", CHECKED)
    done = suite.run(TESTS, "--querybudget-audit", subprocess=True)
    assert {each["outcome"] for each in done.tests.values()} == {"passed"}
    said = json.loads((suite.pytester.path / "said.json").read_text())
    assert said["different"] == []
    assert said["recalled"] > 2 * said["read"] > 0


AROUND = """
import functools
from sqlalchemy import select
from shop import Customer, engine

def name(key):
    with engine.connect() as connection:
        return connection.scalar(select(Customer.name).where(Customer.id == key))

def thrice(test):
    @functools.wraps(test)
    def run():
        for key in (1, 2, 3):
            test(key)
    return run
"""


@pytest.mark.parametrize("alone", [True, False])
def test_what_calls_the_test_is_compared_too(suite: Suite, alone: bool) -> None:
    """Another test that sends the same from the same line changes nothing."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", AROUND)
    before = "" if alone else "def test_before():\n    name(1)\n"
    done = suite.run(
        before + "@thrice\ndef test_it(key=0):\n    name(key)\n",
        "--querybudget=strict",
        head="from app.helpers import *\n",
    )
    assert done.tests["test_it"]["outcome"] == "failed"
    assert done.found("test_it") == ["NO_N_PLUS_ONE"]


COUNTED = """
import json, sys
import pytest

reads = []

@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    from pytest_querybudget.capture import finder
    read = finder.read

    def counted(reader, shape, own, position, above):
        reads.append(sys.gettrace() is not None)
        return read(reader, shape, own, position, above + 1)

    finder.read = counted

def pytest_unconfigure():
    with open("reads.json", "w") as file:
        json.dump(reads, file)
"""


def test_a_loop_of_the_test_is_known_by_a_look(suite: Suite) -> None:
    """What the test sends again by the same way is read at the first send and at the second, but for a tracer."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", AROUND)
    suite.write("conftest.py", COUNTED)
    done = suite.run(
        "def test_it():\n    for key in range(9):\n        name(key)\n",
        head="from app.helpers import *\n",
        subprocess=True,
    )
    assert done.tests["test_it"]["outcome"] == "passed"
    reads = json.loads((suite.pytester.path / "reads.json").read_text())
    assert len(reads) == (9 if any(reads) else 2)
