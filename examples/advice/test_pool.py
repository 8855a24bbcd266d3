"""The pool: a session inside a session takes a second connection; an engine for each call opens one for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shop import Base, Customer, Order, fill
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a pool of several connections."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    yield engine
    engine.dispose()


def wasteful(engine: Engine, customer: int) -> tuple[str, int]:
    """Open a second session while the first one holds its connection."""
    with Session(engine) as session:
        name = session.scalars(select(Customer.name).where(Customer.id == customer)).one()
        with Session(engine) as second:
            orders = second.scalars(select(func.count(Order.id)).where(Order.customer_id == customer)).one()
    return name, orders


def mended(engine: Engine, customer: int) -> tuple[str, int]:
    """Hand the session on."""
    with Session(engine) as session:
        name = session.scalars(select(Customer.name).where(Customer.id == customer)).one()
        orders = session.scalars(select(func.count(Order.id)).where(Order.customer_id == customer)).one()
    return name, orders


@pytest.mark.max_connections(1)
@pytest.mark.parametrize("read", [wasteful, mended])
def test_a_customer_and_the_number_of_orders(engine: Engine, read: Callable[[Engine, int], tuple[str, int]]) -> None:
    """One request holds one connection."""
    assert read(engine, 3) == ("Customer 3", 100)


def wasteful_engine(path: Path, words: list[str]) -> int:
    """Make an engine for each call: each has a pool of its own, and opens its first connection."""
    found = 0
    for word in words:
        engine = create_engine(f"sqlite:///{path}")
        with Session(engine) as session:
            found += len(session.scalars(select(Customer.id).where(Customer.name == word)).all())
        engine.dispose()
    return found


def mended_engine(path: Path, words: list[str]) -> int:
    """Make the engine once, and ask once."""
    engine = create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        found = len(session.scalars(select(Customer.id).where(Customer.name.in_(words))).all())
    engine.dispose()
    return found


@pytest.mark.max_connections(1, checkouts=1, opened=1)
@pytest.mark.parametrize("search", [wasteful_engine, mended_engine])
def test_a_search_for_each_word(engine: Engine, search: Callable[[Path, list[str]], int]) -> None:
    """One piece of work opens one connection."""
    assert search(Path(str(engine.url.database)), ["Customer 1", "Customer 2", "nobody"]) == 2
