"""The application of these tests, as the text of a module: orders of customers, with large columns."""

MODELS = """
import copy, dataclasses, json, os, pickle
from operator import attrgetter
from typing import Any, Optional
from sqlalchemy import (
    JSON, ForeignKey, LargeBinary, String, Text, create_engine, delete, event, exists, func, insert, inspect, select,
    text, union, update,
)
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, MappedAsDataclass, Session, aliased, attributes, column_property, composite, contains_eager,
    defaultload, defer, immediateload, joinedload, lazyload, load_only, make_transient, mapped_column, object_session,
    reconstructor, relationship, selectin_polymorphic, selectinload, subqueryload, synonym, undefer, validates,
)
from sqlalchemy.pool import StaticPool

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    bio: Mapped[str] = mapped_column(Text)
    photo: Mapped[bytes] = mapped_column(LargeBinary)
    settings: Mapped[Any] = mapped_column(MutableDict.as_mutable(JSON))
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", order_by="Order.id", cascade="all, delete-orphan")
    notes = association_proxy("orders", "note")

@dataclasses.dataclass
class Money:
    amount: str
    currency: str

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(50))
    note: Mapped[str] = mapped_column(Text)
    terms: Mapped[str] = mapped_column(Text)
    document: Mapped[Any] = mapped_column(JSON)
    version: Mapped[int] = mapped_column()
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
    items: Mapped[list["Item"]] = relationship(back_populates="order", order_by="Item.id", cascade="all, delete-orphan")
    remark = synonym("note")
    __mapper_args__ = {"version_id_col": version}

    @hybrid_property
    def headline(self):
        return self.note

    def summary(self):
        return self.note[:3]

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(50))
    text: Mapped[str] = mapped_column(Text)
    picture: Mapped[bytes] = mapped_column(LargeBinary)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="items")

class Vehicle(Base):
    __tablename__ = "vehicle"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    story: Mapped[str] = mapped_column(Text)
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "vehicle"}

class Truck(Vehicle):
    manual: Mapped[Optional[str]] = mapped_column(Text)
    __mapper_args__ = {"polymorphic_identity": "truck"}

class Bus(Vehicle):
    leaflet: Mapped[Optional[str]] = mapped_column(Text)
    __mapper_args__ = {"polymorphic_identity": "bus"}

class Price(Base):
    __tablename__ = "price"
    id: Mapped[int] = mapped_column(primary_key=True)
    money: Mapped[Money] = composite(mapped_column("amount", Text), mapped_column("currency", Text))
    history: Mapped[str] = mapped_column(Text)

class Page(MappedAsDataclass, Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    title: Mapped[str] = mapped_column(String(50))
    body: Mapped[str] = mapped_column(Text)

class Guarded(Base):
    __tablename__ = "guarded"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    extra: Mapped[str] = mapped_column(Text)

    def __getattr__(self, name):
        if name == "invented":
            return "invented"
        raise AttributeError(name)

    @reconstructor
    def note_size(self):
        self.size = len(self.body)

class Eager(Base):
    __tablename__ = "eager"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    parts: Mapped[list["Part"]] = relationship(lazy="selectin")

class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    eager_id: Mapped[int] = mapped_column(ForeignKey("eager.id"))

def fill(session):
    for each in range(3):
        customer = Customer(name=f"c{each}", bio="bio", photo=b"p", settings={"a": 1})
        for number in range(2):
            order = Order(number=f"{number}", note="note", terms="terms", document={"a": [1]}, version=1)
            order.items = [Item(label="l", text="t", picture=b"x"), Item(label="m", text="t", picture=b"x")]
            customer.orders.append(order)
        session.add(customer)
    session.add_all([Truck(story="s", manual="m"), Bus(story="s", leaflet="l"), Vehicle(story="s")])
    session.add_all([Price(money=Money("1", "EUR"), history="h"), Page(title="t", body="b"), Page(title="u", body="b")])
    session.add_all([Guarded(body="b", extra="e"), Eager(name="e", parts=[Part(name="p")]), Eager(name="f", parts=[Part(name="q")])])
    session.commit()

url = os.environ.get("WAREHOUSE_URL", "sqlite://")
own = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}} if url == "sqlite://" else {}
engine = create_engine(url, **own)
Base.metadata.drop_all(engine)
Base.metadata.create_all(engine)
with Session(engine) as _session:
    fill(_session)
"""
