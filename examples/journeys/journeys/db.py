"""One database: its engine, and the factory of its sessions."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine


@dataclass(frozen=True)
class Database:
    """What the application keeps for as long as it runs."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]


def open_database(url: str, *, expire_on_commit: bool) -> Database:
    """Open `url`; `expire_on_commit` is SQLAlchemy's: true makes a commit forget what was loaded."""
    engine = create_async_engine(url)
    return Database(engine, async_sessionmaker(engine, expire_on_commit=expire_on_commit))
