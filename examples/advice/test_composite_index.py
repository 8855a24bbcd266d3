"""Composite indexes: equality columns first, then the column that orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import pytest
from shop import Order
from sqlalchemy import select
from sqlalchemy.orm import Session

Newest = Callable[[Session, int], Sequence[date]]


def wasteful(session: Session, customer: int) -> Sequence[date]:
    """Filter by what the index has last; its first columns are not given."""
    of_customer = select(Order.placed_on).where(Order.customer_id == customer, Order.total == 10)
    return session.scalars(of_customer.order_by(Order.placed_on.desc()).limit(5)).all()


def mended(session: Session, customer: int) -> Sequence[date]:
    """Filter by the first two columns, and order by the third: the index is read from its end, five entries long."""
    of_customer = select(Order.placed_on).where(Order.customer_id == customer, Order.status == "closed")
    return session.scalars(of_customer.order_by(Order.placed_on.desc()).limit(5)).all()


@pytest.mark.no_sorts
@pytest.mark.parametrize("newest", [wasteful, mended])
def test_newest_orders_of_a_customer(session: Session, newest: Newest) -> None:
    """Customer and status filter, the day orders: one index serves all three."""
    assert newest(session, 3)[0] == date(2026, 4, 10)
