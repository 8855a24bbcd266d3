"""The scenarios' conftest: engines with five orders, and sessions that have loaded nothing yet."""

import os
from datetime import date, timedelta

import pytest
from app.shop import *
from sqlalchemy import create_engine, insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

DAY = date(2026, 1, 1)


def fill(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for number in range(1, 6):
            about = {"bio": "b", "photo": "p", "resume": "r"}
            session.add(Customer(id=number, name=f"c{number}", email=f"c{number}@x", **about))
            session.add(Profile(id=number, customer_id=number, theme="dark"))
            placed = DAY + timedelta(days=number)
            session.add(Order(id=number, number=f"o{number}", placed=placed, customer_id=number))
            session.add(Tag(id=number, name=f"t{number}"))
            session.add(Event(order_id=number, name="paid"))
            session.add(Note(order_id=number, body="n"))
            session.add(Contact(id=number, name=f"k{number}"))
            session.add_all(Message(contact_id=number, body=f"m{i}", sent=DAY + timedelta(days=i)) for i in range(3))
            session.add_all(
                Item(order_id=number, product_id=0, quantity=i + 1) for i in range((1, 3, 2, 1, 3)[number - 1])
            )
        session.add_all(Product(id=number, name=f"p{number}", price=number) for number in range(1, 11))
        session.flush()
        for number, item in enumerate(session.query(Item), 1):
            item.product_id = number
        session.add(Category(id=1, name="root"))
        session.add_all(Category(id=number, name=f"g{number}", parent_id=number // 2) for number in range(2, 8))
        session.add_all(Manager(name=f"m{number}", title="head") for number in range(2))
        session.add_all(Engineer(name=f"e{number}", language="c", laptops=[Laptop(serial="s")]) for number in range(3))
        session.add_all(Setting(key=key, value="20") for key in ("vat", "currency", "locale"))
        session.add_all(Job(id=number) for number in range(1, 4))
        session.flush()
        links = [{"order_id": number, "tag_id": tag} for number in range(1, 6) for tag in {number, number % 5 + 1}]
        session.execute(insert(order_tag), links)
        session.commit()


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine):
    with Session(engine) as session:
        yield session


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def maker(tmp_path):
    """A session maker on a file, for threads."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    fill(engine)
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture
def async_engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    fill(engine)
    engine.dispose()
    return create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")


@pytest.fixture
async def async_maker(async_engine):
    yield async_sessionmaker(async_engine)
    await async_engine.dispose()


@pytest.fixture
async def async_session(async_maker):
    async with async_maker() as session:
        yield session


@pytest.fixture
async def shared_maker():
    """A session maker whose sessions take turns on one connection."""
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield async_sessionmaker(engine)
    await engine.dispose()


@pytest.fixture
def many_orders(engine):
    """1,200 more orders with one item each."""
    with engine.begin() as connection:
        numbers = range(100, 1300)
        orders = [{"id": n, "number": f"o{n}", "status": "new", "placed": DAY, "customer_id": 1} for n in numbers]
        connection.execute(insert(Order), orders)
        connection.execute(insert(Item), [{"order_id": n, "product_id": 1, "quantity": 1} for n in numbers])


@pytest.fixture
def postgresql():
    engine = create_engine(os.environ.get("QUERYBUDGET_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1/test"))
    try:
        connection = engine.connect()
    except (ImportError, OperationalError) as error:
        pytest.skip(f"no PostgreSQL: {type(error).__name__}")
    with connection:
        yield connection
    engine.dispose()
