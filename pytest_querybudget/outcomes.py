"""How a broken budget is told to pytest: as an expectation of the user's test, without a frame of this plugin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_querybudget.budgets import BudgetError
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded

_PACKAGE = str(Path(__file__).parent)
_WINDOWS = str(Path(_PACKAGE, "windows.py"))
_RAISED = (QueryBudgetExceeded, QueryBudgetError, BudgetError)


class BudgetFailure(QueryBudgetExceeded, pytest.fail.Exception):  # type: ignore[misc, name-defined]
    """What fails a test whose markers were exceeded: shown as its text, without a traceback."""

    # pytest shows the module and the name of what fails a test, as it does for its own `Failed`.
    __module__ = "builtins"
    __qualname__ = "QueryBudgetExceeded"

    def __init__(self, text: str, findings: tuple[object, ...] = ()) -> None:
        pytest.fail.Exception.__init__(self, text, pytrace=False)
        self.args = (text,)
        self.findings = findings


def chained(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that led to it, or that it is a group of."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [one for one in (each.__cause__, each.__context__, *_grouped(each)) if one is not None]


def _grouped(error: BaseException) -> Sequence[BaseException]:
    """The errors of a group. Any error may have something of that name, which is looked at and not asked for."""
    if not any(each.__name__ == "BaseExceptionGroup" for each in type(error).__mro__):
        return ()
    found: Sequence[BaseException] = error.exceptions  # type: ignore[attr-defined]
    return found


def hide_own_frames(error: BaseException) -> None:
    """Take the frames of this plugin out of the tracebacks of an error and of all that led to it.

    Of what it does not raise itself, these are the frames in which it calls a test: its own faults stay visible.
    """
    for each in chained(error):
        own = _PACKAGE if isinstance(each, _RAISED) else _WINDOWS
        trace = each.__traceback__
        while trace is not None:
            while trace.tb_next is not None and trace.tb_next.tb_frame.f_code.co_filename.startswith(own):
                trace.tb_next = trace.tb_next.tb_next
            trace = trace.tb_next


def point_to_test(report: Any, error: BaseException, item: pytest.Item) -> None:
    """Let short listings show the first sentence of a broken budget, and the line of the test.

    They would show the line of this plugin that fails the test and, with `-vv` or on a CI server, the whole text once
    more.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None or not isinstance(error, _RAISED):
        return
    crash.message = " ".join(str(error).partition("\n\n")[0].split("\n"))
    if isinstance(error, BudgetFailure):
        crash.path, crash.lineno = str(item.path), (item.location[1] or 0) + 1
    if item.config.getoption("tbstyle", "auto") == "line":
        # pytest 9 shows the message, and then, for failures, this line with it.
        entries = report.longrepr.reprtraceback.reprentries
        entries[-1].lines = [crash.message]
        if report.when == "call":
            entries.clear()
