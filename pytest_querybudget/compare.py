"""What changed between two runs: by test, by place, by shape of statement, and in what was found.

Statements are compared over the tests that both runs measured; a test that is new or gone is no change of the
application. Figures are those of the call, unless all phases are asked for: a session's fixture runs in whichever
test comes first, and once in each worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace

from pytest_querybudget.lock import identity
from pytest_querybudget.reports.document import FindingEntry, Report, StatementEntry, TestEntry
from pytest_querybudget.values import dataclass

_PASSED = frozenset({"passed", "xpassed"})
_TOLERANCE = re.compile(r"(\d+(?:\.\d+)?)(%?)")
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_INSERT = re.compile(r"\s*INSERT\b", re.IGNORECASE)
_LIST = re.compile(r"\([^()]*\)")
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|\w+|[()]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """By how much a test may grow before it is a regression: the larger of both allowances."""

    percent: float = 0.0
    queries: float = 0.0

    def holds(self, base: float, head: float) -> bool:
        """Whether the growth, if any, is tolerated."""
        return head - base <= max(self.queries, base * self.percent / 100)


def parse_tolerance(text: str) -> Tolerance:
    """Read `5%`, `3` (queries) or `5%,3`. Raises `ValueError` that says what is allowed."""
    percent = queries = 0.0
    for part in text.split(","):
        match = _TOLERANCE.fullmatch(part.strip())
        if not match:
            raise ValueError(f"expected percent, queries or both, such as 5%, 3 or 5%,3; got {text!r}")
        if match[2]:
            percent = float(match[1])
        else:
            queries = float(match[1])
    return Tolerance(percent=percent, queries=queries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure of both runs; `name` is a test, a place, a statement's SQL or a total."""

    name: str
    base: float
    head: float
    regression: bool = False

    @property
    def more(self) -> float:
        """By how much it grew; negative when it shrank."""
        return self.head - self.base

    @property
    def percent(self) -> float | None:
        """Growth in percent, or null when there was nothing before."""
        return 100 * self.more / self.base if self.base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingChange:
    """One finding over all tests that meet it: in how many it is, with how many statements.

    `entry` is one of them, of the head where it is still there.
    """

    identity: str
    entry: FindingEntry
    base_tests: int
    head_tests: int
    base: int
    head: int
    regression: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that changed, the largest growth first.

    `tests`, `places` and `statements` hold only what differs, over the `compared` tests of both runs.
    `found`, `cured` and `changed` are findings that are not allowed. `added` and `removed` are tests of one run only,
    and `incomparable` those that did not pass in one of them.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    compared: int = 0
    totals: tuple[Change, ...] = ()
    tests: tuple[Change, ...] = ()
    places: tuple[Change, ...] = ()
    statements: tuple[Change, ...] = ()
    found: tuple[FindingChange, ...] = ()
    cured: tuple[FindingChange, ...] = ()
    changed: tuple[FindingChange, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    incomparable: tuple[str, ...] = ()

    @property
    def regressions(self) -> int:
        """How many tests grew beyond the tolerance, and how many findings are new or did."""
        return sum(each.regression for each in self.tests) + sum(
            each.regression for each in (*self.found, *self.changed)
        )


def compare(base: Report, head: Report, tolerance: Tolerance | None = None, *, all_phases: bool = False) -> Comparison:
    """Compare two runs.

    A regression is a test that grew beyond the tolerance, a finding that the base did not have in any test, or one
    whose statements grew beyond the tolerance in the tests of both. A test that failed in the head counts as far as
    it came: it may have grown, and it has not shrunk.
    """
    tolerance = tolerance or Tolerance()
    before, after = ({each.nodeid: each for each in report.tests} for report in (base, head))
    common = [name for name in after if name in before]
    pairs = [(before[name], after[name]) for name in common if _comparable(before[name], after[name], all_phases)]
    was, now = [one for one, _ in pairs], [other for _, other in pairs]
    names = {each.nodeid for each in now}
    found, cured, changed = _findings(base.tests, head.tests, names, tolerance)
    return Comparison(
        tolerance=tolerance,
        compared=len(pairs),
        totals=tuple(_totals(was, now, all_phases)),
        tests=_tests(pairs, tolerance, all_phases),
        places=_differences(was, now, lambda each: identity.of_place(each.location), all_phases),
        statements=_shapes(was, now, all_phases),
        found=found,
        cured=cured,
        changed=changed,
        added=tuple(sorted(set(after) - set(before))),
        removed=tuple(sorted(set(before) - set(after))),
        incomparable=tuple(sorted(set(common) - names)),
    )


def _comparable(one: TestEntry, other: TestEntry, all_phases: bool) -> bool:
    if one.outcome not in _PASSED or other.outcome == "skipped":
        return False
    return other.outcome in _PASSED or _queries(other, all_phases) > _queries(one, all_phases)


def _tests(pairs: Iterable[tuple[TestEntry, TestEntry]], tolerance: Tolerance, all_phases: bool) -> tuple[Change, ...]:
    changes = []
    for one, other in pairs:
        base, head = _queries(one, all_phases), _queries(other, all_phases)
        if base != head:
            worse = not tolerance.holds(base, head)
            changes.append(Change(name=other.nodeid, base=base, head=head, regression=worse))
    return _worst_first(changes)


def _totals(was: list[TestEntry], now: list[TestEntry], all_phases: bool) -> Iterator[Change]:
    def sums(tests: list[TestEntry]) -> dict[str, float]:
        figures: dict[str, float] = {"queries": 0, "db_time": 0.0}
        for test in tests:
            for name, phase in test.phases.items():
                if all_phases or name == "call":
                    figures["queries"] += phase.queries
                    figures["db_time"] += phase.db_time
                    for kind, count in phase.by_kind.items():
                        figures[kind] = figures.get(kind, 0) + count
        return figures

    base, head = sums(was), sums(now)
    for name in {**base, **head}:
        yield Change(name=name, base=base.get(name, 0), head=head.get(name, 0))


def _queries(test: TestEntry, all_phases: bool) -> int:
    return sum(each.queries for name, each in test.phases.items() if all_phases or name == "call")


def _differences(
    was: list[TestEntry], now: list[TestEntry], key: Callable[[StatementEntry], str], all_phases: bool
) -> tuple[Change, ...]:
    base, head = (_counts(tests, key, all_phases) for tests in (was, now))
    return _worst_first(_changes(base, head))


def _shapes(was: list[TestEntry], now: list[TestEntry], all_phases: bool) -> tuple[Change, ...]:
    """A new column on a model gives each of its statements another text: such a pair is one shape."""
    base, head = (_counts(tests, lambda each: each.sql, all_phases) for tests in (was, now))
    gone = {without_columns(sql): sql for sql in base.keys() - head.keys()}
    for sql in [*head]:
        twin = gone.pop(without_columns(sql), None) if sql not in base else None
        if twin is not None:
            base[sql] = base.pop(twin)
    return _worst_first(_changes(base, head))


def _counts(tests: list[TestEntry], key: Callable[[StatementEntry], str], all_phases: bool) -> dict[str, int]:
    counts: dict[str, int] = {}
    for test in tests:
        counted = {
            kind for name, phase in test.phases.items() if all_phases or name == "call" for kind in phase.by_kind
        }
        for each in test.statements:
            if (all_phases or each.phase == "call") and each.kind in counted:
                name = key(each)
                counts[name] = counts.get(name, 0) + each.count
    return counts


def _changes(base: dict[str, int], head: dict[str, int]) -> Iterator[Change]:
    for name in {**head, **base}:
        one, other = base.get(name, 0), head.get(name, 0)
        if one != other:
            yield Change(name=name, base=one, head=other)


def _worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda each: (-each.more, each.name)))


