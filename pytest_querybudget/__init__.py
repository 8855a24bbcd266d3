"""Budgets for the SQL that a test sends.

The number, the shape and the plan of a test's statements become part of what the test asserts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_querybudget.block import query_budget
    from pytest_querybudget.budgets import BudgetError
    from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
    from pytest_querybudget.findings.model import Finding
    from pytest_querybudget.recording.model import Recording

__all__ = ["BudgetError", "Finding", "QueryBudgetError", "QueryBudgetExceeded", "Recording", "query_budget"]

# Where each public name lives. pytest imports this package in every run, also where it is switched off.
_HOMES = {
    "BudgetError": "budgets",
    "Finding": "findings.model",
    "QueryBudgetError": "errors",
    "QueryBudgetExceeded": "errors",
    "Recording": "recording.model",
    "query_budget": "block",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for. Raises `AttributeError` for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
