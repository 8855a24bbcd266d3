"""The connections and transactions of one test: where they were taken, and how long they were held."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Connections that were taken from a pool at one place.

    `fixture` is the fixture that was set up at that time and `scope` its scope; outside of any test the scope is
    `"session"`, and there is no fixture.
    """

    stack: Any
    phase: str
    fixture: str | None = None
    scope: str = "function"

    @property
    def places(self) -> tuple[Place, ...]:
        """The application's lines, innermost first."""
        found: tuple[Place, ...] = () if self.stack is None else self.stack.places
        return found

    @property
    def wide(self) -> bool:
        """Whether it belongs to a fixture of several tests, or to none."""
        return self.scope != "function"

    def __str__(self) -> str:
        where = str(self.places[0]) if self.places else "no line of the application"
        if self.fixture is None:
            return f"{where} (before the test)" if self.wide else where
        kind = f"{self.scope} fixture" if self.wide else "fixture"
        return f"{where} ({kind} {self.fixture})"


@dataclass(slots=True, eq=False)
class Connections:
    """What a test took from connection pools.

    `peak` is the most connections that were out at one time during the call, and `held` where each of them was taken;
    `taken` counts all that were taken in the call. `leaked` counts those that nobody gave back, `reclaimed` those that
    came back with the garbage.
    `watched` tells whether pools were listened to when the test began, with the places of checkouts.
    """

    watched: bool = False
    peak: int = 0
    held: tuple[Held, ...] = ()
    taken: dict[Held, int] = field(default_factory=dict)
    leaked: dict[Held, int] = field(default_factory=dict)
    reclaimed: dict[Held, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction of the application, from its first statement in the call to its end.

    Times are seconds, `started` and `ended` on the clock of statements. Nothing was sent for `silent` of them in all,
    and for `silence` at a stretch: `before` is the stack of the statement before that, `after` the stack of the next
    one, or of the transaction's end.
    `first` and `last` are statements of the recording.
    """

    first: Any
    started: float
    ended: float
    last: Any
    queries: int = 0
    silent: float = 0.0
    silence: float = 0.0
    before: Any = None
    after: Any = None

    @property
    def seconds(self) -> float:
        """How long it was open."""
        return self.ended - self.started

    def wait_until(self, now: float) -> bool:
        """Add up a silence since the last statement; return whether it is the longest."""
        silence = now - self.ended
        self.silent += max(silence, 0.0)
        if silence <= self.silence:
            return False
        self.silence, self.before = silence, self.last.stack
        return True


@dataclass(slots=True, eq=False)
class Transactions:
    """How many transactions a test had in its call; the one with the `most` statements, and the `longest`."""

    watched: bool = False
    count: int = 0
    most: Transaction | None = None
    longest: Transaction | None = None
