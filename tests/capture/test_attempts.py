"""Writes that were undone: what is sent again for them is another attempt, and no round of a loop."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, create_engine, event, insert, text
from sqlalchemy.orm import Session, registry, sessionmaker
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.recording.model import Recording

METADATA = MetaData()
ORDER = Table("attempted_order", METADATA, Column("id", Integer, primary_key=True), Column("text", String(9)))


class Order:
    """A mapped row."""


registry().map_imperatively(Order, ORDER)


class Down(Exception):  # noqa: N818 - it is caught before it is an error
    """What the attempts fail with."""


def fail(attempt: int) -> None:
    """Fail at all attempts but the third."""
    if attempt < 2:
        raise Down


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine with the table, of each kind of driver."""
    kind = request.param
    made = create_engine(
        f"sqlite:///{tmp_path / 'x.db'}" if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    )
    METADATA.create_all(made)
    yield made
    METADATA.drop_all(made)
    made.dispose()


def units(recording: Recording) -> list[int]:
    """Return how many rounds each write had."""
    return [each.writes.units for each in recording.statements() if each.writes and each.shape.kind == "insert"]


def flush(session: Session) -> None:
    """Write one row."""
    session.add(Order())
    session.flush()


def write(connection: Any) -> None:
    """Write one row with a statement of the application's own."""
    connection.execute(insert(ORDER).values(text="x"))


# Three attempts


def closed_sessions(engine: Engine) -> None:
    for attempt in range(3):
        with suppress(Down), Session(engine) as session:
            flush(session)
            fail(attempt)
            session.commit()


def begun_sessions(engine: Engine) -> None:
    for attempt in range(3):
        with suppress(Down), sessionmaker(engine).begin() as session:
            flush(session)
            fail(attempt)


def sent_by_sessions(engine: Engine) -> None:
    for attempt in range(3):
        with suppress(Down), Session(engine) as session:
            write(session)
            fail(attempt)
            session.commit()


def one_session_closed(engine: Engine) -> None:
    session = Session(engine)
    for attempt in range(3):
        try:
            flush(session)
            fail(attempt)
            session.commit()
        except Down:
            session.close()
    session.close()


def one_session_rolled_back(engine: Engine) -> None:
    with Session(engine) as session:
        for attempt in range(3):
            try:
                flush(session)
                fail(attempt)
                session.commit()
            except Down:
                session.rollback()


def lost_sessions(engine: Engine) -> None:
    for attempt in range(3):
        session = Session(engine)
        with suppress(Down):
            flush(session)
            fail(attempt)
            session.commit()
        del session
        gc.collect()


def sessions_of_a_test(engine: Engine) -> None:
    """A suite gives them its own connection, and closing one rolls back nothing."""
    with engine.connect() as connection, connection.begin():
        for attempt in range(3):
            with suppress(Down), Session(connection) as session:
                flush(session)
                fail(attempt)
                session.commit()


