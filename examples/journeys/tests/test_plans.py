"""Plans: what the database does with a statement, whatever the size of the test's tables."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.no_full_scans
@pytest.mark.uses_index("ix_contacts_tenant_email", table="contacts")
async def test_an_address_is_looked_up_in_its_index(client: httpx.AsyncClient) -> None:
    """An address is found through the unique index on it."""
    found = await client.get("/tenants/1/contacts/by-email", params={"email": "Contact3@Example.org"})
    assert found.json()["id"] == 3


@pytest.mark.no_full_scans
@pytest.mark.uses_index("ix_contacts_tenant_plan")
async def test_a_key_of_a_json_column_is_looked_up_in_its_index(client: httpx.AsyncClient) -> None:
    """A filter on a key inside a JSON column is served by an expression index."""
    assert len((await client.get("/tenants/1/contacts/by-plan", params={"plan": "pro"})).json()) == 20


@pytest.mark.no_full_scans
@pytest.mark.uses_index("ix_messages_queued")
async def test_a_queue_is_read_through_a_partial_index(client: httpx.AsyncClient) -> None:
    """The few messages that wait are read from an index that holds no others."""
    assert len((await client.get("/tenants/1/messages/waiting")).json()) == 5


@pytest.mark.no_full_scans
class TestFullScans:
    """No filter reads a whole table."""

    async def test_by_domain(self, client: httpx.AsyncClient) -> None:
        """Contacts are found by the domain of their address through an index."""
        found = await client.get("/tenants/1/contacts/by-domain", params={"domain": "example.com"})
        assert len(found.json()) == 30

    async def test_by_day(self, client: httpx.AsyncClient) -> None:
        """Messages of one day are a range of an index."""
        assert len((await client.get("/tenants/1/messages/sent-on/2026-03-05")).json()) == 24

    async def test_by_foreign_key(self, client: httpx.AsyncClient) -> None:
        """The calls with a contact are found through an index on the foreign key."""
        assert (await client.get("/contacts/1/calls/count")).json() == 120

    async def test_by_relationship(self, client: httpx.AsyncClient) -> None:
        """What belongs to a journey is found through indexes on the foreign keys."""
        assert (await client.get("/journeys/1")).status_code == 200


@pytest.mark.no_sorts
async def test_the_newest_calls_come_in_the_order_of_an_index(client: httpx.AsyncClient) -> None:
    """The newest calls are read in order from an index, and not sorted."""
    assert (await client.get("/contacts/1/calls")).json()[0]["id"] == 120


@pytest.mark.no_unindexed_foreign_keys
async def test_foreign_keys_are_indexed(client: httpx.AsyncClient) -> None:
    """Each foreign key of the tables that a request reads has an index that starts with it."""
    assert (await client.get("/contacts/1/calls")).status_code == 200
