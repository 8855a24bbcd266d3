"""Budgets for the SQL that a test sends.

The number, the shape and the plan of a test's statements become part of what the test asserts.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
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


class _AsCompiled:
    """Finds the modules of this package before pytest does.

    pytest rewrites the assert statements of every module of a plugin, to explain them. None here needs that, and where
    its cache is not kept, as in a new container of a CI service, parsing the modules takes longer than importing them.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find a module of this package as if pytest were not there."""
        return PathFinder.find_spec(name, path, target) if name.startswith(f"{__name__}.") else None


if any(type(each).__name__ == "AssertionRewritingHook" for each in sys.meta_path):
    # Once, also where a suite reloads the package.
    sys.meta_path[:] = [_AsCompiled, *[each for each in sys.meta_path if getattr(each, "__module__", "") != __name__]]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for. Raises `AttributeError` for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
