"""What a finished test hands over, from the process that ran it to the one that reports."""

from __future__ import annotations

import os
from typing import Any

from pytest_querybudget.chances import Chance
from pytest_querybudget.reports.document import Problem, TestEntry, from_plain, to_plain
from pytest_querybudget.reports.text import well_formed
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """The entry of a test, and what there is to tell beside it.

    `allowances` are those of the test that had their chance, `sized` is how the test is compared with others that
    differ in a number of rows alone: a plain `SizedTest`, whose module is imported only where there is one.
    """

    test: TestEntry
    problems: tuple[Problem, ...] = ()
    allowances: tuple[Chance, ...] = ()
    sized: Any = None


class Hands:
    """The way of what is handed over: within a process as it is, to another one as plain values on the report.

    A worker of pytest-xdist is another process, and so is a child that was forked for a test.
    """

    def __init__(self, *, is_worker: bool) -> None:
        self.is_worker = is_worker
        self.process = os.getpid()
        self._held: dict[str, Handed] = {}

    def give(self, report: Any, handed: Handed) -> None:
        """Hand over what belongs to the report of a teardown."""
        if self.is_worker or os.getpid() != self.process:
            report.querybudget = _portable(to_plain(handed))
        else:
            # Another plugin may give the report another name, or make another report of that name.
            report.querybudget = report.nodeid
            self._held[report.nodeid] = handed

    def take(self, report: Any) -> Handed | None:
        """Return what was handed over with a report, once. Raises `ValueError` for what no version of this wrote."""
        given = getattr(report, "querybudget", report.nodeid)
        if not isinstance(given, str):
            return from_plain(Handed, given)
        return self._held.pop(given, None) if report.when == "teardown" else None


def _portable(plain: Any) -> Any:
    """Return plain values that can be sent to another process: lone surrogates of hostile SQL cannot."""
    if isinstance(plain, str):
        return well_formed(plain)
    if isinstance(plain, dict):
        return {key: _portable(each) for key, each in plain.items()}
    return [_portable(each) for each in plain] if isinstance(plain, list) else plain
