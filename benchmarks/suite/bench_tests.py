"""Many small tests, as most suites have them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from bookshop.models import AUTHORS, Author
from bookshop.shop import visit
from bookshop.world import World
from sqlalchemy import select
from sqlalchemy.orm import Session

TESTS = int(os.environ.get("QUERYBUDGET_BENCH_TESTS", "300"))
STATEMENTS = int(os.environ.get("QUERYBUDGET_BENCH_STATEMENTS", "4"))
DIFFERENT = "QUERYBUDGET_BENCH_DIFFERENT" in os.environ


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A session of its own for each test."""
    with Session(world.memory) as session:
        yield session


if DIFFERENT:

    @pytest.mark.parametrize("number", range(TESTS))
    def test_different(number: int, session: Session) -> None:
        """As most tests are: no statement is sent twice, and the next test sends the same ones again."""
        assert visit(session, number) == AUTHORS + 1

elif STATEMENTS:

    @pytest.mark.parametrize("number", range(TESTS))
    def test_small(number: int, session: Session) -> None:
        """One query and a lookup or two, as a test of a view sends them; different ones from test to test."""
        author = session.scalars(select(Author).where(Author.id == number % 200 + 1)).one()
        for step in range(STATEMENTS - 1):
            session.get(Author, (author.id + step) % 200 + 1, populate_existing=True)

else:

    @pytest.mark.parametrize("number", range(TESTS))
    def test_without_statements(number: int) -> None:
        """No database at all."""
        assert number >= 0
