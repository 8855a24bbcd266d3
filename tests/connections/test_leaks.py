"""`no_connection_leaks`: what is still out after a test is an error of its teardown; each leak has a clean twin."""

from __future__ import annotations

import pytest

from tests.plugin.suites import Suite

pytest_plugins = ["pytester"]

HEAD = """
import asyncio, gc, threading, unittest
import pytest
from sqlalchemy import create_engine, event, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool, SingletonThreadPool, StaticPool

pytestmark = [pytest.mark.no_connection_leaks, pytest.mark.filterwarnings("ignore")]
KEPT = []

def ask(connection):
    return connection.execute(text("SELECT 1")).all()

@pytest.fixture(scope="module", autouse=True)
def kept():
    yield
    KEPT.clear()
"""

POOLS = """
@pytest.fixture(params=[QueuePool, NullPool, StaticPool, SingletonThreadPool])
def engine(request, tmp_path):
    made = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=request.param)
    yield made
    made.dispose()

@pytest.fixture(scope="module")
def wide_engine(tmp_path_factory):
    made = create_engine(f"sqlite:///{tmp_path_factory.mktemp('wide')}/a.db", poolclass=QueuePool)
    yield made
    made.dispose()

@pytest.fixture(scope="module")
def wide_connection(wide_engine):
    with wide_engine.connect() as connection:
        yield connection

@pytest.fixture(scope="module")
def wide_session(wide_engine):
    with Session(wide_engine) as session:
        yield session

@pytest.fixture(scope="module")
def registry(wide_engine):
    made = scoped_session(sessionmaker(wide_engine))
    yield made
    made.remove()

@pytest.fixture
def session(wide_engine):
    with Session(wide_engine) as session:
        yield session

@pytest.fixture
def careless(wide_engine):
    KEPT.append(wide_engine.connect())
    return KEPT[-1]
"""

SYNC = """
def test_ok_closed(wide_engine):
    with wide_engine.connect() as connection:
        ask(connection)

def test_ok_each_pool(engine):
    with engine.connect() as connection, Session(engine) as session:
        ask(connection), ask(session)
    with engine.begin() as connection:
        ask(connection)
    raw = engine.raw_connection()
    raw.close()

def test_ok_function_fixture(session):
    ask(session)

def test_ok_wide_connection(wide_connection):
    ask(wide_connection)

def test_ok_wide_session(wide_session):
    ask(wide_session)

def test_ok_wide_session_again(wide_session):
    ask(wide_session)

def test_ok_scoped_session_of_a_fixture(registry):
    ask(registry)

def test_ok_bound_to_a_wide_connection(wide_connection):
    ask(Session(wide_connection))

def test_ok_nested_transactions(wide_engine):
    with Session(wide_engine) as session, session.begin(), session.begin_nested():
        ask(session)

def test_ok_invalidated(wide_engine):
    connection = wide_engine.connect()
    connection.invalidate()
    KEPT.append(connection)

def test_ok_invalidated_and_used_again(wide_engine):
    with wide_engine.connect() as connection:
        connection.invalidate()
        ask(connection)

def test_ok_soft_invalidated(wide_engine):
    with wide_engine.connect() as connection:
        connection.connection._connection_record.invalidate(soft=True)

def test_ok_detached_and_closed(wide_engine):
    connection = wide_engine.connect()
    connection.detach()
    connection.close()

def test_ok_disposed_while_out(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path}/a.db")
    connection = made.connect()
    made.dispose()
    connection.close()

def test_ok_shared_by_two(tmp_path):
    made = create_engine("sqlite://", poolclass=StaticPool)
    first, second = made.connect(), made.connect()
    first.close()
    ask(second)
    second.close()
    third = made.connect()
    third.close()

def test_ok_in_a_thread(wide_engine):
    def work():
        with wide_engine.connect() as connection:
            ask(connection)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def test_ok_refused_checkout(wide_engine):
    def refuse(*_):
        raise RuntimeError
    event.listen(wide_engine, "checkout", refuse)
    with pytest.raises(RuntimeError):
        wide_engine.connect()
    event.remove(wide_engine, "checkout", refuse)

@pytest.mark.xfail(strict=True)
def test_ok_failing(wide_engine):
    connection = wide_engine.connect()
    assert not ask(connection)

@pytest.mark.skip
def test_ok_skipped(wide_engine):
    KEPT.append(wide_engine.connect())

class TestCase(unittest.TestCase):
    def setUp(self):
        self.engine = create_engine("sqlite:////tmp/" "unused.db", poolclass=StaticPool, creator=lambda: __import__("sqlite3").connect(":memory:"))
        self.connection = self.engine.connect()
    def tearDown(self):
        self.connection.close()
    def test_ok_given_back_in_tear_down(self):
        ask(self.connection)

def test_bad_kept(wide_engine):
    KEPT.append(wide_engine.connect())

@pytest.mark.parametrize("pool", [QueuePool, NullPool])
def test_bad_with_each_pool(tmp_path, pool):
    KEPT.append(create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=pool).connect())
    KEPT[-1].engine.dispose()

@pytest.mark.parametrize("pool", [StaticPool, SingletonThreadPool])
def test_bad_with_each_shared_pool(tmp_path, pool):
    KEPT.append(create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=pool).connect())

@pytest.mark.parametrize("pool", [StaticPool, SingletonThreadPool])
def test_ok_closed_by_its_pool(tmp_path, pool):
    KEPT.append(create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=pool).connect())
    KEPT[-1].engine.dispose()

def test_bad_session(wide_engine):
    session = Session(wide_engine)
    ask(session)
    KEPT.append(session)

def test_bad_session_in_a_cycle(wide_engine):
    ask(Session(wide_engine))

def test_bad_collected(wide_engine):
    wide_engine.connect()

def test_bad_detached(wide_engine):
    KEPT.append(wide_engine.connect())
    KEPT[-1].detach()

def test_bad_raw(wide_engine):
    KEPT.append(wide_engine.raw_connection())

def test_bad_function_fixture(careless):
    ask(careless)

def test_bad_in_a_thread(wide_engine):
    thread = threading.Thread(target=lambda: KEPT.append(wide_engine.connect()))
    thread.start()
    thread.join()

def test_bad_shared_by_two():
    made = create_engine("sqlite://", poolclass=StaticPool)
    first, second = made.connect(), made.connect()
    first.close()
    KEPT.append(second)

def test_bad_on_the_way_out(wide_engine):
    def transcript(known):
        session = Session(wide_engine)
        if not known:
            ask(session)
            return None
        session.close()
    KEPT.append(wide_engine)
    transcript(True)
    transcript(False)

class TestBad(unittest.TestCase):
    def test_bad_in_a_test_case(self):
        KEPT.append(create_engine("sqlite://", poolclass=StaticPool).connect())
"""

