"""Table growth: a list without a limit is as long as the table, next year too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from shop import Order
from sqlalchemy import select
from sqlalchemy.orm import Session

PAGE = 20


def wasteful(session: Session) -> Sequence[int]:
    """Fetch all orders, and show a page of them."""
    return session.scalars(select(Order.id).order_by(Order.id.desc())).all()[:PAGE]


def mended(session: Session) -> Sequence[int]:
    """Fetch the page."""
    return session.scalars(select(Order.id).order_by(Order.id.desc()).limit(PAGE)).all()


@pytest.mark.no_unbounded_selects
@pytest.mark.parametrize("newest", [wasteful, mended])
def test_newest_orders(session: Session, newest: Callable[[Session], Sequence[int]]) -> None:
    """A list that grows with its table has a LIMIT."""
    assert len(newest(session)) == PAGE
