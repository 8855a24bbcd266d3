"""A fresh database for each test, and a client of the application over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from journeys.db import Database
from versions import VERSIONS, create_template, open_client, open_copy


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One seeded database file for each version."""
    folder = tmp_path_factory.mktemp("templates")
    return {name: create_template(folder / f"{name}.db", version) for name, version in VERSIONS.items()}


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """The name of the version under test."""
    name: str = request.param
    return name


@pytest.fixture
def queries(version: str) -> ModuleType:
    """The queries of the version under test."""
    return VERSIONS[version]


@pytest.fixture
async def database(version: str, templates: dict[str, Path], tmp_path: Path) -> AsyncIterator[Database]:
    """A copy of the seeded database, open."""
    async for opened in open_copy(version, templates, tmp_path):
        yield opened


@pytest.fixture
async def client(queries: ModuleType, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application under test."""
    async with open_client(queries, database) as opened:
        yield opened
