"""The marker `constant_queries`: tests that differ only in a number of rows, compared when all of them have run.

Parameters of one test may run in different processes, so that they are compared from their entries, where those are
collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from enum import Enum
from typing import Any

from pytest_querybudget.budgets import Budget, BudgetError, Permission, parse_date
from pytest_querybudget.entries import finding_entry
from pytest_querybudget.recording.places import Place
from pytest_querybudget.reports.document import FindingEntry, Location, Problem, StatementEntry, TestEntry
from pytest_querybudget.reports.growth import Compared, explain_growth
from pytest_querybudget.rules.constant_queries import (
    FEWEST_SIZES,
    ConstantQueries,
    Grown,
    Growth,
    Sender,
    grown,
    words_for,
)
from pytest_querybudget.values import dataclass
from pytest_querybudget.verdicts import Verdict

RULE = ConstantQueries.name
_EXPLAINING = ("no_n_plus_one", "no_repeated_queries", "no_write_loops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowing:
    """An `allow_queries` marker that names this rule, as plain values; see `budgets.Permission`."""

    rules: tuple[str, ...]
    match: str
    reason: str
    until: str | None
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedTest:
    """One of several tests that differ only in a number of rows: `group` is the same for all of them."""

    group: str
    size: int
    by: str
    slope: float
    allowing: tuple[Allowing, ...] = ()


def sized_test(item: Any, budget: Budget) -> SizedTest | None:
    """Return what a test with the marker is compared by, None without the marker. Raises `BudgetError`.

    Where the rule is a default of the ini file, tests without a size are left alone.
    """
    declaration = budget.declarations.get(RULE)
    if declaration is None:
        return None
    options = declaration.options
    try:
        by, size = _size_of(item, options.extra["by"])
    except BudgetError:
        if declaration.on_test:
            raise
        return None
    function = item.nodeid.partition("[")[0]
    others = [f"{name}={_told_apart(item, name)}" for name in sorted(item.callspec.params) if name != by]
    return SizedTest(
        group=" ".join([function, *others]),
        size=size,
        by=by,
        slope=float(options.limit or 0),
        allowing=tuple(_allowing(budget.permissions)),
    )


def _told_apart(item: Any, name: str) -> str:
    """Say which value a test has for a parameter, in the same words in every process.

    pytest has numbers of parameters, but what they count differs from version to version. What has no words of its own
    is numbered in the order in which tests are collected, which is the same everywhere.
    """
    value = item.callspec.params[name]
    words = _words(value)
    if words is not None:
        return words
    family = (
        each.callspec.params[name]
        for each in item.session.items
        if each.parent is item.parent
        and getattr(each, "originalname", None) == item.originalname
        and name in each.callspec.params
    )
    return f"#{next((index for index, each in enumerate(family) if each is value), -1)}"


def _words(value: Any) -> str | None:
    """Return what tells a plain value from others, None for any other object."""
    if value is None or isinstance(value, (str, bytes, int, float, complex, Enum, type)):
        return repr(value)
    if isinstance(value, Mapping):
        value = list(value.items())
    elif not isinstance(value, (list, tuple)):
        return None
    parts = [_words(each) for each in value]
    return None if None in parts else repr(parts)


def _size_of(item: Any, by: str | None) -> tuple[str, int]:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        raise BudgetError(
            f"{RULE} compares the parameters of a test, and {item.name} has none: "
            "parametrize it by size, or use the fixture query_growth"
        )
    sizes = {name: size for name, value in callspec.params.items() if (size := _as_size(value)) is not None}
    if by is None and "size" not in sizes:
        numbers = [name for name in sizes if isinstance(callspec.params[name], int)]
        if len(numbers) != 1:
            raise BudgetError(f'{RULE} cannot tell which parameter of {item.name} is the size; give by="parameter"')
        by = numbers[0]
    by = by or "size"
    if by not in callspec.params:
        raise BudgetError(f"{RULE} got by={by!r}, but the parameters of {item.name} are {', '.join(callspec.params)}")
    if by not in sizes:
        raise BudgetError(f"{RULE} got by={by!r}, which is neither a number of rows nor a collection")
    return by, sizes[by]


def _as_size(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    return len(value) if isinstance(value, Sized) and not isinstance(value, (str, bytes)) else None


def _allowing(permissions: Iterable[Permission]) -> Iterator[Allowing]:
    for each in permissions:
        if RULE in each.rules or "*" in each.rules:
            yield Allowing(
                rules=each.rules,
                match=each.match,
                reason=each.reason,
                until=each.until.isoformat() if each.until else None,
                owner=each.owner,
            )


def _permission(plain: Allowing) -> Permission:
    return Permission(
        rules=plain.rules, match=plain.match, reason=plain.reason, until=parse_date(plain.until), owner=plain.owner
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of comparing: entries with their findings, what is wrong, the texts of failures, and used markers."""

    tests: tuple[TestEntry, ...]
    problems: tuple[Problem, ...] = ()
    texts: tuple[str, ...] = ()
    used: frozenset[Permission] = frozenset()


