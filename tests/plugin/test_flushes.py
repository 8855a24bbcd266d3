"""What is said of the flushes of a loop."""

from __future__ import annotations

import pytest

from tests.plugin.suites import HEAD, Suite

HELPERS = """
from sqlalchemy import func
from shop import Customer, Order

def save(session, *names):
    session.add_all([Customer(name=func.lower(each)) for each in names])
    session.flush()

def save_all(session, names):
    for each in names:
        save(session, each)

def save_twins(session, names):
    for each in names:
        save(session, each, f"{each} again")

def save_batches(session, batches):
    for each in batches:
        save(session, *each)

def rename_twins(session, customers):
    customers = iter(customers)
    for one, other in zip(customers, customers):
        one.name = other.name = func.upper(Customer.name)
        session.flush()
"""
IN_SAVE = "called in a loop at app/helpers.py:{} in {}"
ONCE = "Flush or commit once, after the loop: "
ADDED = " (session.add_all(...) before it)."


@pytest.mark.parametrize(
    ("body", "message", "fix"),
    [
        (
            "save_all(session, 'abcd')",
            "4 single-row INSERT statements on customer, flushed one by one, " + IN_SAVE.format(11, "save_all"),
            ONCE + "the unit of work then sends the rows together" + ADDED,
        ),
        (
            "save_twins(session, 'abcd')",
            "8 single-row INSERT statements on customer, sent by 4 flushes, " + IN_SAVE.format(15, "save_twins"),
            ONCE + "one flush then writes all rows" + ADDED,
        ),
        (
            "rename_twins(session, session.scalars(select(Customer).limit(4)).all())",
            "4 single-row UPDATE statements on customer, sent by 2 flushes, called by test_it.py:6 in test_it",
            ONCE + "one flush then writes all rows.",
        ),
        ("save_batches(session, ['abc', 'def', 'g'])", None, None),
        ("save(session, *'abcd')", None, None),
    ],
)
def test_what_flushes_of_a_loop_send(suite: Suite, body: str, message: str | None, fix: str | None) -> None:
    """A flush for each object sends one by one, and one of a few rows does not."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        f"def test_it():\n    with Session(engine) as session:\n        {body}\n",
        head=HEAD + "from app.helpers import *\n",
    )
    found = done.tests["test_it"]["findings"]
    assert [(each["message"], each["fix"]) for each in found] == ([(message, fix)] if message else [])


APART = """
from sqlalchemy import insert
from shop import Base, Customer, Session, connect, engine, event

log = connect()
Base.metadata.create_all(log)

class Checked(Session):
    pass

@event.listens_for(Checked, "before_flush")
def check(session, context, instances):
    if any(not each.name for each in session.new):
        raise ValueError("a name, please")

def add(name):
    with Checked(engine) as session:
        session.add(Customer(name=name))
        session.flush()

def write_down(engine=engine):
    with engine.begin() as connection:
        for each in "abcdef":
            connection.execute(insert(Customer).values(name=each))
"""


def test_a_loop_after_a_flush_that_a_listener_refused(suite: Suite) -> None:
    """It sends nothing of that flush, in the same test or in a later one."""
    suite.write("apart.py", APART)
    done = suite.run(
        """
        def test_before(): write_down()
        def test_refused():
            with pytest.raises(ValueError):
                add("")
            write_down()
        def test_after(): write_down()
        """,
        head=HEAD + "from apart import *\n",
    )
    found = [done.found(name) for name in done.tests]
    assert found == [["no_write_loops"]] * 3


def test_a_loop_beside_a_flush(suite: Suite) -> None:
    """What another task of the same thread flushes at that time has nothing to do with it."""
    suite.write("apart.py", APART)
    done = suite.run(
        """
        import asyncio
        from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

        @pytest.mark.asyncio
        async def test_it(tmp_path):
            slow = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
            async with slow.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            begun = asyncio.Event()
            @event.listens_for(slow.sync_engine, "before_cursor_execute")
            def tell(*_):
                begun.set()
            async def flush():
                async with AsyncSession(slow) as session:
                    session.add(Customer(name="x"))
                    await session.flush()
            async def others():
                await begun.wait()
                write_down(log)
            await asyncio.gather(flush(), others())
            await slow.dispose()
        """,
        head=HEAD + "from apart import *\n",
    )
    found = [each for each in done.tests["test_it"]["findings"] if each["rule"] == "no_write_loops"]
    assert [(each["count"], "flush" in each["message"]) for each in found] == [(6, False)]


def test_another_session_on_the_same_connection(suite: Suite) -> None:
    """A session for an audit log that begins on the connection does not take over what the first one flushes."""
    suite.write(
        "app/__init__.py",
        """
        from shop import Customer, Order, Session
        def save_all(session, names):
            for each in names:
                session.add(Customer(name=each))
                session.flush()
                with Session(bind=session.connection()) as log:
                    log.add(Order(customer_id=1))
                    log.flush()
        """,
    )
    done = suite.run(
        """
        def test_it():
            with Session(engine) as session:
                save_all(session, "abcd")
        """,
        head=HEAD + "from app import save_all\n",
    )
    found = [each["message"] for each in done.tests["test_it"]["findings"]]
    assert len(found) == 2
    assert ["flushed one by one" in each for each in found] == [True, True], found


def test_the_one_that_flushes_is_neither_the_first_nor_the_last(suite: Suite) -> None:
    """Sessions of fixtures share the connection of a test, with savepoints of their own."""
    suite.write(
        "app/__init__.py",
        """
        from shop import Customer
        from sqlalchemy import func
        def save_batches(session):
            for _ in range(4):
                session.add_all([Customer(name=func.lower("X")) for _ in range(12)])
                session.flush()
        """,
    )
    done = suite.run(
        """
        def test_it():
            with engine.connect() as connection, connection.begin():
                first, session, last = [
                    Session(connection, join_transaction_mode="create_savepoint") for _ in range(3)
                ]
                for each in (first, session, last):
                    each.scalar(select(1))
                save_batches(session)
        """,
        head=HEAD + "from app import save_batches\n",
    )
    assert [each for each in done.found("test_it") if "write" in each] == []


def test_a_loop_of_the_session_whose_flush_was_refused(suite: Suite) -> None:
    """Nothing tells that the flush is over but the session."""
    suite.write("apart.py", APART)
    suite.write(
        "app/__init__.py",
        """
        from sqlalchemy import insert
        from shop import Customer
        def write_by(session):
            for each in "abcdef":
                session.execute(insert(Customer).values(name=each))
        """,
    )
    done = suite.run(
        """
        def test_it():
            with Checked(engine) as session:
                session.add(Customer(name=""))
                with pytest.raises(ValueError):
                    session.flush()
                session.expunge_all()
                write_by(session)
        """,
        head=HEAD + "from apart import *\nfrom app import write_by\n",
    )
    assert done.found("test_it") == ["no_write_loops"]
