"""Without a global interpreter lock nothing is lost between the reads and the writes of a counter."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.capture.audit import Sight
from pytest_querybudget.capture.sessions import Sessions
from pytest_querybudget.recording.reads import Loaded

pytestmark = pytest.mark.skipif(
    getattr(sys, "_is_gil_enabled", lambda: True)(), reason="a global interpreter lock keeps threads apart"
)
THREADS, TIMES = 8, 2000
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n"


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Let all threads begin at the same time."""
    barrier = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda number: (barrier.wait(60), work(number))[1], range(THREADS)))


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    """One database for each thread, so that they wait for nothing but the plugin."""
    made = [
        create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        for _ in range(THREADS)
    ]
    yield made
    for each in made:
        each.dispose()


def each_row(connection: Connection) -> None:
    for _ in range(5):
        for _row in connection.execute(text(NUMBERS)):
            pass


def all_at_once(connection: Connection) -> None:
    for result in [connection.execute(text("SELECT 1")) for _ in range(TIMES)]:
        result.all()


def the_first(connection: Connection) -> None:
    for result in [connection.execute(text("SELECT 1")) for _ in range(TIMES)]:
        result.fetchone()


@pytest.mark.parametrize(
    ("ask", "count", "rows", "most"),
    [(each_row, 5, 10_000, 2000), (all_at_once, TIMES, TIMES, 1), (the_first, TIMES, TIMES, 1)],
)
def test_rows(engines: list[Engine], ask: Callable[[Connection], None], count: int, rows: int, most: int) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(each.connect()) for each in engines]
        with query_budget(max_queries=10**6) as recording:
            at_once(lambda number: ask(connections[number]))
    (found,) = recording.statements()
    assert (found.count, found.rows, found.max_rows) == (THREADS * count, THREADS * rows, most)


def take(engine: Engine) -> None:
    for _ in range(TIMES):
        with engine.connect():
            pass


def test_checkouts(engines: list[Engine]) -> None:
    with query_budget(max_connections=THREADS) as recording:
        at_once(lambda number: take(engines[number]))
    assert recording.checkouts == {"call": THREADS * TIMES}
    assert recording.connects == {"call": THREADS}
    # One place is one entry, whichever thread came there first.
    assert list(recording.connections.taken.values()) == [THREADS * TIMES]


def test_a_row_that_waits_for_another_thread_keeps_it_from_nothing(engines: list[Engine]) -> None:
    """The first row of what streams is fetched with the statement: in a database it may wait for a lock."""
    asked, sent = threading.Event(), threading.Event()
    found = []

    def wait(number: int) -> int:
        if number == 2:
            asked.set()
            found.append(sent.wait(10))
        return number

    def send(connection: Connection) -> None:
        asked.wait(10)
        connection.execute(text("SELECT 1")).all()
        sent.set()

    numbers = text("(SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3)")
    with engines[0].connect() as one, engines[1].connect() as other, ThreadPoolExecutor(1) as pool:
        one.connection.dbapi_connection.create_function("wait", 1, wait)  # type: ignore[union-attr]
        with query_budget(max_queries=2) as recording:
            done = pool.submit(send, other)
            streaming = one.execution_options(stream_results=True)
            rows = streaming.execute(select(func.wait(text("n"))).select_from(numbers)).all()
            done.result()
    assert (len(rows), found) == (3, [True])
    assert sorted((each.count, each.rows) for each in recording.statements()) == [(1, 1), (1, 3)]


def test_each_session_and_each_flush_has_a_number_of_its_own() -> None:
    sessions = Sessions(lambda: (), lambda _: None)

    def number(_: int) -> list[tuple[int, int]]:
        found = []
        for _time in range(TIMES):
            session = Session()
            sessions.on_flush(session)
            scope = sessions._of(session)
            found.append((scope.serial, scope.flush))
        return found

    found = [each for those in at_once(number) for each in those]
    for each in zip(*found, strict=True):
        assert Counter(each).most_common(1)[0][1] == 1


def test_objects_that_the_audit_watches() -> None:
    class Thing:
        pass

    facts = Loaded(entity="Thing", label="Thing", path=(), how="query")
    sight = Sight(facts, None, -1)  # type: ignore[arg-type]
    things = [[Thing() for _ in range(TIMES)] for _ in range(THREADS)]
    at_once(lambda number: [sight.take(each) for each in things[number]])
    assert facts.fresh == THREADS * TIMES
    sight.over = True
