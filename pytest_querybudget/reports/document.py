"""The report as plain values: what the run hands over, what JSON holds, and what every format is made from.

Version 1. Fields may be added, none renamed or removed. `report.schema.json` beside the package describes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A line of the application: `path` relative to the project's root, `line` from 1."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Why a finding is allowed: by a marker, a source comment or the lock file (`source`)."""

    reason: str
    source: str
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofEntry:
    """What was seen before and after a cure was tried; see `findings.model.Proof`."""

    verdict: str
    text: str
    before: str | None = None
    after: str | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingEntry:
    """One finding of one test, said in words.

    `phase` is the one in which it began: those of `setup` and `teardown` may belong to a fixture of many tests.
    `declared_only` marks what the test function's own lines do, which fails only where the rule is declared.
    """

    rule: str
    identity: str
    failed: bool
    allowed: Allowance | None
    count: int
    message: str
    sql: str
    tables: tuple[str, ...]
    relationship: str | None
    location: Location | None
    origin: Location | None
    chain: tuple[Location, ...] = ()
    fix: str | None = None
    proof: ProofEntry | None = None
    phase: str = "call"
    declared_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """All executions of one shape of statement from one place in one phase.

    `time`, `max_time`, `first` and `last` are seconds (`first` and `last` since the start of the test),
    `rows` is the sum over executions and `max_rows` the most that one of them fetched.
    `load` is what the ORM meant: `lazy`, `eager`, `deferred`, `expired`, `refresh`, or null.
    `window` is the subtest, example or request it ran in; `plan` is the plan as an indented text.
    """

    sql: str
    kind: str
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    count: int
    rows: int
    time: float
    location: Location | None
    phase: str = "call"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    max_rows: int = 0
    max_time: float = 0.0
    first: float = 0.0
    last: float = 0.0
    chain: tuple[Location, ...] = ()
    relationship: str | None = None
    load: str | None = None
    window: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntry:
    """The figures of one phase; transaction control is not in `queries`. `db_time` is seconds."""

    queries: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    db_time: float = 0.0
    rows: int = 0
    checkouts: int = 0
    connects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEntry:
    """A declared ceiling and what was measured."""

    limit: float
    actual: float
    declared: str = "marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEntry:
    """One test: `outcome` is `passed`, `failed`, `skipped`, `xfailed`, `xpassed` or `error`."""

    __test__ = False

    nodeid: str
    outcome: str
    phases: dict[str, PhaseEntry] = field(default_factory=dict)
    budget: dict[str, BudgetEntry] = field(default_factory=dict)
    statements: tuple[StatementEntry, ...] = ()
    findings: tuple[FindingEntry, ...] = ()
    duration: float = 0.0
    routes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What was not measured, or is stale, and why. `slug` names a section of docs/problems.md."""

    slug: str
    text: str
    nodeid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What made the report."""

    name: str = "pytest-querybudget"
    version: str = ""
    python: str = ""
    pytest: str = ""
    sqlalchemy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over all tests; `failed` counts findings that fail a test, `db_time` is seconds."""

    tests: int = 0
    queries: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    db_time: float = 0.0
    findings: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of a suite."""

    mode: str
    tool: Tool = field(default_factory=Tool)
    totals: Totals = field(default_factory=Totals)
    tests: tuple[TestEntry, ...] = ()
    problems: tuple[Problem, ...] = ()
    version: int = VERSION


def to_plain(value: Any) -> Any:
    """Turn entries into dicts, lists and scalars that `json.dump` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Build an entry from what `to_plain` made; unknown fields, from a later version, are dropped.

    Raises `ValueError` that names the field when a required one is missing or of another type.
    """
    result: T = _build(kind, plain, kind.__name__)
    return result


def _build(kind: Any, plain: Any, path: str) -> Any:  # noqa: C901 - one branch a kind of type, flat on purpose
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return plain
    if origin in (Union, UnionType):
        if plain is None and NoneType in arguments:
            return None
        return _build(next(each for each in arguments if each is not NoneType), plain, path)
    if is_dataclass(kind) and isinstance(kind, type):
        return _build_entry(kind, plain, path)
    if origin is tuple:
        _expect(plain, (list, tuple), path)
        return tuple(_build(arguments[0], each, f"{path}[{index}]") for index, each in enumerate(plain))
    if origin is dict:
        _expect(plain, dict, path)
        return {key: _build(arguments[1], each, f"{path}.{key}") for key, each in plain.items()}
    if kind is float:
        _expect(plain, (int, float), path)
        return plain
    _expect(plain, kind, path)
    return plain


def _build_entry(kind: type[Any], plain: Any, path: str) -> Any:
    _expect(plain, dict, path)
    hints = get_type_hints(kind)
    known = {each.name for each in fields(kind)}
    given = {name: _build(hints[name], value, f"{path}.{name}") for name, value in plain.items() if name in known}
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None


def _expect(value: Any, kind: Any, path: str) -> None:
    wanted = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        names = " or ".join(each.__name__ for each in wanted)
        raise ValueError(f"{path}: expected {names}, got {type(value).__name__}")


def total(tests: Iterable[TestEntry]) -> Totals:
    """Sum up the tests of a report."""
    count = queries = findings = failed = 0
    time = 0.0
    by_kind: dict[str, int] = {}
    for test in tests:
        count += 1
        for phase in test.phases.values():
            queries += phase.queries
            time += phase.db_time
            for kind, number in phase.by_kind.items():
                by_kind[kind] = by_kind.get(kind, 0) + number
        findings += len(test.findings)
        failed += sum(each.failed for each in test.findings)
    return Totals(tests=count, queries=queries, by_kind=by_kind, db_time=time, findings=findings, failed=failed)
