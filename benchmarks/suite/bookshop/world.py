"""The engines that the workloads run against, filled once for each process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bookshop.models import Author, Base, Book, author_rows, book_rows

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


@dataclass(frozen=True)
class World:
    """What a workload may use.

    `memory` is SQLite in memory, so that added cost shows most; `file` is for the threads, which need
    a database that several connections see; `asynchronous` is aiosqlite in memory, used on `loop` only.
    """

    memory: Engine
    file: Engine
    asynchronous: AsyncEngine
    loop: asyncio.AbstractEventLoop

    def close(self) -> None:
        """Give back all connections, and end the thread of aiosqlite."""
        self.loop.run_until_complete(self.asynchronous.dispose())
        self.loop.close()
        self.memory.dispose()
        self.file.dispose()


def build_world(folder: Path) -> World:
    """Create and fill the three databases; the one on disk goes into `folder`."""
    memory, file = create_engine("sqlite://"), create_engine(f"sqlite:///{folder / 'bookshop.db'}")
    for engine in (memory, file):
        with engine.begin() as connection:
            _fill(connection)
    asynchronous, loop = create_async_engine("sqlite+aiosqlite://"), asyncio.new_event_loop()
    loop.run_until_complete(_fill_asynchronously(asynchronous))
    return World(memory, file, asynchronous, loop)


def _fill(connection: Connection) -> None:
    Base.metadata.create_all(connection)
    connection.execute(insert(Author), author_rows())
    connection.execute(insert(Book), book_rows())


async def _fill_asynchronously(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_fill)