# Findings and markers in, verdicts and the markers that silenced something out; see `verdicts.Judge`.
Judged = Callable[[Sequence[Growth], tuple[Permission, ...]], tuple[list[Verdict], set[Permission]]]


def compare_sizes(tests: Sequence[TestEntry], sized: Mapping[str, SizedTest], judged: Judged) -> Comparison:
    """Compare the tests of each group that have passed, and hang what is found on the one of the largest size."""
    groups: dict[str, list[TestEntry]] = {}
    for each in tests:
        if each.nodeid in sized:
            groups.setdefault(sized[each.nodeid].group, []).append(each)
    found: dict[str, tuple[FindingEntry, ...]] = {}
    problems: list[Problem] = []
    texts: list[str] = []
    used: set[Permission] = set()
    for group in groups.values():
        problem = _why_not(group, sized)
        if problem is not None:
            problems.append(problem)
            continue
        passed = _by_size(group, sized)
        if len(passed) < FEWEST_SIZES:
            continue
        verdicts, silencing, compared = _compare_group(passed, sized, judged)
        used |= silencing
        found[passed[-1].nodeid] = tuple(map(finding_entry, verdicts))
        failing = [each.finding for each in verdicts if each.failed]
        if failing:
            names = [each.nodeid for each in passed]
            texts.append("\n".join([*names, explain_growth(compared, failing)]))
            problems.append(
                Problem(slug="growth", text=f"{names[0]} sends more queries with more rows", nodeid=names[-1])
            )
    return Comparison(
        tests=tuple(replace(each, findings=each.findings + found.get(each.nodeid, ())) for each in tests),
        problems=tuple(problems),
        texts=tuple(texts),
        used=frozenset(used),
    )


def _why_not(group: Sequence[TestEntry], sized: Mapping[str, SizedTest]) -> Problem | None:
    """Say why a group that ran well compares nothing. What failed, or was expected to, speaks for itself."""
    if any(each.outcome != "passed" for each in group):
        return None
    sizes = {sized[each.nodeid].size for each in group} - {0}
    last = group[-1].nodeid
    if len(sizes) < FEWEST_SIZES:
        by = sized[last].by
        given = ", ".join(map(str, sorted(sizes))) or "none"
        return Problem(slug="not-measured", text=f"{RULE} compares two sizes or more; ran: {by}={given}", nodeid=last)
    if not any(_counts(each) for each in group):
        return Problem(slug="growth", text=f"{RULE} measured nothing: no query was sent at any size", nodeid=last)
    return None


def _by_size(group: Sequence[TestEntry], sized: Mapping[str, SizedTest]) -> list[TestEntry]:
    """Return the tests that have passed by their sizes; with no row at all, some queries are rightly left out."""
    passed = {sized[each.nodeid].size: each for each in group if each.outcome == "passed" and sized[each.nodeid].size}
    return [passed[size] for size in sorted(passed)]


def _compare_group(
    passed: Sequence[TestEntry], sized: Mapping[str, SizedTest], judged: Judged
) -> tuple[list[Verdict], set[Permission], Compared]:
    last = sized[passed[-1].nodeid]
    sizes = [sized[each.nodeid].size for each in passed]
    counts = [_counts(each) for each in passed]
    tests = tuple(each.nodeid for each in passed)
    findings = [_finding(each, sizes, passed[-1], tests) for each in grown(sizes, counts, last.slope)]
    verdicts, used = judged(findings, tuple(map(_permission, last.allowing)))
    return verdicts, used, Compared(sizes=sizes, counts=counts, slope=last.slope)


def _counts(test: TestEntry) -> dict[Sender, int]:
    counts: dict[Sender, int] = {}
    for each in test.statements:
        if each.phase == "call" and each.kind != "transaction":
            sender = each.sql, _place(each.location)
            counts[sender] = counts.get(sender, 0) + each.count
    return counts


def _place(location: Location | None) -> Place | None:
    return None if location is None else Place(location.path, location.line, location.function)


def _is_from(entry: StatementEntry | FindingEntry, sender: Sender) -> bool:
    return (entry.sql, _place(entry.location)) == sender


def _finding(one: Grown, sizes: Sequence[int], test: TestEntry, tests: tuple[str, ...]) -> Growth:
    statement = next(each for each in test.statements if each.phase == "call" and _is_from(each, one.sender))
    cause = next((each for each in test.findings if each.rule in _EXPLAINING and _is_from(each, one.sender)), None)
    places = (_place(each) for each in statement.chain)
    return Growth(
        sql=statement.sql,
        tables=statement.tables,
        count=one.counts[-1],
        location=_place(statement.location),
        chain=tuple(each for each in places if each is not None),
        origin=_place(cause.origin) if cause else None,
        relationship=statement.relationship,
        sizes=tuple(sizes),
        counts=one.counts,
        words=words_for(statement.kind, statement.tables, statement.relationship),
        cure=cause.fix if cause else None,
        tests=tests,
    )
