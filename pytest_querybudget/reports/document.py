"""The report as plain values: what the run hands over, what JSON holds, and what every format is made from.

Version 1. Fields may be added, none renamed or removed. `report.schema.json` beside the package describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pytest_querybudget.values import dataclass

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
    `evidence` is what the message leaves out, line by line.
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
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The proof of one finding: its test, and the number that it has among the findings of that test."""

    nodeid: str
    number: int
    proof: ProofEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """All executions of one shape of statement from one place in one phase.

    DDL of several shapes (`create_all`) is one entry: `sql` is then its verb, as in `CREATE TABLE …`.
    `time`, `max_time`, `first` and `last` are seconds (`first` and `last` since the start of the test),
    `rows` is the sum over executions and `max_rows` the most that one of them fetched.
    `load` is what the ORM meant: `lazy`, `eager`, `deferred`, `expired`, `refresh`, or null.
    `window` is the subtest, example or request it ran in; `plan` is the plan as an indented text,
    `not_planned` why there is none though one was asked for.
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
    not_planned: str | None = None


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
class TransactionsEntry:
    """The transactions of a call: how many, and of the longest the statements and the seconds.

    `silent` are those seconds in which nothing was sent, `silence` the most of them at a stretch.
    """

    count: int = 0
    queries: int = 0
    seconds: float = 0.0
    silent: float = 0.0
    silence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsEntry:
    """The requests of one method and route: how many, what they sent together, and the most that one of them sent."""

    count: int = 0
    queries: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEntry:
    """One test: `outcome` is `passed`, `failed`, `skipped`, `xfailed`, `xpassed` or `error`.

    `routes` holds the statements by method and route, `requests` more about the same.
    `connections` is the most pool connections that were out at one time in the call; `transactions` is null unless a
    rule of the run is about them.
    """

    __test__ = False

    nodeid: str
    outcome: str
    phases: dict[str, PhaseEntry] = field(default_factory=dict)
    budget: dict[str, BudgetEntry] = field(default_factory=dict)
    statements: tuple[StatementEntry, ...] = ()
    findings: tuple[FindingEntry, ...] = ()
    duration: float = 0.0
    routes: dict[str, int] = field(default_factory=dict)
    requests: dict[str, RequestsEntry] = field(default_factory=dict)
    connections: int = 0
    transactions: TransactionsEntry | None = None


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
    kind: Any = type(value)
    if kind in _SCALARS:
        return value
    names = _names(kind)
    if names is not None:
        plain = {}
        for name in names:
            each = getattr(value, name)
            # Most fields are scalars: a report has hundreds of thousands of them.
            plain[name] = each if type(each) in _SCALARS else to_plain(each)
        return plain
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Build an entry from what `to_plain` made; unknown fields, from a later version, are dropped.

    Raises `ValueError` that names the field when a required one is missing or of another type.
    """
    described: Any = kind
    try:
        result: T = _reader(described)(plain)
    except _MismatchError as error:
        raise ValueError(f"{kind.__name__}{error.path}: {error.said}") from None
    return result


_SCALARS = frozenset((str, int, float, bool, NoneType))


class _MismatchError(ValueError):
    """A value of another type than its field; the path grows on the way out, so that good values pay nothing for it."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said
        self.path = ""

    def below(self, step: str) -> _MismatchError:
        self.path = step + self.path
        return self


# The two memos hold what a class looks like, which never changes: a report has hundreds of thousands of entries.


@cache
def _names(kind: Any) -> tuple[str, ...] | None:
    return tuple(each.name for each in fields(kind)) if is_dataclass(kind) else None


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What turns a plain value into one of this type, or raises `_MismatchError`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda plain: plain
    if origin in (Union, UnionType):
        inner = _reader(next(each for each in arguments if each is not NoneType))
        return lambda plain: None if plain is None else inner(plain)
    if is_dataclass(kind) and isinstance(kind, type):
        return _entry_reader(kind)
    if origin is tuple:
        return _tuple_reader(_reader(arguments[0]))
    if origin is dict:
        return _dict_reader(_reader(arguments[1]))
    return _scalar_reader((int, float) if kind is float else (kind,))


def _entry_reader(kind: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers = {name: _reader(hint) for name, hint in hints.items()}

    def read(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _mismatch((dict,), plain)
        given = {}
        for name, value in plain.items():
            if name in readers:
                try:
                    given[name] = readers[name](value)
                except _MismatchError as error:
                    raise error.below(f".{name}") from None
        try:
            return kind(**given)
        except TypeError as error:
            raise _MismatchError(str(error)) from None

    return read


def _tuple_reader(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(plain: Any) -> Any:
        if not isinstance(plain, (list, tuple)):
            raise _mismatch((list, tuple), plain)
        result = []
        for index, each in enumerate(plain):
            try:
                result.append(inner(each))
            except _MismatchError as error:
                raise error.below(f"[{index}]") from None
        return tuple(result)

    return read


def _dict_reader(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _mismatch((dict,), plain)
        result = {}
        for key, each in plain.items():
            try:
                result[key] = inner(each)
            except _MismatchError as error:
                raise error.below(f".{key}") from None
        return result

    return read


def _scalar_reader(wanted: tuple[type[Any], ...]) -> Callable[[Any], Any]:
    def read(plain: Any) -> Any:
        if not isinstance(plain, wanted) or (isinstance(plain, bool) and bool not in wanted):
            raise _mismatch(wanted, plain)
        return plain

    return read


def _mismatch(wanted: tuple[type[Any], ...], got: Any) -> _MismatchError:
    return _MismatchError(f"expected {' or '.join(each.__name__ for each in wanted)}, got {type(got).__name__}")


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
