"""Each budget is declared once and tested on both versions: the wasteful one is expected to break it."""

from __future__ import annotations

import inspect

import pytest

# The budget that breaks raises an AssertionError or ends the test through pytest.fail; anything else is a fault.
BROKEN_BUDGET = (AssertionError, pytest.fail.Exception)

# A leak shows when the fixtures have finished, growth when the last size has run: the test before that has passed.
LATE_RULES = ("no_connection_leaks", "constant_queries")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch of the demonstration."""
    parser.addoption(
        "--show-wasteful",
        action="store_true",
        help="run the wasteful version alone, and let its broken budgets fail with their reports",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect each budget to break on the wasteful version, or show only how it does."""
    wasteful = [item for item in items if _version(item) == "wasteful"]
    if config.getoption("--show-wasteful"):
        config.hook.pytest_deselected(items=[item for item in items if item not in wasteful])
        items[:] = wasteful
        return
    for item in wasteful:
        strict = not any(item.get_closest_marker(rule) for rule in LATE_RULES)
        item.add_marker(pytest.mark.xfail(strict=strict, raises=BROKEN_BUDGET, reason=f"broken: {_promise(item)}"))


def pytest_ignore_collect(collection_path: object, config: pytest.Config) -> bool | None:
    """Leave out the audit's tests unless the audit runs."""
    audited = config.getoption("--querybudget-audit", default=False)
    return True if str(collection_path).endswith("test_audit.py") and not audited else None


def _version(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("version") if callspec else None


def _promise(item: pytest.Item) -> str:
    documentation = inspect.getdoc(getattr(item, "function", None)) or item.name
    return documentation.splitlines()[0].rstrip(".")
