"""Hooks that other plugins and conftest files may implement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_querybudget.plans.reader import PlanReader
    from pytest_querybudget.reports.format import Format


@pytest.hookspec
def pytest_querybudget_plan_readers() -> Sequence[PlanReader]:  # type: ignore[empty-body]
    """Return plan readers for further databases; one for a dialect that has a reader already replaces it."""


@pytest.hookspec
def pytest_querybudget_reports() -> Sequence[Format]:  # type: ignore[empty-body]
    """Return further report formats; one with the name of a format that ships with the plugin replaces it."""
