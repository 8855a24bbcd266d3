"""Statistics: a planner that knows nothing about the rows guesses between two indexes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from shop import Order
from sqlalchemy import select, text
from sqlalchemy.orm import Session


def wasteful(session: Session) -> None:
    """Plan without statistics."""


def mended(session: Session) -> None:
    """Gather statistics after a bulk load, as a nightly job or autovacuum would."""
    session.execute(text("ANALYZE"))


@pytest.mark.uses_index("ix_orders_placed", table="orders")
@pytest.mark.parametrize("prepare", [wasteful, mended])
def test_closed_orders_of_a_day(session: Session, prepare: Callable[[Session], None]) -> None:
    """Nearly all orders are closed, and ten are of any one day: only statistics tell which index leads to fewer."""
    prepare(session)
    closed = select(Order.id).where(Order.status == "closed", Order.placed_on == date(2026, 1, 2))
    assert len(session.scalars(closed).all()) == 10