SETUPS = """
engine = create_engine("sqlite:///file:x?mode=memory&cache=shared&uri=true", poolclass=QueuePool)

def setup_module(module):
    module.opened = Session(engine)

def teardown_module(module):
    module.opened.close()

class TestSetupClass:
    def setup_class(cls):
        cls.session = Session(engine)
    def teardown_class(cls):
        cls.session.close()
    def test_ok_first(self):
        ask(self.session)
    def test_ok_second(self):
        ask(self.session)

class TestSetUpClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.session = Session(engine)
    @classmethod
    def tearDownClass(cls):
        cls.session.close()
    def test_ok_first(self):
        ask(self.session)
    def test_ok_second(self):
        ask(self.session)
    def test_ok_third(self):
        ask(self.session)

class TestFixture:
    @pytest.fixture(scope="class", autouse=True)
    def setting(self, request):
        request.cls.session = Session(engine)
        yield
        request.cls.session.close()
    def test_ok_first(self):
        ask(self.session)
    def test_bad_beside(self):
        KEPT.append(engine.connect())
    def test_ok_third(self):
        ask(self.session)

def test_ok_of_the_module():
    ask(opened)

def test_bad_beside_the_module():
    KEPT.append(engine.connect())
"""

ASYNC = """
@pytest.fixture
async def engine(tmp_path):
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", poolclass=AsyncAdaptedQueuePool)
    yield made
    await made.dispose()

@pytest.fixture
async def session(engine):
    async with AsyncSession(engine) as session:
        yield session

async def test_ok_closed(engine):
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))

async def test_ok_fixture(session):
    await session.execute(text("SELECT 1"))

async def test_ok_gathered(engine):
    async def work():
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT 1"))
    await asyncio.gather(*(work() for _ in range(4)))

async def test_ok_streamed(engine):
    async with engine.connect() as connection:
        async for _ in await connection.stream(text("SELECT 1")):
            pass

async def test_bad_kept(engine):
    connection = await engine.connect()
    await connection.execute(text("SELECT 1"))
    KEPT.append(connection)

async def test_bad_collected(engine):
    connection = await engine.connect()
    await connection.execute(text("SELECT 1"))
    del connection
    gc.collect()

async def test_bad_session(engine):
    session = AsyncSession(engine)
    await session.execute(text("SELECT 1"))
    KEPT.append(session)
"""


