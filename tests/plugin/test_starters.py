"""Who has started the threads or tasks that send the same: a loop of the application, or somebody else."""

from __future__ import annotations

import sys

import pytest

from tests.plugin.suites import HEAD, Suite

WORK = """
import asyncio, threading, time
from functools import partial
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import StaticPool
from shop import Base, Customer

engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
lock = threading.Lock()

def find(key):
    with lock, engine.connect() as connection:
        return connection.execute(select(Customer.name).where(Customer.id == key)).scalar()

async def get(key):
    await asyncio.sleep(0)
    return find(key)

def add(key):
    with lock, engine.begin() as connection:
        connection.execute(insert(Customer).values(id=key, name="x"))

# Each is started by a line of its own.
async def two():
    buyer, seller = await asyncio.gather(get(1), get(2))
    return buyer, seller
async def two_shown():
    return [str(each) for each in await asyncio.gather(get(1), get(2))]
async def two_on_a_sitemap(sitemap=()):
    return sitemap, await asyncio.gather(get(1), get(2))
async def two_and_a_dictionary():
    found = await asyncio.gather(get(1), get(2))
    return [{}.get(each) for each in found]
async def two_and_a_log():
    one, other = asyncio.create_task(get(1)), asyncio.create_task(get(2))
    found = [await one, await other]
    for each in found:
        asyncio.create_task(asyncio.sleep(0, each))
    return found
async def two_and_a_table():
    url_map = {}
    return url_map, await asyncio.gather(get(1), get(2))
async def two_that_the_test_handles():
    return await handle(None)
async def handle(_):
    return await asyncio.gather(get(1), get(2))
async def two_and_the_callers_dictionary():
    answers = await two()
    return [{}.get(each) for each in answers], {}.get(1)
async def two_and_other_threads():
    found = await asyncio.gather(get(1), get(2))
    for each in found:
        await asyncio.to_thread(time.sleep, 0)
async def load(key):
    return await get(key)
async def two_whose_helper_is_called_like_a_method():
    found = await asyncio.gather(load(1), load(2))
    return [{}.get(each) for each in found]
async def two_mapped_to_text():
    return list(map(str, await asyncio.gather(get(1), get(2))))
async def two_in_threads():
    return await asyncio.gather(asyncio.to_thread(find, 1), asyncio.to_thread(find, 2))
async def two_submitted():
    with ThreadPoolExecutor(2) as pool:
        buyer, seller = pool.submit(find, 1), pool.submit(find, 2)
        return [str(each).upper() for each in (buyer.result(), seller.result())]
def map_name(name): return {"name": name}
async def name_mapped(key): return map_name(await asyncio.to_thread(find, key))
async def two_mapped_by_what_is_called_so():
    return await name_mapped(1), await name_mapped(2)
async def words(key): return list(map(str.upper, await asyncio.to_thread(find, key) or ""))
async def two_whose_answers_are_mapped():
    return await words(1), await words(2)
async def at_most(limit, *coroutines):
    semaphore = asyncio.Semaphore(limit)
    async def one(coroutine):
        async with semaphore:
            return await coroutine
    return await asyncio.gather(*(one(each) for each in coroutines))
async def two_by_a_helper_with_a_limit():
    return await at_most(4, get(1), get(2))
async def together(*coroutines):
    tasks = [asyncio.create_task(each) for each in coroutines]
    return [await each for each in tasks]
async def two_by_a_helper_that_starts_each():
    return await together(get(1), get(2))
async def one_after_the_other(*coroutines):
    return [await asyncio.create_task(each) for each in coroutines]
async def two_by_a_helper_that_awaits_each():
    return await one_after_the_other(get(1), get(2))
def run_parallel(*functions):
    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in [pool.submit(one) for one in functions]]
async def two_by_a_helper_with_threads():
    return run_parallel(partial(find, 1), partial(find, 2))
async def two_made_by_one_function():
    def of(key):
        def inner():
            return find(key)
        return inner
    return run_parallel(of(1), of(2))
class Bus:
    def __init__(self):
        self.handlers = []
    def subscribe(self, handler):
        self.handlers.append(handler)
    async def publish(self, event):
        await asyncio.gather(*[asyncio.create_task(each(event)) for each in self.handlers])
async def two_events():
    bus = Bus()
    bus.subscribe(get)
    await bus.publish(1)
    await bus.publish(2)
async def two_that_are_waited_for_in_a_loop():
    pending, found = {asyncio.create_task(get(1)), asyncio.create_task(get(2))}, []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        found += [each.result() for each in done]
    return found
async def find_later(key):
    return await asyncio.to_thread(find, key)
async def two_that_are_undone():
    undo = [lambda: find_later(2)]
    undo.append(lambda: find_later(1))
    for each in reversed(undo):
        await each()
async def poll(key):
    while True:
        found = await asyncio.to_thread(find, key)
        if not found:
            return found
async def two_polls():
    return await poll(1), await poll(2)
async def two_polls_at_once():
    return await asyncio.gather(poll(1), poll(2))
async def two_attempts():
    for attempt in range(3):
        try:
            return await asyncio.to_thread(fail, attempt)
        except LookupError:
            if attempt == 1:
                return None
def fail(attempt):
    raise LookupError(find(attempt))

# Loops.
async def each_through_a_function():
    return [await find_later(key) for key in (1, 2)]
class Repository:
    async def _run(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    def _get(self, key): return find(key)
    async def get(self, key): return await self._run(self._get, key)
async def each_of_a_repository():
    repository, found = Repository(), []
    for key in (1, 2):
        found.append(await repository.get(key))
    return found
async def each_through_a_lambda():
    async def one(key):
        return await asyncio.to_thread(lambda: find(key))
    return [await one(key) for key in (1, 2)]
async def each_through_an_inner_function():
    async def one(key):
        def work():
            return find(key)
        return await asyncio.to_thread(work)
    for key in (1, 2):
        await one(key)
def threaded(function):
    async def wrapper(*arguments):
        return await asyncio.to_thread(function, *arguments)
    return wrapper
@threaded
def decorated(key): return find(key)
async def each_through_a_decorator():
    for key in (1, 2):
        await decorated(key)
async def each_in_time():
    return [await asyncio.wait_for(get(key), 5) for key in (1, 2)]
async def each_by_a_helper_with_a_limit():
    return await at_most(4, *[get(key) for key in (1, 2)])
async def each_by_a_helper_that_starts_each():
    coroutines = [get(key) for key in (1, 2)]
    return await together(*coroutines)
async def each_by_a_helper_with_threads():
    return run_parallel(*[partial(find, key) for key in (1, 2)])
class Users(Repository):
    async def get(self, key): return await super().get(key)
    async def all(self): return await asyncio.gather(*[super(Users, self).get(key) for key in (1, 2)])
async def each_of_the_class_above():
    return await Users().all()
async def each_in_a_comprehension():
    return await asyncio.gather(*[get(key) for key in (1, 2)])
async def each_by_a_generator():
    return await asyncio.gather(*(get(key) for key in (1, 2)))
async def each_by_map():
    return await asyncio.gather(*map(get, (1, 2)))
async def each_as_completed():
    for each in asyncio.as_completed([get(key) for key in (1, 2)]):
        await each
async def each_in_a_thread():
    return await asyncio.gather(*[asyncio.to_thread(find, key) for key in (1, 2)])
async def each_by_a_helper():
    return await at_once([get(key) for key in (1, 2)])
async def at_once(coroutines):
    return await asyncio.gather(*coroutines)
async def each_submitted():
    return in_parallel(find, (1, 2))
def in_parallel(function, keys):
    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in [pool.submit(function, key) for key in keys]]
async def each_mapped():
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda key: find(key), (1, 2)))
async def each_in_a_function_of_its_own():
    limit = asyncio.Semaphore(2)
    async def bounded(key):
        async with limit:
            return await get(key)
    return await asyncio.gather(*[bounded(key) for key in (1, 2)])
async def each_by_a_late_import():
    from app.work import get
    return await asyncio.gather(*[get(key) for key in (1, 2)])
async def each_by_a_lambda():
    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in [pool.submit(lambda: find(key)) for key in (1, 2)]]
class Finding(threading.Thread):
    def __init__(self, key):
        super().__init__()
        self.key = key
    def run(self):
        with lock, engine.connect() as connection:
            connection.execute(select(Customer.name).where(Customer.id == self.key))
async def each_in_a_subclass():
    threads = [Finding(key) for key in (1, 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
async def each_in_a_thread_of_its_own():
    threads = [threading.Thread(target=find, args=(key,)) for key in (1, 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

# What runs beside it.
async def mailer(jobs):
    while True:
        print(await jobs.get())
async def pinger(_):
    while True:
        await asyncio.to_thread(time.sleep, 0.01)
async def worker(jobs):
    while True:
        await get(await jobs.get())
async def refresher(_):
    while True:
        await asyncio.sleep(60)
        await get(1)
async def poller(jobs):
    while True:
        await asyncio.wait_for(jobs.get(), 60)
async def consumer(jobs):
    while True:
        asyncio.create_task(handle(await jobs.get()))
async def process(_):
    await asyncio.sleep(60)
async def busy_consumer(jobs):
    jobs.put_nowait(1)
    while True:
        message = await jobs.get()
        await asyncio.create_task(process(message))
async def timed_consumer(jobs):
    while True:
        try:
            message = await asyncio.wait_for(jobs.get(), 60)
        except asyncio.TimeoutError:
            continue
        asyncio.create_task(process(message))
async def direct_consumer(jobs):
    while True:
        asyncio.create_task(process(await jobs.get()))
async def janitor(jobs):
    config = {"a": 1}
    asyncio.create_task(asyncio.sleep(0))
    while True:
        [config.get(key) for key in config]
        await asyncio.sleep(0.01)
async def timed(_):
    while True:
        start = time.monotonic()
        await get(99)
        await asyncio.sleep(60 - start)
async def waiter(_):
    stop = asyncio.Event()
    while not stop.is_set():
        await get(99)
        await asyncio.wait_for(stop.wait(), 30)
async def server(_):
    await (await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)).serve_forever()
async def group(_):
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(asyncio.sleep(60))
"""
CLEAN = """two two_shown two_on_a_sitemap two_and_a_dictionary two_and_a_log two_and_a_table two_that_the_test_handles
    two_and_the_callers_dictionary two_and_other_threads two_whose_helper_is_called_like_a_method
    two_mapped_to_text two_in_threads two_submitted two_mapped_by_what_is_called_so two_whose_answers_are_mapped
    two_by_a_helper_with_a_limit two_by_a_helper_that_starts_each two_by_a_helper_that_awaits_each
    two_by_a_helper_with_threads two_made_by_one_function two_events two_that_are_waited_for_in_a_loop
    two_that_are_undone two_polls two_polls_at_once two_attempts""".split()
