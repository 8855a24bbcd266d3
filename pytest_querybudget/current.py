"""The test that runs now, and what fails it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import field, replace
from operator import attrgetter
from typing import Any
from unittest import TestCase

import pytest

from pytest_querybudget.budgets import Budget, Permission
from pytest_querybudget.errors import QueryBudgetExceeded
from pytest_querybudget.outcomes import BudgetFailure, chained
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.constant_queries import ConstantQueries
from pytest_querybudget.settings import Settings
from pytest_querybudget.values import dataclass
from pytest_querybudget.verdicts import Verdict

_CALL = frozenset({"call"})
_own_markers = attrgetter("own_markers")


@dataclass(slots=True)
class Current:
    """The test that runs: its budget, its recording, and what was found so far."""

    item: pytest.Item
    budget: Budget
    recording: Recording
    # The nodes that may have markers, how many there were when these were read, and what is wrong with them.
    nodes: Sequence[Any] = ()
    marks: int = 0
    mistake: str = ""
    # The phases that some rule of the budget judges.
    judged: frozenset[str] = frozenset()
    verdicts: list[Verdict] = field(default_factory=list)
    used: set[Permission] = field(default_factory=set)
    failed: bool = False
    # Whether the call came to its end by itself.
    completed: bool = False
    # Whether it runs again, to try a cure: it is held to nothing, and nobody hears of it.
    again: bool = False
    # What blocks inside of it have failed on, and what of it has reached pytest: both as the ids of findings.
    of_blocks: set[int] = field(default_factory=set)
    raised: set[int] = field(default_factory=set)
    # Whether any phase or part of it was reported as failed.
    broken: bool = False

    def note_report(self, error: BaseException | None, failed: bool) -> None:
        """Note how a phase or a part was reported; an error is looked at and not kept, as it holds frames."""
        self.broken = self.broken or failed
        if error is not None:
            self.raised.update(
                id(finding)
                for each in chained(error)
                if isinstance(each, QueryBudgetExceeded)
                for finding in each.findings
            )
        elif failed:
            # Soft assertions catch what a block raises, and fail the test later.
            self.raised |= self.of_blocks

    def settle(self, shown: Collection[str]) -> None:
        """Let nothing count as failing that a block raised and the test itself caught, as by `pytest.raises`.

        Where the test passes, that was its expectation, and no finding; but for the rules in `shown`, which apply
        to every test.
        """
        caught = self.of_blocks - self.raised
        self.verdicts = [
            replace(each, failed=False) if id(each.finding) in caught else each
            for each in self.verdicts
            if self.broken or id(each.finding) not in caught or each.finding.rule in shown
        ]

    def excuse(self) -> None:
        """Let nothing count as failing where the test did not fail: it was expected to, or was skipped in the end."""
        if not self.broken:
            self.verdicts = [replace(each, failed=False) if each.failed else each for each in self.verdicts]


def then(outcome: Any, check: Callable[..., None], *arguments: Any) -> Exception | None:
    """Check a phase that has passed, and let it fail; what a test raises itself passes no frame of this plugin.

    Return what went wrong in the check itself, if so.
    """
    if outcome.excinfo is None:
        try:
            check(*arguments)
        except BudgetFailure as failure:
            outcome.force_exception(failure)
        except Exception as error:  # noqa: BLE001 - it must not look like the test's own
            return error
    return None


def mark_count(nodes: Sequence[Any]) -> int:
    """Return how many markers a test and the nodes around it have, so that new ones are noticed."""
    return sum(map(len, map(_own_markers, nodes)))


# Fixtures whose value shows the recording to the test.
_SHOWING = frozenset({"query_budget", "query_growth"})


def is_read(settings: Settings, budget: Budget) -> bool:
    """Return whether anything reads a test's statements one by one: the summary does not."""
    wanted = settings.reports or settings.lock or settings.write_markers
    return bool(wanted) or ConstantQueries.name in budget.declarations


def located(item: pytest.Item, settings: Settings, budget: Budget, judged: frozenset[str]) -> frozenset[str] | None:
    """Return the phases in which it must be known from where statements are sent, None for all; see `Recording`.

    `judged` are the phases that some rule judges.
    """
    if judged != _CALL or is_read(settings, budget) or settings.explain or settings.audit or settings.prove:
        return None
    if any(each.rule.needs_plans for each in budget.declarations.values()):
        return None
    return _CALL if _SHOWING.isdisjoint(getattr(item, "fixturenames", ())) else None


def judged_after(phase: str, item: pytest.Item) -> tuple[str, ...]:
    """Return the phases that are complete when one has ended: `setUp` of a `unittest.TestCase` runs in the call."""
    if phase == "teardown":
        return ("teardown", "all")
    in_call = isinstance(getattr(item, "instance", None), TestCase)
    if phase == "setup":
        return () if in_call else ("setup",)
    return ("setup", "call") if in_call else ("call",)
