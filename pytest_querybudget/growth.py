"""The fixture `query_growth`: the same code with a few rows and with more, and what grows in between."""

from __future__ import annotations

import gc
import inspect
import itertools
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_querybudget.budgets import BudgetError
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.rules.base import MOST_COUNT, OptionError
from pytest_querybudget.rules.constant_queries import (
    FEWEST_SIZES,
    ConstantQueries,
    Grown,
    Growth,
    Sender,
    grown,
    slope_option,
    words_for,
)
from pytest_querybudget.rules.no_n_plus_one import NoNPlusOne
from pytest_querybudget.rules.no_repeated_queries import NoRepeatedQueries
from pytest_querybudget.rules.no_write_loops import NoWriteLoops
from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from pytest_querybudget.run import Run

# What is to be awaited goes out, what came of it comes back.
Steps = Generator[Any, Any, dict[int, int]]
_EXPLAINING = (NoNPlusOne(), NoRepeatedQueries(), NoWriteLoops())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `query_growth` was asked to do; raises `BudgetError` where that could measure nothing."""

    function: Callable[[], Any]
    seed: Callable[[int], Any]
    sizes: tuple[int, ...]
    warmup: bool = True
    slope: float = 0
    reset: Callable[[], Any] | None = None
    savepoint: Any = None

    @property
    def isolated(self) -> bool:
        """Whether each size begins with an empty table."""
        return self.reset is not None or self.savepoint is not None


def _kind(value: Any) -> str:
    return type(value).__name__


def read_plan(function: Any, seed: Any, sizes: Any, slope: Any, **others: Any) -> Plan:
    """Return a plan. Raises `BudgetError` that says what was given and what is allowed."""
    __tracebackhide__ = True
    for name, value in (("fn", function), ("seed", seed), ("reset", others["reset"])):
        if not callable(value) and not (name == "reset" and value is None):
            hint = "; call it with a lambda" if inspect.isawaitable(value) else ""
            raise BudgetError(f"query_growth got {name}={_kind(value)}, but takes a function{hint}")
    if others["reset"] is not None and others["savepoint"] is not None:
        raise BudgetError("query_growth got reset and savepoint, but takes one of them: either takes the rows back")
    if others["savepoint"] is not None and not hasattr(others["savepoint"], "begin_nested"):
        raise BudgetError(
            f"query_growth got savepoint={_kind(others['savepoint'])}, "
            "but takes a session or a connection of SQLAlchemy"
        )
    try:
        rate = slope_option(ConstantQueries(), slope)
    except OptionError as error:
        raise BudgetError(str(error)) from None
    return Plan(function=function, seed=seed, sizes=read_sizes(sizes), slope=rate, **others)


def read_sizes(sizes: Any) -> tuple[int, ...]:
    """Return numbers of rows. Raises `BudgetError` unless they are two or more, from 1, ascending."""
    __tracebackhide__ = True
    takes = "but takes two or more numbers of rows, from 1, ascending: sizes=(2, 8)"
    given = tuple(sizes) if isinstance(sizes, Iterable) and not isinstance(sizes, (str, bytes)) else None
    if given is None or len(given) < FEWEST_SIZES:
        raise BudgetError(f"query_growth got sizes={sizes!r}, {takes}")
    if any(isinstance(each, bool) or not isinstance(each, int) or not 0 < each < MOST_COUNT for each in given):
        raise BudgetError(f"query_growth got sizes={sizes!r}, {takes}")
    if any(later <= earlier for earlier, later in itertools.pairwise(given)):
        raise BudgetError(f"query_growth got sizes={sizes!r}, {takes}")
    return given


class QueryGrowth:
    """The fixture `query_growth`."""

    def __init__(self, run: Run | None) -> None:
        self._run = run
        # Measurements that wait for something to be awaited.
        self._pending: set[int] = set()
        self._numbers = itertools.count()

    def __call__(
        self,
        fn: Callable[[], Any],
        *,
        seed: Callable[[int], Any],
        sizes: Sequence[int] = (2, 8),
        warmup: bool = True,
        slope: float = 0,
        reset: Callable[[], Any] | None = None,
        savepoint: Any = None,
    ) -> Any:
        """Run `fn` with a few rows and with more, and fail when it then sends more queries.

        `seed(count)` adds `count` more rows. Returns how many queries each size took; where `fn`, `seed` or `reset` is
        asynchronous, an awaitable of that. Raises `QueryBudgetExceeded` for a number of queries that grows by more than
        `slope` for each row, `QueryBudgetError` when nothing could be measured, and what `fn` or `seed` raise.
        """
        __tracebackhide__ = True
        plan = read_plan(fn, seed, sizes, slope, warmup=warmup, reset=reset, savepoint=savepoint)
        steps = Measurement(plan, Recorder(self._run)).steps()
        try:
            awaited = next(steps)
        except StopIteration as finished:
            return finished.value
        return self._finish(steps, awaited)

    def _finish(self, steps: Steps, awaited: Awaitable[Any]) -> Awaitable[dict[int, int]]:
        number = next(self._numbers)
        self._pending.add(number)

        async def finish() -> dict[int, int]:
            __tracebackhide__ = True
            self._pending.discard(number)
            return await _drive(steps, awaited)

        return finish()

    def close(self) -> None:
        """Raise `QueryBudgetError` for a measurement that nobody has awaited."""
        if self._pending:
            raise QueryBudgetError("query_growth(...) measured nothing: with an async function it must be awaited")


async def _drive(steps: Steps, awaited: Awaitable[Any]) -> dict[int, int]:
    """Await whatever the steps ask for until they end."""
    __tracebackhide__ = True
    while True:
        result, error = None, None
        try:
            result = await awaited
        except BaseException as raised:  # noqa: BLE001 - it goes on inside the steps, which clean up
            error = raised
        try:
            awaited = steps.send(result) if error is None else steps.throw(error)
        except StopIteration as finished:
            counts: dict[int, int] = finished.value
            return counts


class Recorder:
    """Records parts of a test, each by itself, and hands over what was found; without a run, nothing."""

    def __init__(self, run: Run | None) -> None:
        self.run = run

    @contextmanager
    def part(self, label: str, *, arranges: bool = False) -> Iterator[Recording | None]:
        """Record what the block sends; for the rules of the test, too, it is a part by itself.

        What arranges rows belongs to the setup, whose budget is another one.
        """
        if self.run is None:
            yield None
            return
        instruments = self.run.instruments
        capture = instruments.need_capture()
        outer = instruments.journal.window.label if instruments.journal is not None else None
        recording = Recording(label)
        phase = instruments.phase
        instruments.open("setup" if arranges else phase, label)
        journal = capture.begin_block(recording)
        try:
            yield recording
        finally:
            capture.end_block(journal)
            instruments.open(phase, outer)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing meanwhile: what a savepoint takes is nothing that the test sends."""
        if self.run is None:
            yield
            return
        with self.run.instruments.paused():
            yield

    def failing(self, findings: Sequence[Finding]) -> list[Finding]:
        """Note findings for the reports of the test, and return those that nothing allows."""
        if self.run is None or self.run.current is None or self.run.current.again:
            return []
        current = self.run.current
        verdicts, used = self.run.judge.verdicts_of(findings, current.budget.permissions)
        self.run.note_block(verdicts, used)
        return [each.finding for each in verdicts if each.failed]