LOOPS = """each_in_a_comprehension each_by_a_generator each_by_map each_as_completed each_in_a_thread each_by_a_helper each_submitted
    each_mapped each_in_a_function_of_its_own each_by_a_late_import each_by_a_lambda each_in_a_thread_of_its_own
    each_through_a_function each_of_a_repository each_through_a_lambda each_through_an_inner_function
    each_through_a_decorator each_in_time each_by_a_helper_with_a_limit each_by_a_helper_that_starts_each
    each_by_a_helper_with_threads each_of_the_class_above""".split()
if sys.version_info >= (3, 11):
    # Before, the code of a method does not tell its class.
    LOOPS.append("each_in_a_subclass")
BESIDE = """mailer pinger worker refresher poller consumer timed waiter server busy_consumer
    timed_consumer direct_consumer janitor""".split()
if sys.version_info >= (3, 11):
    BESIDE.append("group")


def write(suite: Suite) -> None:
    suite.write("app/__init__.py", "")
    suite.write("app/work.py", WORK)


@pytest.mark.parametrize("beside", ["", *BESIDE])
def test_what_runs_beside_it_changes_nothing(suite: Suite, beside: str) -> None:
    """Two that the application wrote down are none, a loop is one, whatever else waits in the event loop."""
    write(suite)
    names = [*CLEAN, *LOOPS]
    done = suite.run(
        f"""
        @pytest.mark.asyncio
        @pytest.mark.parametrize("name", {names!r})
        async def test_it(name):
            others = []
            if {beside!r}:
                others.append(asyncio.create_task(getattr(work, {beside!r})(asyncio.Queue())))
                for _ in range(3):
                    await asyncio.sleep(0)
            await getattr(work, name)()
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        """,
        head=HEAD + "import asyncio\nfrom app import work\n",
    )
    found = {name: [each["rule"] for each in test["findings"]] for name, test in done.tests.items()}
    expected = {f"test_it[{name}]": ["no_n_plus_one"] if name in LOOPS else [] for name in names}
    assert {test["outcome"] for test in done.tests.values()} == {"passed"}
    assert found == expected


