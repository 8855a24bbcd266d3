"""Servers, each started once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL

from tests.plans.postgresql_servers import embedded, running, scratch


@pytest.fixture(scope="session", params=["running", "embedded"])
def postgresql(request: pytest.FixtureRequest) -> Iterator[URL]:
    """An empty database on each PostgreSQL server that can be had."""
    server = running() if request.param == "running" else embedded()
    with server as url, scratch(url, f"querybudget_plans_{os.getpid()}") as found:
        yield found