class Measurement:
    """One call of `query_growth`.

    `steps` is a generator, so that it need not know whether functions are asynchronous: it yields what may have to be
    awaited.
    """

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self.plan = plan
        self.recorder = recorder
        self.recordings: list[Recording] = []
        self.warm = 0

    def steps(self) -> Steps:
        """Seed, run, seed more, run again, and compare."""
        __tracebackhide__ = True
        plan = self.plan
        before = 0
        if plan.warmup and plan.isolated:
            yield from self._size(plan.sizes[0], plan.sizes[0], measured=False)
        for size in plan.sizes:
            yield from self._size(size, size if plan.isolated else size - before, measured=True)
            before = size
        if self.recorder.run is None:
            return {}
        return self._compare()

    def _size(self, size: int, more: int, *, measured: bool) -> Generator[Any, Any, None]:
        __tracebackhide__ = True
        nested = yield from self._begin()
        try:
            yield from self._seed(more)
            if not measured or (self.plan.warmup and not self.plan.isolated and not self.recordings):
                recording = yield from self._call("warm-up run")
                self.warm = _queries(recording)
            if measured:
                recording = yield from self._call(f"run with {size} rows")
                if recording is not None:
                    self.recordings.append(recording)
        except BaseException:
            if nested is not None and nested.is_active:
                yield from _may_await(nested.rollback())
            raise
        yield from self._end(nested)

    def _begin(self) -> Generator[Any, Any, Any]:
        if self.plan.savepoint is None:
            return None
        return (yield from _may_await(self.plan.savepoint.begin_nested()))

    def _end(self, nested: Any) -> Generator[Any, Any, None]:
        __tracebackhide__ = True
        if self.plan.reset is not None:
            with self.recorder.part("reset", arranges=True):
                yield from _may_await(self.plan.reset())
        if nested is None:
            return
        if not nested.is_active:
            raise QueryBudgetError(
                "query_growth could not take the rows back: a commit or a rollback has ended the savepoint; "
                "give reset=function instead of savepoint"
            )
        yield from _may_await(nested.rollback())

    def _seed(self, more: int) -> Generator[Any, Any, None]:
        __tracebackhide__ = True
        with self.recorder.part(f"seed of {more} rows", arranges=True):
            if self.recorder.run is None:
                yield from _may_await(self.plan.seed(more))
                return
            from pytest_querybudget.capture.seeding import AddedRows

            with AddedRows() as added:
                yield from _may_await(self.plan.seed(more))
                yield from self._flush()
        if added.nothing:
            sent = "it sent no INSERT (was it flushed?)" if not added.statements else "its INSERT wrote none"
            raise QueryBudgetError(f"query_growth measured nothing: seed({more}) added no rows, {sent}")

    def _flush(self) -> Generator[Any, Any, None]:
        """Let a session that each size is rolled back in write what it holds, and forget what it has loaded."""
        session = self.plan.savepoint
        if hasattr(session, "expire_all"):
            yield from _may_await(session.flush())
            session.expire_all()

    def _call(self, label: str) -> Generator[Any, Any, Recording | None]:
        __tracebackhide__ = True
        # Whether a session still knows the rows of the run before must not depend on when cycles are collected.
        gc.collect()
        with self.recorder.part(label) as recording:
            yield from _may_await(self.plan.function())
        if recording is not None and recording.problems:
            raise QueryBudgetError(f"query_growth could not be measured: {'; '.join(recording.problems)}")
        return recording

    def _compare(self) -> dict[int, int]:
        __tracebackhide__ = True
        sizes, recordings = self.plan.sizes, self.recordings
        totals = dict(zip(sizes, map(_queries, recordings), strict=True))
        if not totals[sizes[-1]]:
            raise QueryBudgetError(self._nothing_sent())
        counts = [sent(each) for each in recordings]
        found = grown(sizes, counts, self.plan.slope)
        with self.recorder.paused():
            failing = self.recorder.failing(list(findings_of(found, sizes, recordings[-1])))
        if failing:
            from pytest_querybudget.reports.growth import Compared, explain_growth

            compared = Compared(sizes=sizes, counts=counts, slope=self.plan.slope)
            raise QueryBudgetExceeded(explain_growth(compared, failing), tuple(failing))
        return totals

    def _nothing_sent(self) -> str:
        text = f"query_growth measured nothing: the function sent no query with {self.plan.sizes[-1]} rows"
        if self.warm:
            return f"{text}, after {self.warm} in the warm-up run: what a cache keeps is measured with warmup=False"
        return text


