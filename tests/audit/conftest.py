"""Suites of the warehouse."""

from __future__ import annotations

import pytest

from tests.audit.warehouse import MODELS
from tests.plugin.conftest import suite
from tests.plugin.suites import Suite

__all__ = ["suite"]


@pytest.fixture
def warehouse(suite: Suite) -> Suite:
    """A suite whose application is the warehouse."""
    suite.write("warehouse.py", MODELS)
    return suite
