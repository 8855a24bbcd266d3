"""Ceilings and permissions: how many statements, how wide, how many rows, how long, and whether it may write."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.mark.max_queries(2)
async def test_a_list_of_journeys_takes_two_statements(client: httpx.AsyncClient) -> None:
    """Two statements list any number of journeys: one for the journeys, one for all of their nodes."""
    journeys = (await client.get("/tenants/1/journeys")).json()
    assert [journey["name"] for journey in journeys[:2]] == ["Welcome", "Birthday"]


@pytest.mark.max_queries(1, exact=True)
async def test_a_contact_takes_exactly_one_statement(client: httpx.AsyncClient) -> None:
    """Reading one contact is one statement, neither more nor fewer."""
    assert (await client.get("/contacts/1")).json()["name"] == "Contact 1"


@pytest.mark.max_queries(select=1, insert=1, update=0)
async def test_an_import_selects_once_and_inserts_once(client: httpx.AsyncClient) -> None:
    """An import of any size is one SELECT and one INSERT."""
    rows = [{"name": f"New {number}", "email": f"new{number}@example.net"} for number in range(5)]
    assert len((await client.post("/tenants/1/contacts", json=rows)).json()["created"]) == 5


async def test_a_budget_for_one_block(client: httpx.AsyncClient, query_budget: Any) -> None:
    """A block of a test has a budget of its own; what stands outside of it does not count."""
    waiting = (await client.get("/tenants/1/messages/waiting")).json()
    with query_budget(max_queries=1, no_write_loops=True):
        marked = await client.post("/messages/mark-sent", json=[message["id"] for message in waiting])
    assert marked.json() == 5


@pytest.mark.only_columns("contacts.id", "contacts.name")
async def test_a_list_of_names_loads_names(client: httpx.AsyncClient) -> None:
    """A list of names loads no column but the key and the name."""
    assert len((await client.get("/tenants/1/contacts")).json()) == 60


@pytest.mark.forbid_columns("*.metadata", "journeys.definition", "*.configuration")
class TestWideColumns:
    """A marker of a class holds for each of its tests."""

    async def test_a_list_of_calls_leaves_the_metadata_alone(self, client: httpx.AsyncClient) -> None:
        """JSON that nobody shows is not loaded for a list of calls."""
        assert len((await client.get("/contacts/1/calls")).json()) == 20

    async def test_a_look_up_leaves_the_metadata_alone(self, client: httpx.AsyncClient) -> None:
        """JSON that nobody shows is not loaded to look up names."""
        assert len((await client.post("/contacts/lookup", json=[1, 2, 3])).json()) == 3

    async def test_a_journey_leaves_its_definition_alone(self, client: httpx.AsyncClient) -> None:
        """JSON that nobody shows is not loaded for the tree of a journey."""
        assert len((await client.get("/journeys/1")).json()["nodes"]) == 4


@pytest.mark.max_columns(3)
async def test_a_list_of_calls_is_narrow(client: httpx.AsyncClient) -> None:
    """A list of calls is three columns wide."""
    assert set((await client.get("/contacts/1/calls")).json()[0]) == {"id", "started_at", "seconds"}


@pytest.mark.max_rows(20)
async def test_a_page_of_calls_fetches_a_page(client: httpx.AsyncClient) -> None:
    """A page of twenty calls fetches twenty rows, however many there are."""
    assert len((await client.get("/contacts/1/calls")).json()) == 20


@pytest.mark.max_rows(1)
async def test_counting_fetches_one_row(client: httpx.AsyncClient) -> None:
    """Counting is the database's work: one row comes back."""
    assert (await client.get("/contacts/1/calls/count")).json() == 120


@pytest.mark.max_query_time(0.1)
async def test_no_statement_of_the_dashboard_is_slow(client: httpx.AsyncClient) -> None:
    """Each statement of the dashboard answers within 0.1 seconds."""
    assert (await client.get("/tenants/1/dashboard")).json() == {"contacts": 60, "messages": 240, "executions": 120}


@pytest.mark.max_db_time(0.2)
async def test_the_dashboard_leaves_the_database_time(client: httpx.AsyncClient) -> None:
    """All statements of the dashboard together take less than 0.2 seconds."""
    assert (await client.get("/tenants/1/dashboard")).status_code == 200


@pytest.mark.read_only
async def test_a_get_writes_nothing(client: httpx.AsyncClient) -> None:
    """Looking at a contact changes nothing."""
    assert (await client.get("/contacts/1")).json()["email"] == "contact1@example.org"


@pytest.mark.query_budget(max_queries=2, no_n_plus_one=True, forbid_columns=["messages.subject"])
async def test_several_rules_in_one_marker(client: httpx.AsyncClient) -> None:
    """The outbox takes two statements and leaves the subjects alone."""
    assert len((await client.get("/tenants/1/outbox")).json()) == 10


@pytest.mark.parametrize(
    ("contact", "calls"),
    [
        pytest.param(1, 120, marks=pytest.mark.max_rows(1)),
        pytest.param(2, 3, marks=pytest.mark.max_rows(2)),
    ],
)
async def test_a_budget_for_each_parameter(client: httpx.AsyncClient, contact: int, calls: int) -> None:
    """A budget can differ from one parameter to the next."""
    assert (await client.get(f"/contacts/{contact}/calls/count")).json() == calls
