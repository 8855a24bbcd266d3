"""Several runs as one: the shards of a CI matrix, each test counted once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields

from pytest_querybudget.reports.document import Problem, Report, TestEntry, Tool, to_plain, total

_MODES = ("off", "report", "strict")
_OUTCOMES = ("skipped", "xfailed", "xpassed", "passed", "failed", "error")


def merge(reports: Sequence[Report]) -> Report:
    """Make one report of several, the same one in whatever order they come.

    A test that stands in more than one is counted once, by its worst run: one that failed before one that passed,
    one that passed before one that was skipped, then the one that sent most, then the one that found most.
    Problems are united, the mode is the strictest, versions of tools that differ are listed.
    Raises `ValueError` when there is nothing to merge.
    """
    if not reports:
        raise ValueError("there is no report to merge")
    worst: dict[str, TestEntry] = {}
    for test in (test for report in reports for test in report.tests):
        known = worst.get(test.nodeid)
        if known is None or known != test:
            worst[test.nodeid] = test if known is None else max(known, test, key=_badness)
    tests = tuple(worst[name] for name in sorted(worst))
    return Report(
        mode=max((each.mode for each in reports), key=lambda mode: (_rank(_MODES, mode), mode)),
        tool=_tool([each.tool for each in reports]),
        totals=total(tests),
        tests=tests,
        problems=_problems(reports),
        version=max(each.version for each in reports),
    )


def _badness(test: TestEntry) -> tuple[int, int, int, str]:
    queries = sum(each.queries for each in test.phases.values())
    # The text decides between runs that are equally bad, so that the order of the reports does not.
    text = json.dumps(to_plain(test), sort_keys=True)
    return _rank(_OUTCOMES, test.outcome), queries, len(test.findings), text


def _rank(order: tuple[str, ...], word: str) -> int:
    return order.index(word) if word in order else len(order)


def _tool(tools: Iterable[Tool]) -> Tool:
    tools = list(tools)
    values = {each.name: sorted({getattr(tool, each.name) for tool in tools} - {""}) for each in fields(Tool)}
    return Tool(**{name: ", ".join(versions) for name, versions in values.items()})


def _problems(reports: Iterable[Report]) -> tuple[Problem, ...]:
    every = {problem for report in reports for problem in report.problems}
    return tuple(sorted(every, key=lambda each: (each.slug, each.nodeid or "", each.text)))
