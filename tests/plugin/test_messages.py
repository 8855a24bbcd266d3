"""Who answers one message after the other repeats nothing: whoever sends the messages decides how many there are."""

from __future__ import annotations

from tests.plugin.suites import HEAD, Suite

SERVICE = """
import asyncio, queue, threading, time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import StaticPool
from shop import Base, Customer

engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
lock = threading.Lock()
current = ContextVar("current", default=1)

def find(key):
    with lock, engine.connect() as connection:
        return connection.execute(select(Customer.name).where(Customer.id == key)).scalar()

def add(key):
    with lock, engine.begin() as connection:
        connection.execute(insert(Customer).values(id=key, name="x"))

def queued(keys, done):
    inbox = queue.Queue()
    for key in (*keys, done):
        inbox.put(key)
    return inbox

# Each waits for who sends the next message, or for the time to come.
def worker():
    inbox = queued((1, 2, 3), None)
    while True:
        key = inbox.get()
        if key is None:
            return
        find(key)
def worker_that_gives_up():
    inbox = queued((1, 2, 3), None)
    while (key := inbox.get(timeout=5)) is not None:
        find(key)
def worker_in_a_thread():
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
def worker_that_polls():
    inbox = queued((1, 2, 3), None)
    while (key := inbox.get_nowait()) is not None:
        find(key)
def heartbeat():
    beats = 0
    while True:
        beats += 1
        add(beats + 100)
        if beats == 3:
            break
        time.sleep(0.001)
def heartbeat_until_stopped():
    stop = threading.Event()
    beats = 0
    while not stop.wait(0.001):
        beats += 1
        add(beats + 200)
        if beats == 3:
            stop.set()
def asynchronous_consumer():
    async def consume(inbox):
        while (key := await asyncio.wait_for(inbox.get(), 5)) is not None:
            find(key)
    async def main():
        inbox = asyncio.Queue()
        task = asyncio.create_task(consume(inbox))
        await inbox.put(1)
        await inbox.put(2)
        await inbox.put(None)
        await task
    asyncio.run(main())
def line_by_line():
    async def main():
        reader = asyncio.StreamReader()
        reader.feed_data(b"1\\n2\\n3\\n")
        reader.feed_eof()
        while line := await reader.readline():
            find(int(line))
    asyncio.run(main())
def socket_that_yields():
    class Socket:
        async def iter_text(self):
            for key in "123":
                yield key
    async def main(websocket):
        async for key in websocket.iter_text():
            find(int(key))
    asyncio.run(main(Socket()))
def dispatcher():
    inbox = queued((1, 2, 3), None)
    def serve(pool):
        while (key := inbox.get()) is not None:
            pool.submit(find, key)
    with ThreadPoolExecutor(2) as pool:
        serve(pool)
def asynchronous_dispatcher():
    async def answer(key):
        await asyncio.sleep(0)
        find(key)
    async def serve(inbox):
        tasks = set()
        while True:
            key = await inbox.get()
            if key is None:
                break
            tasks.add(asyncio.create_task(answer(key)))
        await asyncio.gather(*tasks)
    async def main():
        inbox = asyncio.Queue()
        inbox.put_nowait(1)
        inbox.put_nowait(2)
        inbox.put_nowait(None)
        await serve(inbox)
    asyncio.run(main())

# Each goes through what there is.
def each_of_a_list():
    keys = [1, 2, 3]
    while keys:
        find(keys.pop())
def each_slowly():
    for key in (1, 2, 3):
        find(key)
        time.sleep(0)
def each_of_a_message():
    inbox = queued([(1, 2, 3)], None)
    while (keys := inbox.get()) is not None:
        for key in keys:
            find(key)
def each_with_patience():
    keys = [1, 2, 3]
    while keys:
        try:
            find(keys.pop())
        except OSError:
            time.sleep(1)
def each_at_a_rate():
    keys = [1, 2, 3]
    while keys:
        find(keys.pop())
        time.sleep(0.001)
def each_for_a_user():
    keys = [1, 2, 3]
    while keys:
        user = current.get()
        find(keys.pop())
def each_in_a_comprehension():
    inbox = queued([(1, 2, 3)], None)
    while (keys := inbox.get()) is not None:
        names = [find(key) for key in keys]
def each_by_workers_with_threads():
    async def work(inbox):
        while True:
            key = await inbox.get()
            await asyncio.to_thread(find, key)
            inbox.task_done()
    async def main():
        inbox = asyncio.Queue()
        for key in (1, 2, 3):
            inbox.put_nowait(key)
        workers = [asyncio.create_task(work(inbox)) for _ in range(2)]
        await inbox.join()
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    asyncio.run(main())
def each_handed_on():
    inbox = queue.Queue()
    with ThreadPoolExecutor(2) as pool:
        for key in (1, 2, 3):
            inbox.put(key)
        found = []
        while not inbox.empty():
            found.append(pool.submit(find, inbox.get()))
        return [each.result() for each in found]
def each_of_a_queue():
    inbox = queue.Queue()
    for key in (1, 2, 3):
        inbox.put(key)
    while not inbox.empty():
        find(inbox.get())
def each_by_workers():
    async def work(inbox):
        while not inbox.empty():
            find(inbox.get_nowait())
            await asyncio.sleep(0)
    async def main():
        inbox = asyncio.Queue()
        for key in (1, 2, 3):
            inbox.put_nowait(key)
        await asyncio.gather(work(inbox), work(inbox))
    asyncio.run(main())
def each_of_a_cache():
    cache, key = {1: 2, 2: 3, 3: None}, 1
    while key is not None:
        find(key)
        key = cache.get(key)
def each_letting_others_run():
    async def main():
        keys = [1, 2, 3]
        while keys:
            find(keys.pop())
            await asyncio.sleep(0)
    asyncio.run(main())
def each_of_a_stream():
    async def keys():
        for key in (1, 2, 3):
            yield key
    async def main():
        async for key in keys():
            find(key)
    asyncio.run(main())
def each_line_of_a_file():
    import io
    file = io.StringIO("1\\n2\\n3\\n")
    while line := file.readline():
        find(int(line))
def each_of_a_message_at_once():
    inbox = queued([(1, 2, 3)], None)
    with ThreadPoolExecutor(2) as pool:
        while (keys := inbox.get()) is not None:
            list(pool.map(find, keys))
def each_as_completed():
    async def load(key):
        await asyncio.sleep(0)
        return key
    async def main():
        pending = {asyncio.ensure_future(load(key)) for key in (1, 2, 3)}
        while pending:
            done, pending = await asyncio.wait(pending)
            for each in done:
                find(each.result())
    asyncio.run(main())
"""
ANSWERING = """worker worker_that_gives_up worker_in_a_thread worker_that_polls heartbeat
heartbeat_until_stopped asynchronous_consumer line_by_line
socket_that_yields dispatcher asynchronous_dispatcher""".split()
LOOPS = """each_of_a_list each_slowly each_of_a_message each_with_patience each_at_a_rate each_for_a_user
each_in_a_comprehension each_by_workers_with_threads each_handed_on each_of_a_queue each_by_workers each_of_a_cache each_letting_others_run each_of_a_stream
each_line_of_a_file each_of_a_message_at_once each_as_completed""".split()


