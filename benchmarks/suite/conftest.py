"""Fixtures of the measured suite; which recorder watches it is decided on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from bookshop.world import World, build_world
from conductor import CHANNEL, Conductor


@pytest.fixture(scope="session")
def conductor() -> Conductor:
    """The channel to the controlling process."""
    return Conductor(os.environ.get(CHANNEL))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The filled databases."""
    built = build_world(tmp_path_factory.mktemp("bookshop"))
    yield built
    built.close()
