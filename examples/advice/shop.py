"""A small shop: customers, their orders, and a table of daily figures."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import ForeignKey, Index, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ORDERS = 1_000
START = date(2026, 1, 1)


class Base(DeclarativeBase):
    """The declarative base."""


class Customer(Base):
    """Who orders."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Order(Base):
    """What was ordered; one in a hundred is open."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_customer_status_placed", "customer_id", "status", "placed_on"),
        Index("ix_orders_status", "status"),
        Index("ix_orders_placed", "placed_on"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[str]
    placed_on: Mapped[date]
    total: Mapped[int]
    comment: Mapped[str]


class DailyTotal(Base):
    """A summary that a job refreshes every night."""

    __tablename__ = "daily_totals"

    day: Mapped[date] = mapped_column(primary_key=True)
    orders: Mapped[int]
    total: Mapped[int]


def fill(session: Session) -> None:
    """Insert ten customers with a hundred orders each, and the figures of each day."""
    session.execute(insert(Customer), [{"id": number, "name": f"Customer {number}"} for number in range(1, 11)])
    orders = [_order(number) for number in range(ORDERS)]
    session.execute(insert(Order), orders)
    session.execute(insert(DailyTotal), [_day(START + timedelta(days=offset), orders) for offset in range(100)])
    session.commit()


def _order(number: int) -> dict[str, object]:
    return {
        "customer_id": number % 10 + 1,
        "status": "open" if number % 100 == 0 else "closed",
        "placed_on": START + timedelta(days=number // 10),
        "total": 10,
        "comment": "as always",
    }


def _day(day: date, orders: list[dict[str, object]]) -> dict[str, object]:
    count = sum(order["placed_on"] == day for order in orders)
    return {"day": day, "orders": count, "total": count * 10}
