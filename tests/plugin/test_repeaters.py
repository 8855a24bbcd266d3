"""Who repeats a statement where something lies in between: an event loop, a server, a retry, a web client."""

from __future__ import annotations

import pytest

from tests.plugin.suites import HEAD, Suite

WORK = """
import asyncio, threading, urllib.request
from contextlib import AsyncExitStack, ExitStack, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
import anyio
from sqlalchemy import insert, select
from shop import Customer, Session, connect, Base

engine = connect()
Base.metadata.create_all(engine)

def find(key):
    with engine.connect() as connection:
        return connection.execute(select(Customer.name).where(Customer.id == key)).scalar()
async def get(key):
    return find(key)
def note(text):
    with engine.begin() as connection:
        connection.execute(insert(Customer).values(name=text))
async def both():
    return await asyncio.gather(get(1), get(2))
async def each():
    return await asyncio.gather(*[get(key) for key in (1, 2, 3)])
async def each_in_turn():
    for key in (1, 2, 3):
        await asyncio.create_task(get(key))

# An event loop of the application's.
def command():
    return asyncio.run(both())
def command_of_each():
    return asyncio.run(each())
def command_of_each_in_turn():
    return asyncio.run(each_in_turn())
def anyio_command():
    return anyio.run(both)
def anyio_command_of_each():
    return anyio.run(each)
def loop_command():
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(both())
    finally:
        loop.close()
def commands_of_each():
    return [asyncio.run(get(key)) for key in (1, 2, 3)]
def mapped_commands():
    return list(map(lambda key: asyncio.run(get(key)), (1, 2, 3)))

# A stack of contexts.
def exits():
    with ExitStack() as stack:
        stack.callback(find, 1)
        stack.callback(find, 2)
async def exits_later():
    async with AsyncExitStack() as stack:
        stack.push_async_callback(get, 1)
        stack.push_async_callback(get, 2)
def run_exits_later():
    asyncio.run(exits_later())
def exits_of_each():
    for key in (1, 2, 3):
        with ExitStack() as stack:
            stack.callback(find, key)

# Once more after a failure.
def retried(function):
    def inner(*arguments):
        for attempt in range(3):
            try:
                return function(*arguments)
            except LookupError:
                if attempt == 2:
                    return None
    return inner
@retried
def charge():
    raise LookupError(find(1))
attempts = iter(range(99))
@retried
def charge_another():
    raise LookupError(find(next(attempts)))
def noted():
    for attempt in range(3):
        try:
            note(str(attempt))
            return fail()
        except LookupError:
            continue
def fail():
    raise LookupError
def suppressed():
    for attempt in range(3):
        with suppress(LookupError):
            note(str(attempt))
            return fail()
def each_tried():
    found = []
    for key in (1, 2, 3):
        try:
            found.append(find(key))
        except LookupError:
            continue
    return found
def each_found_in_turn():
    return list(map(find, (1, 2, 3)))

# A server in a thread.
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        for key in self.path[1:].split("-"):
            find(int(key))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
class Served:
    def __init__(self, turns=None):
        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.turns = turns
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
    def serve(self):
        if self.turns is None:
            self.http.serve_forever(0.01)
        for _ in range(self.turns or 0):
            self.http.handle_request()
    def ask(self, path):
        urllib.request.urlopen(f"http://127.0.0.1:{self.http.server_port}/{path}").read()
    def stop(self):
        if self.turns is None:
            self.http.shutdown()
        self.thread.join()
        self.http.server_close()
def requests_of_one(turns=None):
    served = Served(turns)
    served.ask("1"), served.ask("2")
    served.stop()
def requests_in_turn():
    requests_of_one(2)
def a_request_of_each():
    served = Served()
    served.ask("1-2-3")
    served.stop()
"""
CLEAN = """command anyio_command loop_command exits run_exits_later charge charge_another noted suppressed requests_of_one
    requests_in_turn""".split()
LOOPS = """command_of_each command_of_each_in_turn anyio_command_of_each commands_of_each mapped_commands exits_of_each each_tried
    each_found_in_turn a_request_of_each""".split()


@pytest.mark.parametrize("marker", ["", "@pytest.mark.no_n_plus_one"])
def test_what_lies_between_a_function_and_what_it_repeats(suite: Suite, marker: str) -> None:
    """An event loop, a server and a stack of contexts call several in turn, and a retry is no loop."""
    suite.write("app/__init__.py", "")
    suite.write("app/work.py", WORK)
    done = suite.run(
        f"""
        {marker}
        @pytest.mark.parametrize("name", {[*CLEAN, *LOOPS]!r})
        def test_it(name):
            getattr(work, name)()
        {marker}
        @pytest.mark.parametrize("name", ["both", "each", "each_in_turn"])
        def test_run(name):
            asyncio.run(getattr(work, name)())
        """,
        "--querybudget=strict",
        head=HEAD + "import asyncio\nfrom app import work\n",
    )
    found = {name: [(each["rule"], each["count"]) for each in test["findings"]] for name, test in done.tests.items()}
    expected = {f"test_it[{name}]": [("no_n_plus_one", 3)] if name in LOOPS else [] for name in [*CLEAN, *LOOPS]}
    expected |= {"test_run[both]": []}
    expected |= {key: [("no_n_plus_one", 3)] for key in ["test_run[each]", "test_run[each_in_turn]"]}
    assert found == expected
    failed = {name for name, test in done.tests.items() if test["outcome"] == "failed"}
    assert failed == {name for name, findings in expected.items() if findings}


