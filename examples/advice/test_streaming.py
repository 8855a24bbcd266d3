"""Streaming: work through a table in batches, and never hold all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from shop import ORDERS, Order
from sqlalchemy import select
from sqlalchemy.orm import Session

BATCH = 250


def wasteful(session: Session) -> int:
    """Fetch everything, then work through the list."""
    return sum(order.total for order in session.scalars(select(Order)).all())


def mended(session: Session) -> int:
    """Fetch one batch at a time, each from where the last one ended, and only what is needed."""
    total, last = 0, 0
    batch = select(Order.id, Order.total).order_by(Order.id).limit(BATCH)
    while orders := session.execute(batch.where(Order.id > last)).all():
        total += sum(order.total for order in orders)
        last = orders[-1].id
    return total


@pytest.mark.max_rows(BATCH)
@pytest.mark.parametrize("sum_up", [wasteful, mended])
def test_sum_of_all_orders(session: Session, sum_up: Callable[[Session], int]) -> None:
    """No statement fetches more than one batch."""
    assert sum_up(session) == ORDERS * 10
