"""Transaction scope: one piece of work is one transaction, and not one for each of its rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from shop import Order
from sqlalchemy import select, update
from sqlalchemy.orm import Session


def wasteful(session: Session, orders: list[int]) -> None:
    """Close and commit order by order: each commit waits for the disk, and a failure leaves half of them open."""
    for order_id in orders:
        session.execute(update(Order).where(Order.id == order_id).values(status="closed"))
        session.commit()


def mended(session: Session, orders: list[int]) -> None:
    """Close all orders with one statement, and commit once."""
    session.execute(update(Order).where(Order.id.in_(orders)).values(status="closed"))
    session.commit()


@pytest.mark.no_write_loops
@pytest.mark.parametrize("close", [wasteful, mended])
def test_closing_orders(session: Session, close: Callable[[Session, list[int]], None]) -> None:
    """Closing ten orders is one statement and one commit."""
    orders = list(session.scalars(select(Order.id).where(Order.status == "open")))
    close(session, orders)
    assert session.scalars(select(Order.id).where(Order.status == "open")).first() is None