def test_each_message_is_one_of_its_own(suite: Suite) -> None:
    """What a loop takes from somebody else is answered one by one; what it has is asked for at once."""
    suite.write("app/__init__.py", "")
    suite.write("app/service.py", SERVICE)
    names = [*ANSWERING, *LOOPS]
    done = suite.run(
        f"""
        @pytest.mark.parametrize("name", {names!r})
        def test_it(name):
            getattr(service, name)()
        """,
        head=HEAD + "from app import service\n",
    )
    found = {name: [each["rule"] for each in test["findings"]] for name, test in done.tests.items()}
    expected = {f"test_it[{name}]": ["no_n_plus_one"] if name in LOOPS else [] for name in names}
    assert {test["outcome"] for test in done.tests.values()} == {"passed"}
    assert found == expected


# What a test starts: its lines, and whether it does so in a loop.
STARTS = {
    "threads one by one": (
        "first, second = thread(1), thread(2); first.start(); second.start(); first.join(); second.join()",
        False,
    ),
    "futures one by one": (
        "first, second = pool.submit(find, 1), pool.submit(find, 2); first.result(); second.result()",
        False,
    ),
    "tasks one by one": ("first, second = task(1), task(2); await first; await second", False),
    "tasks at once": ("await asyncio.gather(task(1), task(2))", False),
    "threads in a loop": ("for each in map(thread, (1, 2)): each.start(); each.join()", True),
    "futures in a loop": ("for key in (1, 2): pool.submit(find, key).result()", True),
    "tasks in a loop": ("for each in [task(key) for key in (1, 2)]: await each", True),
    "tasks gathered from a loop": ("await asyncio.gather(*[asyncio.to_thread(find, key) for key in (1, 2)])", True),
}


def test_a_test_that_starts_several(suite: Suite) -> None:
    """A test that declares the rule is told of its own loop, and of two lines that they are two, at any time."""
    suite.write("app/__init__.py", "")
    suite.write("app/service.py", SERVICE)
    tests = "".join(
        f"""
        @pytest.mark.no_n_plus_one
        @pytest.mark.asyncio
        @pytest.mark.parametrize("again", range(5))
        async def test_{name.replace(" ", "_")}(again):
            {work}
        """
        for name, (work, _) in STARTS.items()
    )
    done = suite.run(
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        from threading import Thread
        from app.service import find
        pool = ThreadPoolExecutor(2)
        def thread(key):
            return Thread(target=find, args=(key,))
        def task(key):
            return asyncio.create_task(asyncio.to_thread(find, key))
        """
        + tests
    )
    outcomes = {name.partition("[")[0]: set() for name in done.tests}
    for name, test in done.tests.items():
        outcomes[name.partition("[")[0]].add(test["outcome"])
    assert outcomes == {
        f"test_{name.replace(' ', '_')}": {"failed" if is_loop else "passed"} for name, (_, is_loop) in STARTS.items()
    }