WEB = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
import anyio
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import create_engine, select
from shop import Base, Customer

web = FastAPI()
engine = create_engine("sqlite:///shop.db", connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)

def find(key):
    with engine.connect() as connection:
        return connection.execute(select(Customer.name).where(Customer.id == key)).scalar()

@web.middleware("http")
async def middleware(request, call_next):
    return await call_next(request)

@web.get("/one")
async def one():
    return await run_in_threadpool(find, 1)
@web.get("/two")
async def two():
    return [await run_in_threadpool(find, 1), await run_in_threadpool(find, 2)]
@web.get("/two_to_threads")
async def two_to_threads():
    return await asyncio.gather(asyncio.to_thread(find, 1), asyncio.to_thread(find, 2))
@web.get("/two_submitted")
def two_submitted():
    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in (pool.submit(find, 1), pool.submit(find, 2))]

@web.get("/each")
async def each():
    return [await run_in_threadpool(find, key) for key in (1, 2, 3)]
@web.get("/each_gathered")
async def each_gathered():
    return await asyncio.gather(*[run_in_threadpool(find, key) for key in (1, 2, 3)])
@web.get("/each_to_a_thread")
async def each_to_a_thread():
    return await asyncio.gather(*[asyncio.to_thread(find, key) for key in (1, 2, 3)])
@web.get("/each_soon")
async def each_soon():
    async with anyio.create_task_group() as group:
        for key in (1, 2, 3):
            group.start_soon(anyio.to_thread.run_sync, find, key)
@web.get("/each_mapped")
def each_mapped():
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(find, (1, 2, 3)))
"""
TWO = ["one", "two", "two_to_threads", "two_submitted"]
EACH = ["each", "each_gathered", "each_to_a_thread", "each_soon", "each_mapped"]


def test_an_endpoint_that_starts_threads(suite: Suite) -> None:
    """Its loop is found whatever client asks, in whatever thread it runs; several requests are none."""
    suite.write("app/__init__.py", "")
    suite.write("app/web.py", WEB)
    done = suite.run(
        f"""
        import asyncio, httpx, warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from fastapi.testclient import TestClient
        everyone = pytest.mark.parametrize("name", {[*TWO, *EACH]!r})

        @everyone
        @pytest.mark.no_n_plus_one
        def test_client(name):
            assert TestClient(web).get("/" + name).status_code == 200
        @everyone
        @pytest.mark.no_n_plus_one
        def test_client_in_a_loop(name):
            with TestClient(web) as client:
                for _ in range(2):
                    assert client.get("/" + name).status_code == 200
        @everyone
        @pytest.mark.no_n_plus_one
        @pytest.mark.asyncio
        async def test_at_once(name):
            transport = httpx.ASGITransport(app=web)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                answers = await asyncio.gather(*[client.get("/" + name) for _ in range(3)])
            assert all(each.status_code == 200 for each in answers)
        """,
        head=HEAD + "from app.web import web\n",
    )
    found = {name: [each["rule"] for each in test["findings"]] for name, test in done.tests.items()}
    times = {"test_client": 1, "test_client_in_a_loop": 2, "test_at_once": 3}
    assert found == {
        f"{test}[{name}]": ["no_n_plus_one"] if name in EACH else [] for test in times for name in [*TWO, *EACH]
    }
    sent = {name: test["phases"]["call"]["queries"] for name, test in done.tests.items()}
    assert sent == {
        f"{test}[{name}]": number * (3 if name in EACH else 1 if name == "one" else 2)
        for test, number in times.items()
        for name in [*TWO, *EACH]
    }


AWAITABLES = """
import asyncio
from sqlalchemy import select
from shop import Customer, engine

class Step:
    \"\"\"A proxy that has any attribute, and returns itself.\"\"\"
    def __init__(self, future):
        self.future, self.begun = future, False
    def __iter__(self):
        return self
    def __next__(self):
        if self.begun:
            raise StopIteration
        self.begun = True
        self.future._asyncio_future_blocking = True
        return self.future
    def __getattr__(self, name):
        return self
class Fluent:
    def __init__(self, future):
        self.future = future
    def __await__(self):
        return Step(self.future)

async def get(key):
    with engine.connect() as connection:
        return connection.execute(select(Customer.name).where(Customer.id == key)).scalar()
async def both():
    future = asyncio.get_running_loop().create_future()
    async def wait():
        await Fluent(future)
    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    await asyncio.gather(get(1), get(2))
    future.set_result(None)
    await waiting
"""


def test_what_is_awaited_may_have_any_attribute(suite: Suite) -> None:
    """Only the language's own coroutines and generators tell what they await."""
    suite.write("app/__init__.py", "")
    suite.write("app/awaitables.py", AWAITABLES)
    done = suite.run(
        "@pytest.mark.asyncio\nasync def test_it():\n    await asyncio.wait_for(both(), 20)\n",
        head=HEAD + "import asyncio\nfrom app.awaitables import both\n",
        subprocess=True,
    )
    assert done.tests["test_it"]["outcome"] == "passed"
    assert done.tests["test_it"]["findings"] == []
