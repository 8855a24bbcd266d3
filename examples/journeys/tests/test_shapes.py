"""Shapes: statements that are a trap however they are planned today."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.no_unbounded_selects
async def test_a_list_that_grows_has_a_limit(client: httpx.AsyncClient) -> None:
    """The calls with a contact are read with a LIMIT."""
    assert len((await client.get("/contacts/1/calls")).json()) == 20


@pytest.mark.no_row_explosion
async def test_two_collections_do_not_multiply(client: httpx.AsyncClient) -> None:
    """The nodes and the messages of a journey are not joined into every combination of both."""
    assert (await client.get("/tenants/1/activity")).json()[0] == {
        "id": 1,
        "name": "Welcome",
        "nodes": 4,
        "messages": 40,
    }


@pytest.mark.no_antipatterns
class TestAntipatterns:
    """One test for each pattern that the application once had."""

    async def test_not_in(self, client: httpx.AsyncClient) -> None:
        """NOT EXISTS, and no NOT IN (SELECT ...), finds the contacts without a message."""
        assert len((await client.get("/tenants/1/contacts/not-written-to")).json()) == 10

    async def test_leading_wildcard(self, client: httpx.AsyncClient) -> None:
        """The domain of an address is a column, and not the end of a LIKE."""
        found = await client.get("/tenants/1/contacts/by-domain", params={"domain": "example.org"})
        assert len(found.json()) == 30

    async def test_select_star(self, client: httpx.AsyncClient) -> None:
        """A statement names the columns that it needs."""
        assert (await client.get("/contacts/2/calls/seconds")).json() == 121 + 122 + 123

    async def test_deep_offset(self, client: httpx.AsyncClient) -> None:
        """An export of 1,200 rows continues after the last key, and skips no rows by OFFSET."""
        assert len((await client.get("/tenants/2/messages/export")).json()) == 1200

    async def test_function_around_a_column(self, client: httpx.AsyncClient) -> None:
        """A day is a range of the column, and not a function of it."""
        assert len((await client.get("/tenants/1/messages/sent-on/2026-03-05")).json()) == 24

    async def test_literals(self, client: httpx.AsyncClient) -> None:
        """Values are parameters, and not part of the text."""
        assert len((await client.get("/tenants/1/segments")).json()) == 4

    async def test_cartesian_product(self, client: httpx.AsyncClient) -> None:
        """Tables that stand in one FROM are joined."""
        assert (await client.get("/tenants/1/dashboard")).json()["contacts"] == 60