def _may_await(result: Any) -> Generator[Any, Any, Any]:
    """Return a result, which is handed out to be awaited where it must be."""
    __tracebackhide__ = True
    return (yield result) if inspect.isawaitable(result) else result


def _queries(recording: Recording | None) -> int:
    return 0 if recording is None else recording.queries()


def sent(recording: Recording) -> dict[Sender, int]:
    """Return how often each statement was sent from each place, transaction control left out."""
    counts: dict[Sender, int] = {}
    for each in recording.statements():
        if each.shape.kind != "transaction":
            sender = each.name, each.location
            counts[sender] = counts.get(sender, 0) + each.count
    return counts


def findings_of(found: Iterable[Grown], sizes: Sequence[int], recording: Recording) -> Iterator[Growth]:
    """Yield a finding for each statement that grew, with the cure that the other rules have for it.

    `recording` is that of the largest size.
    """
    explained = _explained(recording)
    by_sender: dict[Sender, Statement] = {}
    for each in recording.statements():
        by_sender.setdefault((each.name, each.location), each)
    for one in found:
        statement = by_sender[one.sender]
        cause = explained.get(one.sender)
        yield Growth(
            sql=one.sender[0],
            tables=statement.tables,
            count=one.counts[-1],
            location=statement.location,
            chain=statement.stack.places,
            origin=cause.origin if cause else None,
            relationship=statement.meaning.relationship if statement.meaning else None,
            sizes=tuple(sizes),
            counts=one.counts,
            words=words_for(statement.shape.kind, statement.tables, _relationship(statement)),
            cure=cause.fix if cause and cause.fix else _cure(statement.shape.kind),
        )


def _explained(recording: Recording) -> Mapping[Sender, Finding]:
    found: dict[Sender, Finding] = {}
    for rule in _EXPLAINING:
        for each in rule.check(recording, rule.parse((), {})):
            found.setdefault((each.sql, each.location), each)
    return found


def _relationship(statement: Statement) -> str | None:
    return statement.meaning.relationship if statement.meaning else None


def _cure(kind: str) -> str | None:
    if kind == "select":
        return "Load what all rows need with one query before the loop: a join, or an IN list of all keys."
    if kind in ("insert", "update", "delete"):
        return "Write all rows with one statement, or flush once after the loop."
    return None