@pytest.mark.parametrize("where", ["test", "conftest"])
def test_a_helper_of_the_tests_starts_them(suite: Suite, where: str) -> None:
    """A test that runs the application several times at once is no loop of it."""
    write(suite)
    helpers = """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        def in_turn(function, *keys):
            for each in keys:
                function(each)
        def at_once(function, *keys):
            threads = [threading.Thread(target=function, args=(key,)) for key in keys]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        def in_a_pool(function, *keys):
            with ThreadPoolExecutor(2) as pool:
                return [pool.submit(function, key).result() for key in keys]
        """
    suite.write("conftest.py" if where == "conftest" else "unused.py", helpers)
    done = suite.run(
        (helpers if where == "test" else "\n        from conftest import at_once, in_a_pool, in_turn\n")
        + """
        @pytest.mark.parametrize("run", [in_turn, at_once, in_a_pool])
        @pytest.mark.parametrize("function", [find, add])
        def test_race(run, function, request):
            key = request.node.nodeid.__hash__() % 1000003 * 2
            run(function, key, key + 1)
        """,
        "--querybudget=strict",
        head=HEAD + "from app.work import add, find\n",
    )
    assert {test["outcome"] for test in done.tests.values()} == {"passed"}
    assert [test["phases"]["call"]["queries"] for test in done.tests.values()] == [2] * 6


