"""How many rows each flush wrote to a table, whichever statements it took."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.writes import MOST_FLUSHED


class Base(DeclarativeBase):
    """The models of this module."""


class Line(Base):
    """A row whose level may be left to the database."""

    __tablename__ = "flushed_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="info")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Sends two rows in each piece of an INSERT of many rows."""
    made = create_engine("sqlite://", poolclass=StaticPool, insertmanyvalues_page_size=2)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


def sizes(recording: Recording) -> list[tuple[int, int, dict[int, int] | None]]:
    """Return of each statement the single rows, the flushes that sent some, and what the flushes wrote."""
    found = [each.writes for each in recording.statements() if each.writes is not None]
    return [
        (each.single, each.flushes.single if each.flushes else 0, each.flushes.sizes if each.flushes else None)
        for each in found
    ]


def test_all_rows_of_a_table_are_of_one_flush(engine: Engine) -> None:
    """One row that has a statement of its own is one of the seven."""
    with Session(engine) as session, query_budget(max_queries=20) as recording:
        for _ in range(2):
            session.add_all([*(Line(text=str(each)) for each in range(6)), Line(text="odd", level="error")])
            session.flush()
    assert sizes(recording) == [(0, 0, {7: 2}), (2, 2, {7: 2})]


def test_sizes_are_few(engine: Engine) -> None:
    """Of many rows it is enough to know that they are many."""
    with Session(engine) as session, query_budget(max_queries=99) as recording:
        for rows in (30, 20, 3):
            session.add_all(Line(text=func.lower(str(each))) for each in range(rows))
            session.flush()
    assert sizes(recording) == [(53, 3, {MOST_FLUSHED: 2, 3: 1})]


def test_a_failed_flush_wrote_nothing(engine: Engine) -> None:
    """What it sent before it failed has been rolled back."""
    with Session(engine) as session, query_budget(max_queries=99) as recording:
        for more in ([], [Line(id=1, text="known", level=func.lower("x"))], []):
            session.add_all([Line(text=func.lower("a")), *more])
            with contextlib.suppress(IntegrityError):
                session.commit()
            session.rollback()
    assert sizes(recording)[0] == (3, 3, {1: 2})
