"""An empty database on any of the servers that the plans are tried on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from tests.plans.mysql_servers import MARIADB, database, unreachable
from tests.plans.postgresql_servers import embedded, running, scratch

NAMES = ("sqlite", "postgresql", "postgresql 18", "mariadb")


@contextmanager
def empty_database(name: str, purpose: str, file: str = "") -> Iterator[URL]:
    """A database on the server of this name; `file` is SQLite's, which is kept in memory without one."""
    own = f"querybudget_{purpose}_{os.getpid()}"
    if name == "sqlite":
        yield make_url(f"sqlite:///{file}")
    elif name == "mariadb":
        reason = unreachable(MARIADB)
        if reason:
            pytest.skip(reason)
        with database(MARIADB, own) as found:
            yield make_url(MARIADB).set(drivername="mysql+pymysql", database=found["database"])
    else:
        with running() if name == "postgresql" else embedded() as url, scratch(url, own) as found:
            yield found