def sessions_in_savepoints(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        for attempt in range(3):
            with suppress(Down), Session(connection, join_transaction_mode="create_savepoint") as session:
                flush(session)
                fail(attempt)
                session.commit()


def begun_connections(engine: Engine) -> None:
    for attempt in range(3):
        with suppress(Down), engine.begin() as connection:
            write(connection)
            fail(attempt)


def closed_connections(engine: Engine) -> None:
    for attempt in range(3):
        with suppress(Down), engine.connect() as connection:
            write(connection)
            fail(attempt)
            connection.commit()


def one_connection_rolled_back(engine: Engine) -> None:
    with engine.connect() as connection:
        for attempt in range(3):
            try:
                write(connection)
                fail(attempt)
                connection.commit()
            except Down:
                connection.rollback()


def transactions_of_one_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        for attempt in range(3):
            with suppress(Down), connection.begin():
                write(connection)
                fail(attempt)


def savepoints_of_one_connection(engine: Engine) -> None:
    with engine.begin() as connection:
        for attempt in range(3):
            with suppress(Down), connection.begin_nested():
                write(connection)
                fail(attempt)


@pytest.mark.parametrize(
    "attempts",
    [
        closed_sessions,
        begun_sessions,
        sent_by_sessions,
        one_session_closed,
        one_session_rolled_back,
        lost_sessions,
        sessions_of_a_test,
        sessions_in_savepoints,
        begun_connections,
        closed_connections,
        one_connection_rolled_back,
        transactions_of_one_connection,
        savepoints_of_one_connection,
    ],
)
def test_attempts_are_one(engine: Engine, attempts: Callable[[Engine], None]) -> None:
    """However an attempt is undone, what it wrote is not written twice."""
    with query_budget(max_queries=99) as recording:
        attempts(engine)
    assert units(recording) == [1]


def test_attempts_at_a_driver_that_begins_nothing(tmp_path: Path) -> None:
    """Where SQLite's driver is told to begin no transaction, and the application begins one, it is rolled back."""
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    METADATA.create_all(engine)
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with query_budget(max_queries=99) as recording:
        begun_connections(engine)
        closed_sessions(engine)
    engine.dispose()
    assert units(recording) == [1, 1]


# Three rounds


def in_one_session(engine: Engine) -> None:
    with Session(engine) as session:
        for _ in range(3):
            flush(session)


def in_one_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(3):
            write(connection)


def in_savepoints_of_a_session(engine: Engine) -> None:
    with Session(engine) as session:
        for _ in range(3):
            with session.begin_nested():
                flush(session)


def in_savepoints_of_a_connection(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        for _ in range(3):
            with connection.begin_nested():
                write(connection)


def committed(engine: Engine) -> None:
    with Session(engine) as session:
        for _ in range(3):
            flush(session)
            session.commit()


def committed_without_expiry(engine: Engine) -> None:
    for _ in range(3):
        with Session(engine, expire_on_commit=False) as session, session.begin():
            flush(session)


def committed_by_connections(engine: Engine) -> None:
    for _ in range(3):
        with engine.begin() as connection:
            write(connection)


def committed_by_one_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(3):
            write(connection)
            connection.commit()
            # What reads only is rolled back each time.
            connection.execute(text("SELECT 1"))
            connection.rollback()


def committed_by_hand(engine: Engine) -> None:
    for _ in range(3):
        with engine.connect() as connection:
            write(connection)
            connection.execute(text("COMMIT"))


def committed_in_the_transaction_of_a_test(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as outer:
        for _ in range(3):
            with Session(connection) as session:
                flush(session)
                session.commit()
        outer.rollback()


def committed_in_savepoints_of_a_test(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as outer:
        for _ in range(3):
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                flush(session)
                session.commit()
        outer.rollback()


def beside_a_session(engine: Engine) -> None:
    """A connection that a session has left is the suite's again."""
    with engine.connect() as connection, connection.begin():
        with Session(connection) as session:
            flush(session)
        for _ in range(3):
            write(connection)


def beside_another_session(engine: Engine) -> None:
    """What is written on the connection of another session is kept with what that has written."""
    with Session(engine) as session:
        for _ in range(3):
            with Session(session.connection()) as log:
                flush(log)
        session.commit()


def committed_by_hand_with_a_comment(engine: Engine) -> None:
    for _ in range(3):
        with engine.connect() as connection:
            write(connection)
            connection.execute(text("/* save */ COMMIT"))


def all_open(engine: Engine) -> None:
    """None of these has ended when the next one writes."""
    sessions = [Session(engine) for _ in range(3)]
    for session in sessions:
        flush(session)
    for session in sessions:
        session.commit()
        session.close()


def committing_by_themselves(engine: Engine) -> None:
    for _ in range(3):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            write(connection)


def sessions_committing_by_themselves(engine: Engine) -> None:
    other = engine.execution_options(isolation_level="AUTOCOMMIT")
    for _ in range(3):
        with Session(other) as session:
            flush(session)


@pytest.mark.parametrize(
    "rounds",
    [
        in_one_session,
        in_one_connection,
        in_savepoints_of_a_session,
        in_savepoints_of_a_connection,
        committed,
        committed_without_expiry,
        committed_by_connections,
        committed_by_one_connection,
        committed_by_hand,
        committed_in_the_transaction_of_a_test,
        committed_in_savepoints_of_a_test,
        beside_a_session,
        beside_another_session,
        committed_by_hand_with_a_comment,
        committing_by_themselves,
        sessions_committing_by_themselves,
    ],
)
def test_rounds_are_counted(engine: Engine, rounds: Callable[[Engine], None]) -> None:
    """What is undone only in the end, as by a fixture, was a loop all the same."""
    with query_budget(max_queries=99) as recording:
        rounds(engine)
    assert units(recording)[-1] == 3


def test_rounds_in_transactions_that_are_open_at_once() -> None:
    """A session that has not ended yet has undone nothing."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(engine)
    with query_budget(max_queries=99) as recording:
        all_open(engine)
    engine.dispose()
    assert units(recording) == [3]


# What the application notices of it


def test_a_connection_is_let_go(engine: Engine) -> None:
    """A rollback leaves nothing on a connection, and no cycle of references holds it until garbage is collected."""
    connection = engine.connect()
    with query_budget(max_queries=99):
        write(connection)
        connection.rollback()
        assert "_rollback_impl" not in vars(connection)
        write(connection)
        connection.commit()
        alive = ref(connection)
        gc.collect()
        gc.disable()
        try:
            del connection
            assert alive() is None
        finally:
            gc.enable()


def test_a_rollback_that_fails(engine: Engine) -> None:
    """A fault of the database's reaches the application as it would without the plugin."""

    def refuse(_: Any) -> None:
        raise Down

    with query_budget(max_queries=99), engine.connect() as connection:
        write(connection)
        event.listen(connection, "rollback", refuse)
        with pytest.raises(Down):
            connection.rollback()
        event.remove(connection, "rollback", refuse)


def test_what_the_application_puts_in_place_of_a_rollback(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite that replaces the same method on a connection gets its own."""
    called: list[Connection] = []
    with query_budget(max_queries=99), engine.connect() as connection:
        monkeypatch.setattr(connection, "_rollback_impl", lambda: called.append(connection))
        write(connection)
        connection.rollback()
        assert called == [connection]
