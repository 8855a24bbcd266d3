"""The two versions of the application, and how a test opens one of them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import httpx
from journeys import mended, wasteful
from journeys.api import create_app
from journeys.db import Database, open_database
from seed import seed
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

VERSIONS = {"wasteful": wasteful, "mended": mended}


def create_template(path: Path, version: ModuleType) -> Path:
    """Create a database file with the tables of `version` and the seeded rows."""
    engine = create_engine(f"sqlite:///{path}")
    version.models.Base.metadata.create_all(engine)
    with Session(engine) as session:
        seed(session, version.models)
        session.commit()
    engine.dispose()
    return path


async def open_copy(name: str, templates: dict[str, Path], folder: Path) -> AsyncIterator[Database]:
    """Copy the seeded database of a version into `folder`, and open it until the fixture ends."""
    path = shutil.copy(templates[name], folder / f"{name}.db")
    database = open_database(f"sqlite+aiosqlite:///{path}", expire_on_commit=VERSIONS[name].EXPIRE_ON_COMMIT)
    yield database
    await database.engine.dispose()


def open_client(queries: ModuleType, database: Database) -> httpx.AsyncClient:
    """A client of the application with `queries` over `database`, in this process."""
    transport = httpx.ASGITransport(app=create_app(queries, database))
    return httpx.AsyncClient(transport=transport, base_url="http://journeys")
