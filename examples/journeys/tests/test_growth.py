"""Growth: the number of statements must not follow the number of rows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from journeys.db import Database


async def test_one_row_hides_nothing(
    client: httpx.AsyncClient, database: Database, queries: Any, query_growth: Any
) -> None:
    """A list of journeys sends as many statements for eight journeys as for two."""
    models = queries.models

    async def add_journeys(count: int) -> None:
        async with database.sessions.begin() as session:
            session.add_all(
                models.Journey(
                    tenant_id=3,
                    name=f"Journey {number}",
                    status="draft",
                    definition={},
                    nodes=[models.Node(name="Start", position=0, configuration={})],
                )
                for number in range(count)
            )

    async def list_journeys() -> None:
        assert (await client.get("/tenants/3/journeys")).status_code == 200

    await query_growth(list_journeys, seed=add_journeys, sizes=(2, 8))


@pytest.mark.constant_queries
@pytest.mark.parametrize("size", [1, 4])
async def test_sizes_as_parameters(client: httpx.AsyncClient, size: int) -> None:
    """A look-up of four contacts sends as many statements as a look-up of one."""
    assert len((await client.post("/contacts/lookup", json=list(range(1, size + 1)))).json()) == size
