"""What runs is recognised in the source of what started it: a method, a lambda, an instance, what a helper is given."""

from __future__ import annotations

import sys

import pytest

from tests.plugin.suites import HEAD, Suite

WORK = """
import asyncio, contextvars, threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from sqlalchemy import create_engine, select
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
def results(futures):
    return [each.result() for each in futures]

class Case:
    def __init__(self, first=1):
        self.first = first
    def run(self, key): return find(key)
    def first_one(self): return find(self.first)
    def submit(self, key): return find(key)
    def __call__(self, key): return find(key)
class Task:
    async def run(self, key): return await get(key)
    async def get(self, key): return await get(key)
    async def __call__(self, key): return await get(key)
class Job:
    def __init__(self, key):
        self.key = key
    def run(self): return find(self.key)
def run(key): return find(key)

# A loop on one line.
async def each_by_a_for_on_one_line():
    tasks = []
    for key in (1, 2): tasks.append(asyncio.create_task(get(key)))
    return await asyncio.gather(*tasks)
async def each_by_a_for_whose_call_has_lines():
    tasks = []
    for key in (1, 2): tasks.append(asyncio.create_task(
        get(key)
    ))
    return await asyncio.gather(*tasks)
async def each_by_a_while_on_one_line():
    keys, tasks = [1, 2], []
    while keys: tasks.append(asyncio.create_task(get(keys.pop())))
    return await asyncio.gather(*tasks)
async def each_submitted_on_one_line():
    futures = []
    with ThreadPoolExecutor(2) as pool:
        for key in (1, 2): futures.append(pool.submit(find, key))
        return results(futures)
async def two_beside_a_comprehension():
    for attempt in range(3):
        try:
            return [str(each) for each in await asyncio.gather(get(1), get(2))]
        except LookupError:
            continue
async def two_searched_on_one_line():
    for key in (1, 3): return await asyncio.gather(get(key), get(2))

# A method that is called as what runs a function.
async def each_mapped_to_run():
    case = Case()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(case.run, (1, 2)))
async def each_submitted_to_run():
    case = Case()
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(case.run, key) for key in (1, 2)])
async def each_submitted_to_a_function_called_run():
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(run, key) for key in (1, 2)])
async def each_submitted_to_submit():
    case = Case()
    return await asyncio.gather(*[asyncio.to_thread(case.submit, key) for key in (1, 2)])
async def each_in_a_context():
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(contextvars.copy_context().run, find, key) for key in (1, 2)])
async def each_in_a_context_of_an_executor():
    ctx, loop = contextvars.copy_context, asyncio.get_running_loop()
    return await asyncio.gather(*[loop.run_in_executor(None, ctx().run, find, key) for key in (1, 2)])
async def each_in_a_named_context():
    futures = []
    with ThreadPoolExecutor(2) as pool:
        for key in (1, 2):
            context = contextvars.copy_context()
            futures.append(pool.submit(context.run, partial(find, key)))
        return results(futures)
async def two_submitted_to_run():
    case = Case()
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(case.run, 1), pool.submit(case.run, 2)])
async def two_in_a_context():
    with ThreadPoolExecutor(2) as pool:
        buyer = pool.submit(contextvars.copy_context().run, find, 1)
        seller = pool.submit(contextvars.copy_context().run, find, 2)
        return buyer.result(), seller.result()

# A method of an object that is made once.
async def each_gathered_of_run():
    task = Task()
    return await asyncio.gather(*[task.run(key) for key in (1, 2)])
async def each_gathered_of_run_by_a_helper():
    return await run_all(Task(), (1, 2))
async def run_all(task, keys):
    return await asyncio.gather(*[task.run(key) for key in keys])
async def each_run_beside_asyncio_run():
    return await asyncio.to_thread(run_at_once)
def run_at_once():
    return asyncio.run(threads_that_run())
async def threads_that_run():
    case = Case()
    return await asyncio.gather(*[asyncio.to_thread(case.run, key) for key in (1, 2)])
async def two_gathered_of_run():
    task = Task()
    return await asyncio.gather(task.run(1), task.run(2))
async def two_jobs():
    jobs = [Job(1), Job(2)]
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(job.run) for job in jobs])

# An instance that is called, or a method by another name.
async def each_of_an_alias():
    find_one = Task().get
    return await asyncio.gather(*[find_one(key) for key in (1, 2)])
async def each_of_an_alias_in_turn():
    find_one = Task().get
    for key in (1, 2):
        await asyncio.create_task(find_one(key))
async def two_of_an_alias():
    find_one = Task().get
    return await asyncio.gather(find_one(1), find_one(2))
async def two_of_an_alias_that_are_tried_again():
    find_one = Task().get
    for attempt in range(3):
        try:
            return await asyncio.gather(find_one(1), find_one(2))
        except LookupError:
            continue
async def two_that_are_gathered_in_a_loop():
    tasks = [asyncio.create_task(get(1)), asyncio.create_task(get(2))]
    for _ in range(2):
        answers = asyncio.gather(*tasks)
        await answers
async def each_gathered_of_an_instance():
    task = Task()
    return await asyncio.gather(*[task(key) for key in (1, 2)])
async def each_gathered_of_an_instance_by_map():
    task = Task()
    return await asyncio.gather(*map(task, (1, 2)))
async def each_mapped_to_an_instance():
    case = Case()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(case, (1, 2)))
async def each_of_an_alias_that_is_tried_again():
    find_one = Task().get
    for attempt in range(3):
        try:
            return await asyncio.gather(*[find_one(key) for key in (1, 2)])
        except LookupError:
            continue
async def two_gathered_of_an_instance():
    task = Task()
    return await asyncio.gather(task(1), task(2))
async def two_submitted_to_an_instance():
    case = Case()
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(case, 1), pool.submit(case, 2)])
async def two_of_an_instance_that_are_tried_again():
    task = Task()
    for attempt in range(3):
        try:
            return await asyncio.gather(task(1), task(2))
        except LookupError:
            continue

# What a helper is given.
def in_parallel(function, items):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))
class Parallel:
    def map(self, items, function):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(function, items))
async def at_once(function, items):
    return await asyncio.gather(*[function(each) for each in items])
async def some_at_once(function, items):
    limit = asyncio.Semaphore(2)
    async def one(item):
        async with limit:
            return await function(item)
    return await asyncio.gather(*(one(each) for each in items))
async def some_in_threads(function, items):
    limit = asyncio.Semaphore(2)
    async def one(item):
        async with limit:
            return await asyncio.to_thread(function, item)
    return await asyncio.gather(*(one(each) for each in items))
def all_submitted(function, items):
    with ThreadPoolExecutor(2) as pool:
        return results([pool.submit(function, each) for each in items])
async def both_at_once(function, first, other):
    async def one(item):
        return await function(item)
    return await asyncio.gather(one(first), one(other))
async def each_that_a_helper_maps():
    return in_parallel(find, (1, 2))
async def each_of_a_method_that_a_helper_maps():
    return in_parallel(Case().run, (1, 2))
async def each_of_a_lambda_that_a_helper_maps():
    return in_parallel(lambda key: find(key), (1, 2))
async def each_of_a_partial_that_a_helper_maps():
    return in_parallel(function=partial(find), items=(1, 2))
async def each_of_a_kept_partial_that_a_helper_maps():
    work = partial(find)
    return in_parallel(work, (1, 2))
async def each_that_a_method_maps():
    return Parallel().map((1, 2), lambda key: find(key))
async def each_of_a_lambda_that_a_helper_gathers():
    return await at_once(lambda key: get(key), (1, 2))
async def each_that_a_helper_limits():
    return await some_at_once(Task().get, (1, 2))
async def each_in_a_thread_that_a_helper_limits():
    return await some_in_threads(Case().run, (1, 2))
def call(function): return function()
async def call_later(function): return await function()
async def two_that_a_helper_calls():
    return in_parallel(call, [partial(find, 1), partial(find, 2)])
async def two_that_a_lambda_calls():
    return in_parallel(lambda each: each(), [partial(find, 1), partial(find, 2)])
async def two_that_a_method_calls():
    return Parallel().map([partial(find, 1), partial(find, 2)], call)
async def two_lambdas_that_a_helper_gathers():
    return await at_once(lambda each: each(), [lambda: get(1), lambda: get(2)])
async def two_kept_that_a_helper_calls():
    calls = [partial(find, 1), partial(find, 2)]
    return in_parallel(call, calls)
async def two_that_a_helper_limits():
    return await both_at_once(Task().get, 1, 2)
async def two_calls_that_a_helper_limits():
    return await some_at_once(call, [partial(get, 1), partial(get, 2)])
async def two_calls_in_turn_that_a_helper_limits():
    return await some_at_once(call_later, [partial(get, 1), partial(get, 2)])
async def two_in_threads_that_a_helper_limits():
    return await some_in_threads(call, [partial(find, 1), partial(find, 2)])
async def two_that_a_helper_submits():
    return all_submitted(call, [partial(find, 1), partial(find, 2)])
"""
NAMES = [
    line.split()[2].partition("(")[0]
    for line in WORK.splitlines()
    if line.startswith(("async def each", "async def two"))
]
if sys.version_info < (3, 11):
    # The code of a method does not tell its class.
    UNTOLD = {
        "each_gathered_of_an_instance_by_map",
        "each_gathered_of_an_instance",
        "each_mapped_to_an_instance",
        "two_jobs",
    }
    NAMES = [each for each in NAMES if each not in UNTOLD]


@pytest.mark.parametrize("beside", [False, True])
def test_what_runs_is_recognised(suite: Suite, *, beside: bool) -> None:
    """Two that are written down one by one are none, a loop is one: by what name ever, and whatever runs beside it."""
    suite.write("app/__init__.py", "")
    suite.write("app/work.py", WORK)
    done = suite.run(
        f"""
        async def other():
            while True:
                await asyncio.sleep(0.01)
        @pytest.mark.asyncio
        @pytest.mark.parametrize("name", {NAMES!r})
        async def test_it(name):
            others = [asyncio.create_task(other()) for _ in range({int(beside)})]
            await asyncio.sleep(0)
            await getattr(work, name)()
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        """,
        head=HEAD + "import asyncio\nfrom app import work\n",
    )
    assert {test["outcome"] for test in done.tests.values()} == {"passed"}
    found = {name for name in NAMES if done.tests[f"test_it[{name}]"]["findings"]}
    expected = {name for name in NAMES if name.startswith("each")}
    assert (sorted(found - expected), sorted(expected - found)) == ([], [])