COUNTED = """
import threading
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from shop import Customer, engine

def forget_and_get_again():
    with Session(engine) as session:
        customer = session.get(Customer, 1)
        session.scalar(select(func.count()).select_from(Customer))
        customer = None  # the identity map is weak: it is forgotten
        session.get(Customer, 1)

class Worker(threading.Thread):
    def run(self):
        with Session(engine) as session:
            customer = session.get(Customer, 1)
            session.scalar(select(func.count()).select_from(Customer))
            customer = None
            session.get(Customer, 1)
class Callable:
    def __call__(self):
        with Session(engine) as session:
            customer = session.get(Customer, 1)
            session.scalar(select(func.count()).select_from(Customer))
            customer = None
            session.get(Customer, 1)

def two_of_a_subclass():
    for each in (Worker(), Worker()):
        each.start()
        each.join()
def two_of_a_callable():
    for each in (threading.Thread(target=Callable()), threading.Thread(target=Callable())):
        each.start()
        each.join()
def two_of_a_function():
    for each in (threading.Thread(target=forget_and_get_again), threading.Thread(target=forget_and_get_again)):
        each.start()
        each.join()
"""


def test_the_application_sends_what_it_sends_without_the_plugin(suite: Suite) -> None:
    """No local of a function that runs is held: the session would not ask again for what has been forgotten."""
    suite.write("app/__init__.py", "")
    suite.write("app/counted.py", COUNTED)
    done = suite.run(
        """
        @pytest.mark.parametrize("name", ["two_of_a_subclass", "two_of_a_callable", "two_of_a_function"])
        def test_it(name):
            getattr(counted, name)()
        """,
        head=HEAD + "from app import counted\n",
    )
    assert [test["phases"]["call"]["queries"] for test in done.tests.values()] == [6] * 3


IN_TURN = """each_through_a_function each_of_a_repository each_through_a_lambda each_through_a_decorator
    two_polls two_polls_at_once two_that_are_undone""".split()


def test_a_tracer_changes_nothing(suite: Suite) -> None:
    """A tracer, as that of coverage, takes the mark off a frame that is resumed."""
    write(suite)
    done = suite.run(
        f"""
        @pytest.mark.parametrize("name", {IN_TURN!r})
        def test_it(name):
            before = sys.gettrace()
            threading.settrace(tracer)
            sys.settrace(tracer)
            try:
                asyncio.run(getattr(work, name)())
            finally:
                sys.settrace(before)
                threading.settrace(before)
        """,
        head=HEAD + "import asyncio, sys, threading\nfrom app import work\ndef tracer(*_):\n    return tracer\n",
    )
    found = {name: [each["rule"] for each in test["findings"]] for name, test in done.tests.items()}
    expected = [name for name in IN_TURN if name in LOOPS]
    assert [name for name in IN_TURN if found[f"test_it[{name}]"]] == expected
