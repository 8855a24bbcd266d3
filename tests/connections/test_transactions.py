"""`max_transaction`: what is one transaction of the application, by what the report says was measured."""

from __future__ import annotations

import pytest

from tests.plugin.suites import Suite

pytest_plugins = ["pytester"]

HEAD = """
import asyncio, time, unittest
import pytest
from sqlalchemy import create_engine, event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

pytestmark = pytest.mark.max_transaction(queries=1000, seconds=1000)

class Base(DeclarativeBase): ...

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

def ask(connection, times=1):
    for _ in range(times):
        connection.execute(text("SELECT 1")).all()

@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    made = create_engine(f"sqlite:///{tmp_path_factory.mktemp('x')}/a.db")

    @event.listens_for(made, "connect")
    def connect(connection, _):
        connection.isolation_level = None

    @event.listens_for(made, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(made)
    yield made
    made.dispose()
"""

#: Each test is named after the number of statements in its longest transaction.
PLAIN = """
def test_0_nothing(engine):
    pass

def test_0_no_statement(engine):
    with engine.begin():
        pass

def test_3_core(engine):
    with engine.begin() as connection:
        ask(connection, 3)
    with engine.connect() as connection:
        ask(connection, 2)

def test_2_parted_by_commit(engine):
    with engine.connect() as connection:
        ask(connection, 2)
        connection.commit()
        ask(connection, 2)
        connection.rollback()
        ask(connection)

def test_3_session(engine):
    with Session(engine) as session:
        ask(session, 3)
        session.commit()
        ask(session, 2)

def test_2_each_session_its_own(engine):
    for _ in range(4):
        with Session(engine) as session:
            ask(session, 2)

def test_4_savepoints_belong_to_it(engine):
    with Session(engine) as session:
        for _ in range(4):
            with session.begin_nested():
                ask(session)
        session.commit()

def test_4_savepoint_rolled_back(engine):
    with engine.begin() as connection:
        ask(connection)
        with connection.begin_nested() as savepoint:
            ask(connection, 2)
            savepoint.rollback()
        ask(connection)

def test_2_flushes(engine):
    with Session(engine) as session:
        session.add(Item(name="a"))
        session.flush()
        ask(session)
        session.commit()

def test_1_autocommit(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        event_engine = create_engine("sqlite://", isolation_level="AUTOCOMMIT")
        with event_engine.connect() as other:
            ask(other, 5)

def test_1_autocommit_of_a_connection():
    with create_engine("sqlite://").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ask(connection, 5)

def test_1_failing_statement(engine):
    with engine.connect() as connection:
        with pytest.raises(Exception):
            connection.execute(text("SELECT nothing"))

def test_2_on_two_engines(engine):
    other = create_engine("sqlite://")
    with engine.begin() as first, other.begin() as second:
        ask(first, 2)
        ask(second, 2)

class TestCase(unittest.TestCase):
    def setUp(self):
        self.session = Session(create_engine("sqlite://", poolclass=StaticPool))
        ask(self.session, 4)
    def tearDown(self):
        ask(self.session, 4)
        self.session.close()
    def test_2_of_a_test_case(self):
        ask(self.session, 2)
"""

FIXTURES = """
@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        transaction = connection.begin()
        ask(connection, 5)
        yield connection
        ask(connection, 5)
        transaction.rollback()

@pytest.fixture(params=["create_savepoint", "conditional_savepoint", "rollback_only"])
def session(request, connection):
    with Session(connection, join_transaction_mode=request.param) as session:
        yield session

@pytest.fixture
def in_savepoint(connection):
    nested = connection.begin_nested()
    with Session(connection) as session:
        yield session
    if nested.is_active:
        nested.rollback()

@pytest.fixture
def restarting(connection):
    session = Session(connection)
    session.begin_nested()

    @event.listens_for(session, "after_transaction_end")
    def restart(session, transaction):
        if transaction.nested and not transaction._parent.nested:
            session.begin_nested()
    yield session
    event.remove(session, "after_transaction_end", restart)
    session.close()

def test_3_of_a_connection(connection):
    ask(connection, 3)

def test_2_outermost_savepoints(connection):
    for _ in range(3):
        with connection.begin_nested():
            ask(connection)
            with connection.begin_nested():
                ask(connection)

def test_3_one_commit(session):
    ask(session, 3)
    session.commit()

def test_2_two_commits(session):
    ask(session, 2)
    session.commit()
    ask(session, 2)
    session.commit()

def test_2_rollback(session):
    ask(session, 2)
    session.rollback()
    ask(session)

def test_4_nested(session):
    for _ in range(4):
        with session.begin_nested():
            ask(session)
    session.commit()

def test_2_sessions_of_an_application(connection):
    factory = sessionmaker(connection, join_transaction_mode="create_savepoint")
    for _ in range(3):
        with factory.begin() as session:
            ask(session, 2)

def test_2_inside_a_savepoint(in_savepoint):
    ask(in_savepoint, 2)
    in_savepoint.commit()
    ask(in_savepoint)

def test_2_restarting(restarting):
    ask(restarting, 2)
    restarting.commit()
    ask(restarting)

def test_3_begun_by_a_fixture_and_committed(begun):
    ask(begun, 3)
    begun.commit()
    ask(begun)

@pytest.fixture
def begun(engine):
    with Session(engine) as session:
        ask(session, 5)
        yield session
"""

