"""Suites that clear SQLAlchemy's listeners, or add their own; and what these hear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, events
from sqlalchemy.pool import StaticPool

from pytest_querybudget.capture.listener import Capture
from pytest_querybudget.capture.registration import Registration
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.stacks.reader import StackReader
from pytest_querybudget.stacks.source import Source


@pytest.fixture
def registration(tmp_path: Path) -> Registration:
    def fail(error: BaseException) -> None:
        raise error

    return Registration(Capture(StackReader(Source(tmp_path)), fail))


def test_a_suite_may_clear_listeners_again_and_again(registration: Registration) -> None:
    """SQLAlchemy finds what it clears by weak references: they must be to one and the same object each time.

    Something may hold what was listening a while longer: a session's own collection, or the traceback of a failure.
    """
    registration.add()
    try:
        for _ in range(3):
            held = list(Session.dispatch.before_flush._clslevel[Session])
            events.SessionEvents._clear()
            assert registration.renew()
            assert held
            del held
            assert not registration.renew()
    finally:
        registration.remove()
    assert not event.contains(Session, "before_flush", registration.capture.sessions.on_flush)


def test_cleared_listeners_are_noticed_without_what_is_private_to_sqlalchemy(
    registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that has it under no name, or another one, is asked in public."""
    monkeypatch.setattr(event, "api", SimpleNamespace())
    assert registration.renew()
    try:
        assert not registration.renew()
        event.remove(Session, "after_flush", registration.capture.sessions.on_flushed)
        assert registration.renew()
        assert not registration.renew()
    finally:
        registration.remove()


def test_statements_that_another_listener_answers_first_are_recorded(registration: Registration) -> None:
    """Whoever answers in the dialect's place ends the round of its events: the cursor events still come."""

    def answer(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        cursor.execute(statement, parameters)
        return True

    engine = create_engine("sqlite://", poolclass=StaticPool)
    own = registration.probe.do_execute
    before = list(own)
    for each in before:
        event.remove(Engine, "do_execute", each)
    event.listen(Engine, "do_execute", answer)
    registration.add()
    try:
        assert registration.outrun
        assert not registration.renew()
        recording = Recording("test")
        registration.capture.begin(recording, frozenset()).open("call")
        with engine.connect() as connection:
            assert len(connection.execute(text("SELECT 1 UNION SELECT 2")).all()) == 2
            with pytest.raises(OperationalError, match="no such table"):
                connection.execute(text("SELECT * FROM missing"))
            connection.exec_driver_sql("CREATE TABLE log (line)")
        found = [(each.shape.facts.sql, each.count, each.rows, each.failed) for each in recording.statements("call")]
        assert found == [
            ("SELECT ? UNION SELECT ?", 1, 2, 0),
            ("SELECT * FROM missing", 1, 0, 1),
            ("CREATE TABLE log(line)", 1, 0, 0),
        ]
    finally:
        registration.remove()
        event.remove(Engine, "do_execute", answer)
        for each in before:
            event.listen(Engine, "do_execute", each)


def test_cursor_events_are_not_needed_without_such_a_listener(registration: Registration) -> None:
    """They cost more, so they are listened to only where they must be."""
    registration.add()
    try:
        assert not registration.outrun
        assert not event.contains(Engine, "before_cursor_execute", registration.capture.on_before_cursor)
    finally:
        registration.remove()


class Counts:
    """Counts by both families of events, so that neither can miss what the other hears."""

    def __init__(self) -> None:
        self.cursor: list[str] = []
        self.dialect: list[str] = []

    def listeners(self) -> list[tuple[str, Callable[..., None]]]:
        """What listens to what."""
        return [
            ("before_cursor_execute", lambda _connection, _cursor, statement, *_: self.cursor.append(statement)),
            ("do_execute", lambda _cursor, statement, *_: self.dialect.append(statement)),
            ("do_executemany", lambda _cursor, statement, *_: self.dialect.append(statement)),
            ("do_execute_no_params", lambda _cursor, statement, *_: self.dialect.append(statement)),
        ]


def send_all(engine: Engine) -> None:
    """Send statements in every way that SQLAlchemy has."""
    metadata = MetaData()
    later = select(func.coalesce(func.max(column("id")), 0) + 1).select_from(table("log")).scalar_subquery()
    log = Table("log", metadata, Column("id", Integer, primary_key=True), Column("line", String))
    counted = Table("counted", metadata, Column("id", Integer, primary_key=True, default=later), Column("line", String))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(log), {"line": "a"})
        connection.execute(insert(log), [{"line": "b"}, {"line": "c"}])
        connection.execute(insert(log).returning(log.c.id), [{"line": "d"}, {"line": "e"}]).all()
        connection.execute(insert(counted), {"line": "f"})
        connection.exec_driver_sql("SELECT 1")
        connection.exec_driver_sql("SELECT ?", (1,))
        connection.exec_driver_sql("INSERT INTO log (line) VALUES (?)", [("g",), ("h",)])
        connection.execution_options(no_parameters=True).exec_driver_sql("SELECT '%'")
        connection.scalar(select(func.count()).select_from(log))
        with connection.begin_nested():
            connection.execute(update(log).values(line="i"))
        connection.execution_options(stream_results=True).execute(select(log)).all()
    with Session(engine) as session:
        session.scalars(select(log.c.line)).all()
        session.execute(delete(log))
        session.commit()


def test_both_families_of_events_hear_the_same() -> None:
    """The dialect's events miss nothing that the cursor events would hear."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    counts = Counts()
    listeners = counts.listeners()
    for name, function in listeners:
        event.listen(Engine, name, function)
    try:
        send_all(engine)
    finally:
        for name, function in listeners:
            event.remove(Engine, name, function)
    assert len(counts.cursor) > 15
    assert counts.dialect == counts.cursor
