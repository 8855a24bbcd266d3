"""Suites that grow."""

from __future__ import annotations

import gc
import warnings

import pytest

from tests.plugin.conftest import suite

__all__ = ["suite"]


@pytest.fixture(autouse=True)
def collected() -> None:
    """Growth collects garbage, and Python 3.13 warns of each database in it that an earlier test left unclosed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
