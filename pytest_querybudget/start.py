"""Begins a run: options become settings, settings become instruments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget.budgets import ALLOW, GROUP, BudgetError
from pytest_querybudget.errors import QueryBudgetError
from pytest_querybudget.rules.base import Rule
from pytest_querybudget.rules.registry import RULES
from pytest_querybudget.settings import read_settings

if TYPE_CHECKING:
    from pytest_querybudget.growth import QueryGrowth
    from pytest_querybudget.run import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()


def start(config: pytest.Config) -> None:
    """Make the run of a configuration, and undo everything when it ends. Raises `pytest.UsageError`."""
    _declare_markers(config, RULES)
    try:
        settings = read_settings(config, [each.name for each in RULES])
        if settings.mode == "off":
            return
        from pytest_querybudget.plugin import Hooks, ProofHooks
        from pytest_querybudget.run import Run

        run = config.stash[RUN] = Run(config, settings, RULES)
    except (BudgetError, ValueError) as error:
        raise pytest.UsageError(f"pytest-querybudget: {error}") from None
    config.pluginmanager.register(Hooks(run), "querybudget-run")
    if _runs_tests(config):
        run.instruments.install()
        config.add_cleanup(run.instruments.remove)
        if run.prover is not None:
            config.pluginmanager.register(ProofHooks(run.prover), "querybudget-prove")
            config.add_cleanup(run.prover.close)


def budget_fixture(config: pytest.Config) -> Any:
    """Return what the fixture `query_budget` is: a stand-in that checks nothing where the plugin is switched off."""
    run = config.stash.get(RUN, None)
    return run.fixture() if run is not None else SwitchedOff()


def growth_fixture(config: pytest.Config) -> Iterator[QueryGrowth]:
    """Yield what the fixture `query_growth` is; where the plugin is switched off, it runs all and compares nothing."""
    from pytest_querybudget.growth import QueryGrowth

    growth = QueryGrowth(config.stash.get(RUN, None))
    yield growth
    growth.close()


class SwitchedOff:
    """The fixture under `--querybudget=off`: blocks run unchecked, and whoever asks what was sent gets an error."""

    def __call__(self, **_rules: Any) -> SwitchedOff:
        """Return a context manager that does nothing."""
        return self

    def __enter__(self) -> SwitchedOff:  # noqa: PYI034 - Self is of Python 3.11
        """Begin nothing."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Check nothing."""

    def app(self, app: Any) -> Any:
        """Return the application as it is."""
        return app

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise QueryBudgetError(f"query_budget.{name} is not known: --querybudget=off records nothing")


def _runs_tests(config: pytest.Config) -> bool:
    """Return whether this process runs tests, and does not only hand them to workers."""
    distributed = getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput")
    return not (distributed and getattr(config.option, "tx", None))


def _declare_markers(config: pytest.Config, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        config.addinivalue_line("markers", f"{rule.name}({rule.takes}): {rule.summary}")
    config.addinivalue_line("markers", f"{GROUP}(**rules): several budgets at once, each rule as a keyword")
    config.addinivalue_line(
        "markers", f'{ALLOW}("rule", match="glob", reason="...", until="2027-01-31"): findings that do not fail'
    )
