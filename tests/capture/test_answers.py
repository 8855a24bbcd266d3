"""What statements were answered: another answer to the same question tells that something was written unseen."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, create_engine, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.repeats import Doubt, Inside, Repeats

METADATA = MetaData()
LINE = Table("answered_line", METADATA, Column("id", Integer, primary_key=True), Column("text", String))


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine with a table of one row."""
    made = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(made)
    with made.begin() as connection:
        connection.execute(LINE.insert().values(text="a"))
    yield made
    made.dispose()


def write(connection: Connection, sql: str = "INSERT INTO answered_line (text) VALUES ('b')") -> None:
    """Write through a cursor of the driver, which nobody hears of."""
    connection.connection.cursor().execute(sql)


def repeats(recording: Recording) -> int:
    """Return how many repeats were counted in the end."""
    found = [each.repeats.settled(each.answer) for each in recording.statements() if each.repeats is not None]
    return sum(sum(each.times.values()) for each in found)


COUNT = select(func.count()).select_from(LINE)
IDS = select(LINE.c.id)
READS: dict[str, Callable[[Any], Any]] = {
    "scalar": lambda on: on.execute(COUNT).scalar(),
    "one": lambda on: on.execute(COUNT).one(),
    "first": lambda on: on.execute(COUNT).first(),
    "all": lambda on: on.execute(COUNT).all(),
    "text": lambda on: on.execute(text("SELECT count(*) FROM answered_line")).scalar_one(),
    "more rows": lambda on: on.execute(IDS).all(),
    "iterated": lambda on: list(on.execute(COUNT)),
    "the newest": lambda on: on.execute(select(LINE.c.text).order_by(LINE.c.id.desc())).scalars().first(),
    "whole rows": lambda on: on.execute(select(LINE)).all(),
    "in a session": lambda on: Session(on).scalar(COUNT),
    "none yet": lambda on: on.execute(select(LINE.c.id).where(LINE.c.text == "b")).scalar(),
    "none yet in a list": lambda on: on.execute(select(LINE).where(LINE.c.text == "b")).all(),
}


@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
def test_another_answer_is_no_repeat(engine: Engine, read: Callable[[Any], Any]) -> None:
    """However it was fetched, and to every block that listens."""
    with query_budget(max_queries=9) as outer, query_budget(max_queries=9) as inner, engine.connect() as connection:
        read(connection)
        write(connection)
        read(connection)
    assert (repeats(outer), repeats(inner)) == (0, 0)


@pytest.mark.parametrize("read", [each for name, each in READS.items() if name != "in a session"])
def test_the_same_answer_is_a_repeat(engine: Engine, read: Callable[[Any], Any]) -> None:
    """Nothing is taken back where nothing differs, and one answer says nothing of another question."""
    with query_budget(max_queries=99) as recording, engine.connect() as connection:
        read(connection)
        connection.execute(select(LINE.c.text).where(LINE.c.id == 7)).all()
        read(connection)
        read(connection)
    assert repeats(recording) == 2


def test_answers_that_change_once(engine: Engine) -> None:
    """What was asked again in vain before and after stays counted."""
    with query_budget(max_queries=99) as recording, engine.connect() as connection:
        for _ in range(3):
            for _ in range(2):
                connection.execute(COUNT).scalar()
            write(connection)
    assert repeats(recording) == 3


def test_what_is_not_known_takes_nothing_back(engine: Engine) -> None:
    """Of one row with several columns nothing is kept, nor is anything known of what was not fetched."""
    with query_budget(max_queries=99) as recording, engine.connect() as connection:
        for _ in range(2):
            connection.execute(select(LINE).limit(1)).all()
            connection.execute(COUNT).close()
            write(connection, "UPDATE answered_line SET text = text || 'x'")
            write(connection)
    assert repeats(recording) == 2


def test_alternating_questions(engine: Engine) -> None:
    """The latest answer of a statement is compared with that to the same question alone."""
    ask = select(LINE.c.text).where(LINE.c.id == func.abs(LINE.c.id)).limit(1)
    with query_budget(max_queries=99) as recording, engine.connect() as connection:
        for key in (1, 2, 1, 2):
            connection.execute(ask.where(LINE.c.id == key)).scalar()
    assert repeats(recording) == 2


def test_a_repeat_inside_of_a_request_is_taken_back() -> None:
    """What was counted for a request is as it was before, and only where it was answered otherwise."""
    first = Statement(None, None, None)  # type: ignore[arg-type]
    known = Inside(1, 2, 2)
    repeats = Repeats({first: 1}, {first: Inside(1, 3, 3)}, Doubt(first, ("one", 1), 0, known))
    assert repeats.settled(("one", 2)) == Repeats({}, {first: known})
    assert repeats.settled(("one", 1)) is repeats.settled(None) is repeats
    assert repeats.times == {first: 1}


@pytest.mark.parametrize(
    ("once", "then"), [("first", "all"), ("all", "first"), ("iterated", "all"), ("all", "iterated")]
)
def test_who_fetches_otherwise_is_answered_alike(engine: Engine, once: str, then: str) -> None:
    """The first of several rows is no other answer than all of them."""
    ways: dict[str, Callable[[Any], Any]] = {
        "first": lambda result: result.first(),
        "all": lambda result: result.all(),
        "iterated": list,
    }
    with engine.connect() as connection:
        write(connection)
        with query_budget(max_queries=2) as recording:
            for way in (once, then):
                ways[way](connection.execute(IDS))
    assert repeats(recording) == 1


def test_rows_of_the_drivers_own_kind_are_not_looked_into(engine: Engine) -> None:
    """A driver may be told to make dictionaries; and no row is kept."""

    class Row(dict[str, Any]):
        pass

    made: list[weakref.ref[Row]] = []

    def make(cursor: Any, values: tuple[Any, ...]) -> Row:
        row = Row(zip([each[0] for each in cursor.description], values, strict=True))
        made.append(weakref.ref(row))
        return row

    with engine.connect() as connection, query_budget(max_queries=4, no_repeated_queries=False) as recording:
        cursor_of = connection.connection.dbapi_connection
        assert cursor_of is not None
        cursor_of.row_factory = make
        for _ in range(2):
            assert connection.exec_driver_sql("SELECT id FROM answered_line").cursor.fetchall()
            assert connection.exec_driver_sql("SELECT id FROM answered_line").fetchall()
        cursor_of.row_factory = None
        gc.collect()
        assert [each() for each in made] == [None] * len(made)
        assert recording.statements()
