"""What is checked before the first test runs: a budget that can never fail is an error."""

from __future__ import annotations

import difflib
import re

import pytest

from pytest_querybudget.budgets import Budget, BudgetError, BudgetReader, mark_names, nearest_marks
from pytest_querybudget.instruments import Instruments
from pytest_querybudget.rules.constant_queries import ConstantQueries

# What pytest says of a marker that nobody has declared, where only declared ones are allowed.
_UNDECLARED = re.compile(r"'(\w+)' not found in `markers` configuration option")


class Checks:
    """Reads every marker of a run once, so that a mistake stops it before it begins."""

    def __init__(self, config: pytest.Config, budgets: BudgetReader, instruments: Instruments) -> None:
        self.config = config
        self.budgets = budgets
        self.instruments = instruments
        # What is wrong with files that could not be collected.
        self.mistakes: list[str] = []

    def check_items(self, items: list[pytest.Item]) -> None:
        """Read every marker once, so that a mistake stops the run before it begins. Raises `pytest.UsageError`."""
        try:
            self._check(items)
        except (BudgetError, LookupError) as error:
            if not hasattr(self.config, "workerinput"):
                raise pytest.UsageError(str(error)) from None
            # What a worker raises is shown as a crash: the process that the user started says it instead.
            self.config.workeroutput["querybudget_usage"] = str(error)  # type: ignore[attr-defined]
            items[:] = []

    def look_into(self, report: pytest.CollectReport) -> None:
        """Say which marker was meant where pytest has refused one that is all but the name of a rule."""
        refused = _UNDECLARED.search(str(report.longrepr)) if report.failed else None
        if refused and (near := self._near(refused[1])):
            self.mistakes.append(f"{report.nodeid}: unknown marker {refused[1]!r}; did you mean {near!r}?")

    def _near(self, name: str) -> str | None:
        """Return the marker that a name was meant to be, if there is one."""
        near = difflib.get_close_matches(name, self.budgets.marker_names, n=1, cutoff=0.85)
        return near[0] if near else None

    def _check(self, items: list[pytest.Item]) -> None:
        names = self.budgets.marker_names
        needed = {each.rule for each in self.budgets.defaults.values()}
        patterns: dict[str, Budget] = {}
        if self.mistakes:
            raise BudgetError(self.mistakes[0])
        self._refuse_typos(items)
        tested = {item.path for item in items if isinstance(item, pytest.Function)}
        for item in items:
            if names.isdisjoint(mark_names(item.listchain())):
                continue
            try:
                budget = self.budgets.of_item(item)
                self._refuse_unmeasurable(item, budget, alone=item.path not in tested)
            except BudgetError as error:
                raise BudgetError(f"{item.nodeid}: {error}") from None
            needed.update(each.rule for each in budget.declarations.values())
            if any(each.rule.names_columns for each in budget.declarations.values()):
                patterns[item.nodeid] = budget
        self.instruments.check_patterns(patterns)
        self.instruments.need(needed)

    def _refuse_typos(self, items: list[pytest.Item]) -> None:
        """Refuse a marker that is all but the name of a rule: it would never fail."""
        known = {str(line).partition(":")[0].partition("(")[0].strip() for line in self.config.getini("markers")}
        seen: set[str] = set()
        for item in items:
            for name in mark_names(item.listchain()):
                if name in known or name in seen:
                    continue
                seen.add(name)
                if near := self._near(name):
                    raise BudgetError(f"{item.nodeid}: unknown marker {name!r}; did you mean {near!r}?")

    def _refuse_unmeasurable(self, item: pytest.Item, budget: Budget, *, alone: bool) -> None:
        """Refuse a budget that measures nothing: what marks a module is for its tests, and needs one."""
        if alone and not isinstance(item, pytest.Function):
            names = self.budgets.marker_names
            budget = self.budgets.of_markers([each for each in nearest_marks(item) if each[0].name in names])
        declared = [name for name, each in budget.declarations.items() if each.on_test]
        if declared and not isinstance(item, pytest.Function):
            raise BudgetError(
                f"{', '.join(declared)} on a {type(item).__name__} cannot be measured: "
                "budgets are for test functions and methods"
            )
        if ConstantQueries.name in declared:
            from pytest_querybudget.sizes import sized_test

            sized_test(item, budget)
