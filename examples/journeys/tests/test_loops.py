"""Loops: one query for each row, the same query again, one write for each row."""

from __future__ import annotations

from types import ModuleType

import httpx
import pytest
from journeys.db import Database

pytestmark = [pytest.mark.no_n_plus_one, pytest.mark.no_repeated_queries, pytest.mark.no_write_loops]


async def test_lazy_loads_of_a_list(client: httpx.AsyncClient) -> None:
    """The nodes of all journeys come together, not journey by journey."""
    assert (await client.get("/tenants/1/journeys")).json()[0]["nodes"] == ["Start", "Wait", "Write", "Call"]


async def test_lazy_loads_of_a_serializer(client: httpx.AsyncClient) -> None:
    """A serializer that walks two levels of relationships finds both loaded."""
    tree = (await client.get("/journeys/1")).json()
    assert [len(node["executions"]) for node in tree["nodes"]] == [5, 5, 5, 5]


async def test_keys_in_a_loop(client: httpx.AsyncClient) -> None:
    """Contacts are looked up by all of their keys at once."""
    found = (await client.post("/contacts/lookup", json=[3, 1, 2])).json()
    assert [contact["id"] for contact in found] == [3, 1, 2]


async def test_text_in_a_loop(client: httpx.AsyncClient) -> None:
    """The sizes of all segments are counted by one statement, not by one text each."""
    assert [segment["contacts"] for segment in (await client.get("/tenants/1/segments")).json()] == [15, 15, 15, 15]


async def test_a_session_for_each_row(client: httpx.AsyncClient) -> None:
    """A task and a session for each row would still be a statement for each row."""
    assert len((await client.post("/segments/preview", json=[5, 4, 6, 7])).json()) == 4


async def test_deferred_columns(client: httpx.AsyncClient) -> None:
    """The transcripts of all calls come with the calls."""
    assert len((await client.get("/contacts/1/calls/transcripts")).json()) == 20


async def test_reloads_after_a_commit(client: httpx.AsyncClient) -> None:
    """A commit does not make every journey load again."""
    assert (await client.post("/tenants/1/pause")).json() == ["Welcome", "Birthday", "Reminder", "Survey"]


async def test_configuration_for_each_row(client: httpx.AsyncClient) -> None:
    """The settings of a tenant are read once, and kept while the messages are rendered."""
    assert {message["sender"] for message in (await client.get("/tenants/1/outbox")).json()} == {"sender of 1"}


async def test_a_flush_for_each_object(client: httpx.AsyncClient) -> None:
    """All executions of an enrolment are inserted together."""
    assert (await client.post("/journeys/1/enrol", json=[1, 2, 3, 4, 5])).json() == 5


async def test_an_update_for_each_row(client: httpx.AsyncClient) -> None:
    """One UPDATE marks any number of messages."""
    assert (await client.post("/messages/mark-sent", json=[1, 2, 3, 4])).json() == 4


async def test_a_commit_for_each_row(client: httpx.AsyncClient) -> None:
    """An import looks for known addresses once, and inserts and commits once."""
    rows = [{"name": f"New {number}", "email": f"new{number}@example.net"} for number in range(5)]
    assert (await client.post("/tenants/1/contacts", json=rows)).json()["known"] == 0


async def test_without_the_web(queries: ModuleType, database: Database) -> None:
    """The rules see a service that is called directly as they see one behind a request."""
    async with database.sessions() as session:
        assert len(await queries.journeys.list_journeys(session, 1)) == 6
