"""What was loaded and never read. Needs `--querybudget-audit`."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.no_unused_columns
async def test_every_column_of_a_name_list_is_read(client: httpx.AsyncClient) -> None:
    """A list of names loads no column that it does not show."""
    assert len((await client.get("/tenants/1/contacts")).json()) == 60


@pytest.mark.no_unused_columns
async def test_every_column_of_a_message_is_read(client: httpx.AsyncClient) -> None:
    """Rendering the outbox loads no column that it does not use."""
    assert len((await client.get("/tenants/1/outbox")).json()) == 10


@pytest.mark.no_unused_loads
async def test_nothing_is_loaded_to_be_counted(client: httpx.AsyncClient) -> None:
    """Calls are not loaded when only their number is wanted."""
    assert (await client.get("/contacts/1/calls/count")).json() == 120
