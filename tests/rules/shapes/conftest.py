"""The databases on which the cases run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from tests.rules.shapes.shop import Base, fill

URLS = {"sqlite": None, "postgresql": "postgresql_url", "mariadb": "mariadb_url"}


@pytest.fixture(scope="module", params=URLS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine of a filled database, on each server that answers."""
    fixture = URLS[request.param]
    engine = create_engine(request.getfixturevalue(fixture) if fixture else "sqlite://")
    fill(engine)
    yield engine
    # Tests of other rooms have tables of the same names.
    Base.metadata.drop_all(engine)
    engine.dispose()
