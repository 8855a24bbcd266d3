"""Patterns that the example application does not show: a count for a question, a page of no order, a random row."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from shop import Customer, Order
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

pytestmark = pytest.mark.no_antipatterns


def wasteful_count(session: Session) -> bool:
    """Count all open orders to learn whether there is one."""
    return session.scalars(select(func.count()).select_from(Order).where(Order.status == "open")).one() > 0


def mended_count(session: Session) -> bool:
    """Ask whether there is one: the database stops at the first."""
    return session.scalars(select(exists().where(Order.status == "open"))).one()


@pytest.mark.parametrize("any_open", [wasteful_count, mended_count])
def test_exists(session: Session, any_open: Callable[[Session], bool]) -> None:
    """Whether a row exists is asked with EXISTS."""
    assert any_open(session)


def wasteful_page(session: Session) -> Sequence[str]:
    """Cut a page out of rows that come in any order."""
    return session.scalars(select(Customer.name).limit(3)).all()


def mended_page(session: Session) -> Sequence[str]:
    """Say which rows come first."""
    return session.scalars(select(Customer.name).order_by(Customer.id).limit(3)).all()


@pytest.mark.parametrize("page", [wasteful_page, mended_page])
def test_limit_with_order(session: Session, page: Callable[[Session], Sequence[str]]) -> None:
    """A page has an order, or its rows differ from one call to the next."""
    assert len(page(session)) == 3


def wasteful_random(session: Session) -> str:
    """Give every row a random number, sort them all, and take one."""
    return session.scalars(select(Customer.name).order_by(func.random()).limit(1)).one()


def mended_random(session: Session) -> str:
    """Draw a key, and take the next row from there."""
    last = session.scalars(select(func.max(Customer.id))).one()
    drawn = random.randint(1, last)
    return session.scalars(select(Customer.name).where(Customer.id >= drawn).order_by(Customer.id).limit(1)).one()


@pytest.mark.parametrize("draw", [wasteful_random, mended_random])
def test_random_row(session: Session, draw: Callable[[Session], str]) -> None:
    """A random row is found by its key."""
    assert draw(session).startswith("Customer ")
