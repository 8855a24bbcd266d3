"""The models of these tests, and how a function's statements are judged by one rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar

from sqlalchemy import Column, Engine, ForeignKey, Index, String, Table, UniqueConstraint, func, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from pytest_querybudget import query_budget
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.rules.base import Rule


class Base(DeclarativeBase):
    """The models of these tests."""

    type_annotation_map: ClassVar = {str: String(80)}


tagged = Table(
    "tagged",
    Base.metadata,
    Column("customer_id", ForeignKey("customer.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column()


class Region(Base):
    __tablename__ = "region"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column()


class Customer(Base):
    __tablename__ = "customer"
    __table_args__ = (UniqueConstraint("region_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))
    number: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column()
    email: Mapped[str] = mapped_column(unique=True)
    born: Mapped[date] = mapped_column()
    orders: Mapped[list[Order]] = relationship(back_populates="customer")
    addresses: Mapped[list[Address]] = relationship()
    profile: Mapped[Profile | None] = relationship(uselist=False)
    card: Mapped[Card | None] = relationship(uselist=False)
    region: Mapped[Region | None] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=tagged)


# MariaDB has no indexes on expressions: the model may declare one all the same.
Index("ix_customer_upper_name", func.upper(Customer.name)).ddl_if(dialect="sqlite")


class Profile(Base):
    __tablename__ = "profile"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    text: Mapped[str] = mapped_column()


class Card(Base):
    __tablename__ = "card"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))


class Address(Base):
    __tablename__ = "address"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    street: Mapped[str] = mapped_column()


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    status: Mapped[str] = mapped_column()
    total: Mapped[int] = mapped_column()
    placed: Mapped[date] = mapped_column()
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship()


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product: Mapped[str] = mapped_column()


CUSTOMERS = range(1, 7)


def fill(engine: Engine) -> None:
    """Create the tables, with three of everything for each of six customers."""
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    day = date(2026, 1, 1)
    with Session(engine) as session:
        session.execute(insert(Region), [{"id": each, "name": f"r{each}"} for each in (1, 2)])
        session.execute(insert(Tag), [{"id": each, "name": f"t{each}"} for each in (1, 2, 3)])
        session.execute(
            insert(Customer),
            [
                {
                    "id": each,
                    "region_id": each % 2 + 1,
                    "number": each,
                    "name": f"n{each}",
                    "email": f"e{each}@x.org",
                    "born": day,
                }
                for each in CUSTOMERS
            ],
        )
        of = [(customer, each) for customer in CUSTOMERS for each in range(3)]
        session.execute(insert(tagged), [{"customer_id": customer, "tag_id": each + 1} for customer, each in of])
        session.execute(insert(Profile), [{"customer_id": each, "text": "x"} for each in CUSTOMERS])
        session.execute(insert(Card), [{"customer_id": each} for each in CUSTOMERS])
        session.execute(insert(Address), [{"customer_id": each, "street": "s"} for each, _ in of])
        session.execute(
            insert(Order),
            [
                {
                    "id": number,
                    "customer_id": each,
                    "status": ("open", "sent", "paid")[index],
                    "total": index,
                    "placed": day,
                }
                for number, (each, index) in enumerate(of, 1)
            ],
        )
        session.execute(insert(Line), [{"order_id": number, "product": "p"} for number in range(1, 19) for _ in "ab"])
        session.commit()


def judge(
    rule: Rule, engine: Engine, work: Callable[[Session], object], *arguments: Any, **options: Any
) -> list[Finding]:
    """Run `work` in a session of its own, and return what the rule finds in its statements."""
    parsed = rule.parse(arguments, options)
    with Session(engine) as session, query_budget(max_queries=10_000) as recording:
        work(session)
    assert list(recording.statements()), "nothing was sent"
    assert not recording.problems
    return list(rule.check(recording, parsed))
