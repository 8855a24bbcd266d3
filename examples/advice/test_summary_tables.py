"""Materialised views: a dashboard reads figures, and does not add up a whole table for every visitor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from shop import DailyTotal, Order
from sqlalchemy import func, select
from sqlalchemy.orm import Session

Figures = list[tuple[date, int]]


def wasteful(session: Session) -> Figures:
    """Add up all orders on every call."""
    per_day = select(Order.placed_on, func.sum(Order.total)).group_by(Order.placed_on).order_by(Order.placed_on)
    return [(day, total) for day, total in session.execute(per_day)][:7]


def mended(session: Session) -> Figures:
    """Read the summary, which a job (or a materialised view) keeps."""
    per_day = select(DailyTotal.day, DailyTotal.total).order_by(DailyTotal.day).limit(7)
    return [(day, total) for day, total in session.execute(per_day)]


@pytest.mark.no_antipatterns
@pytest.mark.parametrize("dashboard", [wasteful, mended])
def test_totals_of_a_week(session: Session, dashboard: Callable[[Session], Figures]) -> None:
    """No statement of a dashboard aggregates a whole table."""
    assert dashboard(session)[0] == (date(2026, 1, 1), 100)