@pytest.mark.parametrize("source", [POOLS + SYNC, SETUPS, ASYNC], ids=["sync", "setups", "async"])
def test_leaks_and_their_twins(suite: Suite, source: str) -> None:
    """A test that is named bad gets an error from its teardown, and no other does."""
    outcome = suite.run(source, "-rA", head=HEAD)
    wrong = {
        name: entry["outcome"]
        for name, entry in outcome.tests.items()
        if (entry["outcome"] == "error") != ("_bad_" in name) or entry["outcome"] == "failed"
    }
    assert not wrong, outcome.text
    assert {name for name in outcome.tests if "_bad_" in name}
    assert not outcome.problems


def test_a_leak_is_named_with_its_stack(suite: Suite) -> None:
    """The line that took the connection, who called it, and what became of the connection."""
    suite.write(
        "app.py",
        """
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session
        from sqlalchemy.pool import StaticPool

        engine = create_engine("sqlite://", poolclass=StaticPool)
        kept = []

        def find(session):
            return session.scalars(text("SELECT 1")).one()

        def transcript():
            kept.append(Session(engine))
            return find(kept[-1])
        """,
    )
    outcome = suite.run(
        """
        import app, pytest

        @pytest.mark.no_connection_leaks
        def test_transcript():
            assert app.transcript() == 1
        """,
        head="",
    )
    assert outcome.counts == {"passed": 1, "error": 1}
    expected = """
no_connection_leaks: a connection was taken from the pool and still out at the
end

  at     app.py:10 in find
  called by app.py:14 in transcript
  called by test_it.py:6 in test_transcript
  fix    Close what took it on every way out: with Session(...) as session,
         with engine.connect() as connection.
"""
    assert expected in outcome.text


def test_a_block_gives_back_what_it_took(suite: Suite) -> None:
    """With the fixture and without pytest, a block is judged when it ends; what was out before is not its own."""
    outcome = suite.run(
        """
        import pytest
        from sqlalchemy import create_engine
        from sqlalchemy.pool import QueuePool
        from pytest_querybudget import query_budget as alone

        engine = create_engine("sqlite:///a.db", poolclass=QueuePool)

        @pytest.mark.parametrize("how", ["fixture", "alone"])
        def test_block(how, query_budget):
            budget = query_budget if how == "fixture" else alone
            with engine.connect():
                with budget(no_connection_leaks=True, max_connections=2):
                    with engine.connect():
                        pass
            with pytest.raises(AssertionError, match="still out at the end"):
                with budget(no_connection_leaks=True):
                    connection = engine.connect()
            connection.close()
            with pytest.raises(AssertionError, match="at one time, got 2"):
                with budget(max_connections=1):
                    with engine.connect(), engine.connect():
                        pass
        """,
        head="",
    )
    assert outcome.counts == {"passed": 2}, outcome.text


def test_nothing_is_held(suite: Suite) -> None:
    """What a suite watches by weak references dies as soon as it would without the plugin."""
    outcome = suite.run(
        """
        import gc, weakref
        import pytest
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session
        from sqlalchemy.pool import QueuePool

        pytestmark = [
            pytest.mark.max_connections(9), pytest.mark.no_connection_leaks, pytest.mark.max_transaction(queries=9)
        ]

        def test_dies_at_once(tmp_path):
            engine = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=QueuePool)
            gc.disable()
            try:
                connection = engine.connect()
                connection.execute(text("SELECT 1"))
                watched = [weakref.ref(connection), weakref.ref(connection.connection)]
                connection.close()
                del connection
                assert [each() for each in watched] == [None, None]
                with Session(engine) as session:
                    session.execute(text("SELECT 1"))
                    watched = [weakref.ref(session), weakref.ref(session.connection())]
                del session
                gc.collect()
                assert [each() for each in watched] == [None, None]
                record = weakref.ref(engine.raw_connection()._connection_record)
                engine.dispose()
                watched = [weakref.ref(engine), weakref.ref(engine.pool), record]
                del engine
                gc.collect()
                assert [each() for each in watched] == [None, None, None]
            finally:
                gc.enable()
        """,
        head="",
    )
    # A raw connection that is dropped at once has been given back by the collector.
    assert outcome.counts == {"passed": 1, "error": 1}, outcome.text
    assert "never closed: the garbage collector gave it back" in " ".join(outcome.text.split())