def _findings(
    base: Iterable[TestEntry], head: Iterable[TestEntry], common: set[str], tolerance: Tolerance
) -> tuple[tuple[FindingChange, ...], tuple[FindingChange, ...], tuple[FindingChange, ...]]:
    was, now = _found(base), _found(head)
    ran = {each.nodeid for each in head if each.outcome in _PASSED}
    found, cured, changed = [], [], []
    for name in sorted({*was, *now}):
        before, after = was.get(name, {}), now.get(name, {})
        change = _finding(name, before, after)
        if not before:
            found.append(replace(change, regression=True))
        elif not after:
            # A finding is cured when a test that had it passed without it, not when none of them ran.
            if before.keys() & ran:
                cured.append(change)
        else:
            one, other = _finding_counts(before, common), _finding_counts(after, common)
            if one != other:
                changed.append(replace(change, regression=not tolerance.holds(one, other)))
    return tuple(found), tuple(cured), tuple(changed)


def _found(tests: Iterable[TestEntry]) -> dict[str, dict[str, list[FindingEntry]]]:
    found: dict[str, dict[str, list[FindingEntry]]] = {}
    for test in tests:
        for each in test.findings:
            silenced = each.allowed is not None and each.allowed.source != "lock"
            if not silenced and not each.declared_only:
                found.setdefault(identity.of_finding(each), {}).setdefault(test.nodeid, []).append(each)
    return found


def _finding(name: str, before: dict[str, list[FindingEntry]], after: dict[str, list[FindingEntry]]) -> FindingChange:
    shown = after or before
    return FindingChange(
        identity=name,
        entry=max((each for entries in shown.values() for each in entries), key=lambda each: each.count),
        base_tests=len(before),
        head_tests=len(after),
        base=_finding_counts(before, before),
        head=_finding_counts(after, after),
    )


def _finding_counts(found: dict[str, list[FindingEntry]], tests: Iterable[str]) -> int:
    return sum(each.count for name in tests for each in found.get(name, ()))


def without_columns(sql: str) -> str:
    """A statement with its lists of columns left out: `SELECT … FROM t`, `INSERT INTO t (…) VALUES (…)`."""
    if _SELECT.match(sql):
        start = _at_top(sql, "FROM")
        return f"SELECT … {sql[start:]}" if start is not None else sql
    if _INSERT.match(sql):
        start = _at_top(sql, "RETURNING")
        head = sql if start is None else f"{sql[:start]}RETURNING …"
        return _LIST.sub("(…)", head)
    return sql


def _at_top(sql: str, word: str) -> int | None:
    """Where a word stands outside of parentheses and quotes."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        found = match[0]
        depth += {"(": 1, ")": -1}.get(found, 0)
        if depth == 0 and found.upper() == word:
            return match.start()
    return None
