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
    with (running() if request.param == "running" else embedded()) as url:
        with scratch(url, f"querybudget_plans_{os.getpid()}") as found:
            yield found
