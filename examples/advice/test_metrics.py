"""Query metrics: what the budget of a block measured is there to be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from shop import Order
from sqlalchemy import select
from sqlalchemy.orm import Session

KEYS = [1, 2, 3]


def wasteful(session: Session) -> int:
    """Ask for one order after the other."""
    return sum(session.scalars(select(Order.total).where(Order.id == key)).one() for key in KEYS)


def mended(session: Session) -> int:
    """Ask for all of them."""
    return sum(session.scalars(select(Order.total).where(Order.id.in_(KEYS))))


@pytest.mark.parametrize("sum_up", [wasteful, mended])
def test_the_figures_of_a_block(session: Session, query_budget: Any, sum_up: Any) -> None:
    """The recording of a block tells how many statements it took."""
    with query_budget(max_queries=1):
        assert sum_up(session) == 30
