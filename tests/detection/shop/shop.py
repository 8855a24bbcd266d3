"""A small shop: models of every kind of relationship, and the names that its services use."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    column,
    create_engine,
    delete,
    exists,
    func,
    insert,
    inspect,
    literal_column,
    or_,
    select,
    table,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncSession, async_sessionmaker
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Session,
    WriteOnlyMapped,
    aliased,
    column_property,
    contains_eager,
    defaultload,
    defer,
    deferred,
    immediateload,
    joinedload,
    load_only,
    mapped_column,
    noload,
    raiseload,
    relationship,
    selectin_polymorphic,
    selectinload,
    sessionmaker,
    subqueryload,
    undefer,
    undefer_group,
    validates,
    with_parent,
    with_polymorphic,
)


class Base(AsyncAttrs, DeclarativeBase):
    """Every model."""


order_tag = Table(
    "order_tag",
    Base.metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Customer(Base):
    """One customer for each order, with columns that a list does not need."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    bio: Mapped[str] = mapped_column(deferred=True)
    photo: Mapped[str] = mapped_column(deferred=True, deferred_group="large")
    resume: Mapped[str] = mapped_column(deferred=True, deferred_group="large")
    orders: Mapped[list[Order]] = relationship(back_populates="customer")
    profile: Mapped[Profile] = relationship(back_populates="customer", uselist=False)


class Profile(Base):
    """One to one."""

    __tablename__ = "profile"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    theme: Mapped[str]
    customer: Mapped[Customer] = relationship(back_populates="profile")


class Order(Base):
    """The usual parent."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    status: Mapped[str] = mapped_column(default="new")
    placed: Mapped[date]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
    items: Mapped[list[Item]] = relationship(back_populates="order")
    large_items: Mapped[list[Item]] = relationship(
        primaryjoin="and_(Item.order_id == Order.id, Item.quantity > 1)", viewonly=True
    )
    tags: Mapped[list[Tag]] = relationship(secondary=order_tag)
    tag_names: AssociationProxy[list[str]] = association_proxy("tags", "name")
    events: DynamicMapped[Event] = relationship()
    notes: WriteOnlyMapped[Note] = relationship()

    @property
    def total(self) -> int:
        """Price of all items."""
        return sum(item.quantity for item in self.items)  # <- total

    @hybrid_property
    def label(self) -> str:
        """What a list shows."""
        return self.number + "/" + self.status

    @validates("number")
    def check_number(self, key: str, value: str) -> str:
        """Refuse an empty number."""
        assert value, key
        return value

    def __repr__(self) -> str:
        return f"<Order of {self.customer.name}>"  # <- repr


class Item(Base):
    """1, 3, 2, 1 and 3 of them in the five orders, each of another product."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    quantity: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()


class Product(Base):
    """What is sold."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class Tag(Base):
    """Many to many."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Event(Base):
    """A dynamic collection."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    name: Mapped[str]


class Note(Base):
    """A write-only collection."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    body: Mapped[str]


class Category(Base):
    """A tree of one root, two children and four grandchildren."""

    __tablename__ = "category"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    children: Mapped[list[Category]] = relationship(back_populates="parent")
    parent: Mapped[Category | None] = relationship(back_populates="children", remote_side=[id])


class Person(Base):
    """The base of a joined inheritance: two managers and three engineers."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Manager(Person):
    """Has a column of its own."""

    __tablename__ = "manager"
    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    title: Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "manager"}


class Engineer(Person):
    """Has a column and a relationship of its own."""

    __tablename__ = "engineer"
    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    language: Mapped[str]
    laptops: Mapped[list[Laptop]] = relationship()
    __mapper_args__ = {"polymorphic_identity": "engineer"}


class Laptop(Base):
    """A relationship of a subclass."""

    __tablename__ = "laptop"
    id: Mapped[int] = mapped_column(primary_key=True)
    engineer_id: Mapped[int] = mapped_column(ForeignKey("engineer.id"))
    serial: Mapped[str]


class Contact(Base):
    """Somebody with three messages."""

    __tablename__ = "contact"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Message(Base):
    """No relationship: its parents are looked up by hand."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    body: Mapped[str]
    sent: Mapped[date]


class Setting(Base):
    """Configuration in a table."""

    __tablename__ = "setting"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Job(Base):
    """A queue."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="new")


class Log(Base):
    """What is written in a loop or at once."""

    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="info")
