"""What is accepted, with its reason: by a comment in the source, or by a marker on the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from versions import VERSIONS, open_client, open_copy


@pytest.mark.no_n_plus_one
async def test_a_comment_in_the_source_allows_a_loop(client: httpx.AsyncClient) -> None:
    """The nightly report may ask for each tenant: the line that does so says why."""
    assert [line["contacts"] for line in (await client.get("/reports/nightly")).json()] == [60, 5, 0]


@pytest.fixture
async def first_version(templates: dict[str, Path], tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the wasteful version, in a suite that has not mended it yet."""
    async for database in open_copy("wasteful", templates, tmp_path):
        yield open_client(VERSIONS["wasteful"], database)


@pytest.mark.no_n_plus_one
@pytest.mark.allow_queries("no_n_plus_one", reason="the list of journeys is being rewritten", until="2099-12-31")
async def test_a_marker_allows_a_loop(first_version: httpx.AsyncClient) -> None:
    """A known waste can wait for its day without hiding new ones elsewhere."""
    assert len((await first_version.get("/tenants/1/journeys")).json()) == 6
