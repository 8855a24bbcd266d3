"""What the ceilings have in common: a measured figure above a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import ClassVar

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.findings.words import durations
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.rules.base import Options
from pytest_querybudget.values import dataclass

PHASES = ("call", "setup", "teardown", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded(Finding):
    """A figure above (or, where it must be exact, below) its limit.

    `unit` is what is counted, `window` the subtest, example or request, `phase` when it was counted, `statements` are
    those that make up the figure, where it is known.
    """

    #: Whether the figure is that of one statement, and not what several add up to.
    of_one: ClassVar[bool] = False
    #: Whether the figure is a time, in seconds.
    is_time: ClassVar[bool] = False

    limit: float
    actual: float
    unit: str
    window: str | None = None
    exact: bool = False
    advice: str | None = None
    phase: str = "call"
    statements: tuple[Statement, ...] = field(default=(), repr=False, compare=False)

    @property
    def message(self) -> str:
        """Expected and got."""
        most = "exactly" if self.exact else "at most"
        where = f" in {self.window}" if self.window else ""
        say = durations if self.is_time else _figures
        limit, actual = say(self.limit, self.actual)
        return f"expected {most} {limit} {self.unit}, got {actual}{where}"

    @property
    def fix(self) -> str | None:
        """What to do about it, where the rule knows."""
        return self.advice


def _figures(limit: float, actual: float) -> tuple[str, str]:
    return _figure(limit), _figure(actual)


def _figure(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def counted(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements that ceilings count: all but transaction control."""
    return [each for each in statements if each.shape.kind != "transaction"]


def windows_of(recording: Recording, phase: str, per: str = "test") -> list[tuple[str | None, list[Statement]]]:
    """Return what is measured by itself: each named part of a phase and the rest of it, or all together for `all`.

    What was sent outside of the parts is one figure, and none where nothing was sent there. A request belongs to the
    part that it was made in, unless the measure is taken `per` request.
    """
    windows = recording.windows if phase == "all" else recording.select(phase)
    if per == "request":
        return [(each.label, counted(each)) for each in windows if each.outer is not None]
    if phase == "all":
        return [(None, counted(recording.statements()))]
    parts: dict[int, tuple[str | None, list[Statement]]] = {}
    rest: list[Statement] = []
    for each in windows:
        home = each.outer or each
        if home.label is None:
            rest += counted(each)
        else:
            parts.setdefault(id(home), (home.label, []))[1].extend(counted(each))
    return [(None, rest), *parts.values()] if rest or not parts else list(parts.values())


def request_faults(recording: Recording, options: Options) -> Iterator[str]:
    """Yield why a limit for each request cannot be held: there was none."""
    if options.per == "request" and not windows_of(recording, options.phase, "request"):
        yield 'per="request" measures what comes through query_budget.app(...), and no request did'


def worst(statements: Iterable[Statement]) -> Statement | None:
    """Return the statement that was sent most often."""
    return max(statements, key=lambda each: each.count, default=None)
