"""Both versions answer alike: what was mended is the way to the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from versions import VERSIONS, open_client, open_copy

REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/tenants/1/journeys", None),
    ("GET", "/journeys/1", None),
    ("GET", "/journeys/99", None),
    ("POST", "/journeys/1/enrol", [1, 2, 3]),
    ("POST", "/tenants/1/pause", None),
    ("GET", "/tenants/1/contacts", None),
    ("GET", "/contacts/1", None),
    ("POST", "/contacts/lookup", [3, 1, 2, 99]),
    ("POST", "/tenants/1/contacts", [{"name": "A", "email": "a@b.c"}, {"name": "B", "email": "contact2@example.com"}]),
    ("GET", "/tenants/1/contacts/by-email?email=Contact3@Example.org", None),
    ("GET", "/tenants/1/contacts/by-domain?domain=example.com", None),
    ("GET", "/tenants/1/contacts/by-plan?plan=pro", None),
    ("GET", "/tenants/1/contacts/not-written-to", None),
    ("GET", "/tenants/1/outbox", None),
    ("POST", "/messages/mark-sent", [1, 2, 3, 9999]),
    ("POST", "/tenants/1/send", None),
    ("GET", "/tenants/1/messages/sent-on/2026-03-05", None),
    ("GET", "/tenants/1/messages/waiting", None),
    ("GET", "/tenants/2/messages/export", None),
    ("GET", "/tenants/1/segments", None),
    ("POST", "/segments/preview", [5, 4, 99]),
    ("GET", "/contacts/1/calls", None),
    ("GET", "/contacts/1/calls/count", None),
    ("GET", "/contacts/1/calls/transcripts", None),
    ("GET", "/contacts/1/calls/seconds", None),
    ("GET", "/calls/1/transcript", None),
    ("GET", "/tenants/1/dashboard", None),
    ("GET", "/tenants/1/activity", None),
    ("GET", "/reports/nightly", None),
)


@pytest.fixture
async def both(templates: dict[str, Path], tmp_path: Path) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each version."""
    opened = {name: open_copy(name, templates, tmp_path) for name in VERSIONS}
    yield [open_client(VERSIONS[name], await anext(databases)) for name, databases in opened.items()]
    for databases in opened.values():
        await anext(databases, None)


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[path for _, path, _ in REQUESTS])
async def test_both_versions_answer_alike(both: list[httpx.AsyncClient], method: str, path: str, body: object) -> None:
    """The status and the body of an answer do not depend on the version."""
    answers = [await client.request(method, path, json=body) for client in both]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json() == answers[1].json()
    assert answers[0].status_code == (404 if path.endswith("/99") else 200)
