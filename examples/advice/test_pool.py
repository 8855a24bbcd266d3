"""The pool: a session inside a session takes a second connection, and twice the users need four times the pool."""

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