ASYNC = """
@pytest.fixture
async def engine(tmp_path):
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    yield made
    await made.dispose()

async def test_2_async(engine):
    for _ in range(2):
        async with AsyncSession(engine) as session:
            for _ in range(2):
                await session.execute(text("SELECT 1"))
            await session.commit()

async def test_3_gathered(engine):
    async def work(times):
        async with AsyncSession(engine) as session:
            for _ in range(times):
                await session.execute(text("SELECT 1"))
    await asyncio.gather(*(work(each) for each in (1, 2, 3)))

@pytest.fixture
async def session(engine):
    async with engine.connect() as connection:
        await connection.begin()
        await connection.execute(text("SELECT 1"))
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            yield session

async def test_2_savepoint_of_a_fixture(session):
    for _ in range(2):
        await session.execute(text("SELECT 1"))
        await session.execute(text("SELECT 1"))
        await session.commit()
"""


def measured(suite: Suite, source: str) -> dict[str, float]:
    """Return what was measured for each test whose name says otherwise."""
    outcome = suite.run(source, head=HEAD)
    assert outcome.code == 0, outcome.text
    assert not outcome.problems
    figures = {
        name: entry["budget"]["max_transaction[queries]"]["actual"] for name, entry in outcome.tests.items() if name
    }
    assert figures
    return {name: figure for name, figure in figures.items() if int(name.partition("test_")[2].split("_")[0]) != figure}


@pytest.mark.parametrize("source", [PLAIN, FIXTURES, ASYNC], ids=["plain", "fixtures", "async"])
def test_what_one_transaction_is(suite: Suite, source: str) -> None:
    """Each test's name says how many statements its longest transaction has."""
    assert measured(suite, source) == {}


SERVER = """
from sqlalchemy.engine import make_url

URL = "{url}"

@pytest.fixture(scope="module")
def engine():
    made = create_engine(URL)
    yield made
    made.dispose()

def test_2_session(engine):
    with Session(engine) as session:
        ask(session, 2)
        session.commit()
        ask(session)

def test_1_autocommit(engine):
    automatic = create_engine(URL, isolation_level="AUTOCOMMIT")
    with automatic.connect() as connection:
        ask(connection, 3)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ask(connection, 3)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        ask(connection, 3)

def test_2_join(engine):
    with engine.connect() as connection, connection.begin():
        ask(connection, 2)
"""
TWO_PHASES = """
def test_3_two_phases(engine):
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        ask(connection, 3)
        transaction.prepare()
        transaction.commit()
        transaction = connection.begin_twophase()
        ask(connection, 2)
        transaction.rollback()

def test_2_two_phases_of_a_session(engine):
    with Session(engine, twophase=True) as session:
        ask(session, 2)
        session.commit()
        ask(session)
"""


@pytest.mark.parametrize("server", ["postgresql_url", "mariadb_url"])
def test_what_one_transaction_is_on_a_server(suite: Suite, request: pytest.FixtureRequest, server: str) -> None:
    """Autocommit and two phases, as drivers of servers have them."""
    url = request.getfixturevalue(server)
    source = SERVER.replace("{url}", str(url))
    assert measured(suite, source + (TWO_PHASES if server == "mariadb_url" else "")) == {}


def test_the_silence_is_named(suite: Suite) -> None:
    """A transaction that waits for something else says between which lines; a quick one passes."""
    suite.write(
        "app.py",
        """
        import time
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session
        from sqlalchemy.pool import StaticPool

        engine = create_engine("sqlite://", poolclass=StaticPool)

        def ask(session):
            return session.scalars(text("SELECT 1")).one()

        def send(wait, last=0):
            with Session(engine) as session:
                ask(session)
                time.sleep(wait)
                ask(session)
                time.sleep(last)
                session.commit()
        """,
    )
    outcome = suite.run(
        """
        import app, pytest

        @pytest.mark.max_transaction(queries=1, seconds=0.05)
        def test_waiting():
            app.send(0.2)

        @pytest.mark.max_transaction(seconds=0.05)
        def test_waiting_at_its_end():
            app.send(0, 0.2)

        @pytest.mark.max_transaction(queries=2, seconds=60)
        def test_quick():
            app.send(0)
        """,
        head="",
    )
    assert outcome.counts == {"failed": 2, "passed": 1}
    first, second = outcome.tests["test_waiting"], outcome.tests["test_waiting_at_its_end"]
    assert [each["message"].partition(", got")[0] for each in first["findings"]] == [
        "expected at most 1 query in one transaction",
        "expected at most 0.05 seconds in one transaction",
    ]
    assert {each["fix"] for each in first["findings"]} == {
        "Do what happens between app.py:14 and :16 in send before the transaction or after it."
    }
    assert first["findings"][0]["location"]["line"] == 10
    assert second["findings"][0]["fix"] == (
        "Do what happens between app.py:16 and :18 in send before the transaction or after it."
    )
    assert "it had 2 queries, and was open for 0.2" in outcome.text
    assert "nothing was sent for 0.2" in outcome.text
    assert "between app.py:14 and :16 in send" in " ".join(outcome.text.split())
