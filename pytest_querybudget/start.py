"""Begins a run: options become settings, settings become instruments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget.errors import QueryBudgetError
from pytest_querybudget.rules.registry import NAMES, all_rules
from pytest_querybudget.settings import MARKERS, read_settings

if TYPE_CHECKING:
    from pytest_querybudget.growth import QueryGrowth
    from pytest_querybudget.rules.base import Rule
    from pytest_querybudget.run import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()


def start(config: pytest.Config) -> None:
    """Make the run of a configuration, and undo everything when it ends. Raises `pytest.UsageError`."""
    try:
        settings = read_settings(config, NAMES)
        if settings.mode == "off":
            _name_markers(config)
            return
        from pytest_querybudget.plugin import Hooks, ProofHooks, TracebackHooks
        from pytest_querybudget.run import Run

        rules = all_rules()
        _declare_markers(config, rules)
        run = config.stash[RUN] = Run(config, settings, rules)
    except ValueError as error:
        raise pytest.UsageError(f"pytest-querybudget: {error}") from None
    config.pluginmanager.register(Hooks(run), "querybudget-run")
    config.pluginmanager.register(TracebackHooks(run), "querybudget-tracebacks")
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


def _name_markers(config: pytest.Config) -> None:
    """Let the markers of a suite stand, and say no more of them: what a rule takes is known to the rule."""
    for name in (*NAMES, *MARKERS):
        config.addinivalue_line("markers", f"{name}: not checked, by --querybudget=off")


def _declare_markers(config: pytest.Config, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        config.addinivalue_line("markers", f"{rule.name}({rule.takes}): {rule.summary}")
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}({text}")
