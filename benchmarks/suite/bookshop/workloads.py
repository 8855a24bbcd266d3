"""One function for each row of the table: ordinary SQLAlchemy code, as an application writes it.

The statements of the Core workloads are built once, so that little but sending them is left.
Each sends exactly `Workload.statements` statements to the driver (`test_counts.py` checks that), so that
the figures are microseconds per statement. `number` is the number of the lap: texts that must be new to
the process are made from it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, joinedload, selectinload

from bookshop.models import Author, Sale

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bookshop.world import World


LAPS = 5
BY_KEY = select(Author.__table__).where(Author.id == bindparam("key"))
BY_KEYS = select(Author.__table__).where(Author.id.in_(bindparam("keys", expanding=True)))
ALL_AUTHORS = select(Author.__table__)
NEW_SALE = insert(Sale)
NEW_SALE_KEY = insert(Sale).returning(Sale.id)


@dataclass(frozen=True)
class Workload:
    """One way to send statements.

    `through_session` says that a Session executes the statements one by one: recorders that listen to
    the Session only have a call site for these and for no others. `laps` are run in one test.
    """

    name: str
    statements: int
    run: Callable[[World, int], object]
    through_session: bool = False
    laps: int = LAPS


def author_by_key(connection: Connection, key: int) -> object:
    """One row by primary key, the smallest statement there is."""
    return connection.execute(BY_KEY, {"key": key}).one()


def core_by_key(world: World, _number: int) -> None:
    with world.memory.connect() as connection:
        for key in range(1, 201):
            author_by_key(connection, key)


def connection_each(world: World, _number: int) -> None:
    for key in range(1, 101):
        with world.memory.connect() as connection:
            author_by_key(connection, key)


def lazy_collections(world: World, _number: int) -> None:
    with Session(world.memory) as session:
        for author in session.scalars(select(Author).limit(29)):
            len(author.books)


def session_get(world: World, _number: int) -> None:
    with Session(world.memory) as session:
        for key in range(1, 51):
            session.get(Author, key)


def rows_200(world: World, _number: int) -> None:
    with world.memory.connect() as connection:
        for _ in range(20):
            connection.execute(ALL_AUTHORS).all()


def flush_100(world: World, number: int) -> None:
    """SQLite cannot return the keys of many rows in their order: the flush is one INSERT for each object."""
    with Session(world.memory) as session:
        session.add_all([Sale(book_id=key, amount=number) for key in range(100)])
        session.flush()


def executemany(world: World, _number: int) -> None:
    rows = [{"book_id": key, "amount": 1} for key in range(50)]
    with world.memory.connect() as connection:
        for _ in range(20):
            connection.execute(NEW_SALE, rows)


def distinct_texts(world: World, number: int) -> None:
    """A hundred texts that no lap had before; twenty laps are one test."""
    first = number * 100
    with world.memory.connect() as connection:
        for key in range(first, first + 100):
            connection.execute(text(f"SELECT id, name FROM author WHERE id = {key}")).all()


def in_lists(world: World, _number: int) -> None:
    with world.memory.connect() as connection:
        for length in range(1, 31):
            connection.execute(BY_KEYS, {"keys": list(range(length))}).all()


async def async_author_by_key(connection: AsyncConnection, key: int) -> object:
    """The same as `author_by_key`, awaited."""
    return (await connection.execute(BY_KEY, {"key": key})).one()


def async_core(world: World, _number: int) -> None:
    async def work() -> None:
        async with world.asynchronous.connect() as connection:
            for key in range(1, 41):
                await async_author_by_key(connection, key)

    world.loop.run_until_complete(work())


def async_orm(world: World, _number: int) -> None:
    async def work() -> None:
        async with AsyncSession(world.asynchronous) as session:
            for author in (await session.scalars(select(Author).limit(19))).all():
                await author.awaitable_attrs.books

    world.loop.run_until_complete(work())


def deeper(levels: int, work: Callable[[], object]) -> object:
    """Call `work` below `levels` frames of application code."""
    return work() if levels == 0 else deeper(levels - 1, work)


def deep_60(world: World, _number: int) -> None:
    with world.memory.connect() as connection:
        for key in range(1, 201):
            deeper(60, partial(author_by_key, connection, key))


def insertmanyvalues(world: World, number: int) -> None:
    rows = [{"book_id": key, "amount": number} for key in range(20)]
    with world.memory.connect() as connection:
        for _ in range(20):
            connection.execute(NEW_SALE_KEY, rows).all()


def savepoints(world: World, _number: int) -> None:
    with world.memory.connect() as connection:
        for key in range(1, 51):
            with connection.begin_nested():
                author_by_key(connection, key)


def _joined(session: Session) -> Any:
    return session.scalars(select(Author).where(Author.id <= 5).options(joinedload(Author.books))).unique().all()


def load_joined(world: World, _number: int) -> None:
    for _ in range(10):
        with Session(world.memory) as session:
            _joined(session)


def load_selectin(world: World, _number: int) -> None:
    for _ in range(10):
        with Session(world.memory) as session:
            session.scalars(select(Author).where(Author.id <= 5).options(selectinload(Author.books))).all()


def threads(world: World, _number: int) -> None:
    def work() -> None:
        with world.file.connect() as connection:
            for key in range(1, 51):
                author_by_key(connection, key)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


WORKLOADS = (
    Workload("Core select by primary key", 200, core_by_key),
    Workload("a connection for each statement", 100, connection_each),
    Workload("lazy collections", 30, lazy_collections, through_session=True),
    Workload("session.get", 50, session_get, through_session=True),
    Workload("200 rows in one select", 20, rows_200),
    Workload("flush of 100 objects", 100, flush_100),
    Workload("executemany", 20, executemany),
    Workload("2,000 distinct texts", 100, distinct_texts, laps=20),
    Workload("IN lists of varying length", 30, in_lists),
    Workload("async Core (aiosqlite)", 40, async_core),
    Workload("async ORM", 20, async_orm, through_session=True),
    Workload("60 application frames deep", 200, deep_60),
    Workload("insertmanyvalues", 20, insertmanyvalues),
    Workload("savepoints", 150, savepoints),
    Workload("joinedload", 10, load_joined, through_session=True),
    Workload("selectinload", 20, load_selectin, through_session=True),
    Workload("threads", 200, threads),
)
