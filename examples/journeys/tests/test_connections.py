"""Connections and transactions: how many are out, for how long, and whether they come back."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.max_connections(1)
async def test_a_request_takes_one_connection(client: httpx.AsyncClient) -> None:
    """One request never holds more than one connection."""
    assert len((await client.post("/segments/preview", json=[1, 2, 3, 4])).json()) == 4


@pytest.mark.no_connection_leaks
async def test_every_way_out_returns_the_connection(client: httpx.AsyncClient) -> None:
    """A request for a call that does not exist returns its connection as well."""
    assert (await client.get("/calls/999/transcript")).status_code == 404


@pytest.mark.max_transaction(queries=2, seconds=0.1)
async def test_no_transaction_waits_for_the_provider(client: httpx.AsyncClient) -> None:
    """Sending messages holds no transaction open while the provider works."""
    assert (await client.post("/tenants/1/send")).json() == 10
