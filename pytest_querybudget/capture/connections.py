"""Which connections are out, and where they were taken: pools are listened to where somebody wants to know.

Of a connection nothing is held but a weak reference to what the application holds of it.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MappingProxyType, ModuleType
from typing import Any
from weakref import ref

from pytest_querybudget.capture.harmless import harmless
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.recording.connections import Held
from pytest_querybudget.stacks.alone import LOCK
from pytest_querybudget.stacks.reader import Stack, StackReader

# How many objects are looked at to see whether a fixture holds a connection.
MOST_LOOKED_AT = 200_000
# What runs the tests leads to all of them.
_RUNNERS = frozenset({"_pytest", "pluggy", "pytest_asyncio", "pytest_querybudget", "unittest", "xdist"})
_CODE = (ModuleType, type, FunctionType, BuiltinFunctionType, CodeType, FrameType, MappingProxyType, str, bytes, int)


class Taken:
    """One checkout: whoever holds the connection, by a weak reference, and the number of the checkout."""

    __slots__ = ("held", "holder", "serial")

    def __init__(self, holder: Any, held: Held, serial: int) -> None:
        self.holder = ref(holder)
        self.held = held
        self.serial = serial

    def is_out(self) -> bool:
        """Return whether somebody still holds the connection."""
        holder = self.holder()
        return holder is not None and bool(holder.is_valid)


class Connections:
    """Listens to pools.

    `journals` returns what is being written, `is_stray` whether this thread belongs to no test, `fault` hears of an
    error. With `places` the stack of each checkout is read.
    """

    def __init__(
        self,
        reader: StackReader,
        journals: Callable[[], tuple[Journal, ...]],
        is_stray: Callable[[], bool],
        fault: Callable[[Exception], None],
    ) -> None:
        self.reader = reader
        self.journals = journals
        self.is_stray = is_stray
        self.fault = fault
        self.places = False
        # Checkouts by the address of the pool's entry: several where a pool shares one connection (`StaticPool`).
        self.out: dict[int, list[Taken]] = {}
        self.detached: list[Taken] = []
        self.serial = 0
        # The fixtures that are being set up, each with its scope, the innermost last.
        self.fixtures: list[tuple[str, str]] = []
        self.known: dict[Any, Held] = {}
        # The garbage collector gives connections back at any moment, in any thread.
        self.lock = LOCK

    # Events of pools

    @harmless
    def on_connect(self, _connection: Any, _record: Any) -> None:
        """Count a connection that a pool opens (`PoolEvents.connect`)."""
        with self.lock:
            for journal in self.journals():
                phase = journal.window.phase
                counts = journal.recording.connects
                counts[phase] = counts.get(phase, 0) + 1

    def on_checkout(self, _connection: Any, record: Any, holder: Any) -> None:
        """Note a connection that is taken from a pool (`PoolEvents.checkout`)."""
        try:
            if not self.is_stray():
                self._take(record, holder, sys._getframe(1))  # noqa: SLF001
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self.fault(error)

    def _take(self, record: Any, holder: Any, frame: FrameType) -> None:
        journals = self.journals()
        stack = self._stack(journals, frame)
        with self.lock:
            held = self._held(journals, stack)
            for journal in journals:
                phase = journal.window.phase
                counts = journal.recording.checkouts
                counts[phase] = counts.get(phase, 0) + 1
                if self.places and phase == "call":
                    taken = journal.recording.connections.taken
                    taken[held] = taken.get(held, 0) + 1
            self.serial += 1
            others = [each for each in self.out.get(id(record), ()) if each.holder() is not holder and each.is_out()]
            self.out[id(record)] = [*others, Taken(holder, held, self.serial)]
            for journal in journals:
                self.note_peak(journal)

    def _stack(self, journals: tuple[Journal, ...], frame: FrameType) -> Stack | None:
        if not self.places:
            return None
        own = journals[0].own if journals else frozenset()
        return self.reader.read(frame, own, _nowhere).stack

    def _held(self, journals: tuple[Journal, ...], stack: Stack | None) -> Held:
        phase = journals[0].window.phase if journals else "setup"
        fixture, scope = self.fixtures[-1] if self.fixtures else (None, "function" if journals else "session")
        key = (stack, phase, fixture, scope)
        held = self.known.get(key)
        if held is None:
            held = self.known[key] = Held(stack, phase, fixture, scope)
        return held

    @harmless
    def on_checkin(self, _connection: Any, record: Any) -> None:
        """Note a connection that is given back, by its holder or in its place (`PoolEvents.checkin`)."""
        with self.lock:
            known = self.out.pop(id(record), [])
            if len(known) == 1:
                self._note_reclaimed(known[0])
            elif still := [each for each in known if each.holder() is not None]:
                # Nobody says which of those that share it has given it back: the next look will tell.
                self.out[id(record)] = still

    @harmless
    def on_detach(self, _connection: Any, record: Any) -> None:
        """Note a connection that leaves its pool (`PoolEvents.detach`): the collector's way with an async one."""
        with self.lock:
            for each in self.out.pop(id(record), []):
                if not self._note_reclaimed(each):
                    self.detached.append(each)

    @harmless
    def on_close(self, _connection: Any, record: Any) -> None:
        """Forget a connection that its pool has closed (`PoolEvents.close`): nobody has to give it back."""
        with self.lock:
            self.out.pop(id(record), None)

    def _note_reclaimed(self, taken: Taken) -> bool:
        if taken.holder() is not None:
            return False
        for journal in self.journals():
            if self._is_of(journal, taken):
                reclaimed = journal.recording.connections.reclaimed
                reclaimed[taken.held] = reclaimed.get(taken.held, 0) + 1
        return True

    # What a test has of them

    def begin(self, journal: Journal) -> None:
        """Begin a test or a block: what is taken from here on is its own."""
        journal.checkouts_before = journal.checkouts_before_test = self.serial
        journal.recording.connections.watched = self.places

    def note_peak(self, journal: Journal) -> None:
        """Note how many are out, when they are more than before; what is of other tests alone does not count."""
        connections = journal.recording.connections
        if journal.window.phase != "call" or len(self.out) <= connections.peak:
            return
        now = [known[0].held for known in list(self.out.values()) if self._counts(journal, known)]
        if len(now) > connections.peak:
            connections.peak = len(now)
            connections.held = tuple(now)

    def _counts(self, journal: Journal, known: list[Taken]) -> bool:
        return any(
            each.is_out() and (each.serial > journal.checkouts_before_test or _is_used(journal, each.held))
            for each in known
        )

    def note_leaks(self, journal: Journal, fixtures: Callable[[], Iterable[Any]] = lambda: ()) -> None:
        """Note what the test, or the block, has taken and nobody has given back.

        `fixtures` returns the values of fixtures of several tests: what they hold is meant for the next test.
        """
        if not (self.out or self.detached):
            return
        with self.lock:
            everything = [each for known in list(self.out.values()) for each in known] + self.detached
            left = [each for each in everything if self._is_of(journal, each) and each.is_out()]
            self.detached = [each for each in self.detached if each.is_out()]
        if not left:
            return
        kept = reachable(fixtures(), {id(each.holder()) for each in left})
        leaked = journal.recording.connections.leaked
        for each in left:
            if id(each.holder()) not in kept:
                leaked[each.held] = leaked.get(each.held, 0) + 1

    def _is_of(self, journal: Journal, taken: Taken) -> bool:
        """Return whether a test is answerable for a checkout: not for that of a wider fixture, nor of a teardown.

        In a teardown nobody can tell fixtures of one test and of several apart.
        """
        held = taken.held
        return taken.serial > journal.checkouts_before and not held.wide and held.phase != "teardown"

    def forget(self) -> None:
        """Drop the places of a finished test; what is out keeps its own."""
        self.known.clear()


def _is_used(journal: Journal, held: Held) -> bool:
    """Return whether a test has the wide fixture that holds a connection: what runs before a test must not matter."""
    return held.wide and (held.fixture is None or journal.fixtures is None or held.fixture in journal.fixtures)


def _nowhere(_frame: FrameType | None) -> int:
    """Leave open where the test function stands."""
    return -1


def reachable(roots: Iterable[Any], wanted: set[int]) -> set[int]:
    """Return which of the wanted objects (by their ids) the roots hold through data.

    Neither code is followed nor what runs the tests.
    """
    found: set[int] = set()
    waiting = [each for each in roots if _is_data(each)]
    seen = {id(each) for each in waiting}
    while waiting and len(seen) < MOST_LOOKED_AT and found != wanted:
        each = waiting.pop()
        if id(each) in wanted:
            found.add(id(each))
        following = gc.get_referents(each)
        if issubclass(type(each), threading.local):
            following.append(vars(each))
        for other in following:
            if id(other) not in seen and _is_data(other):
                seen.add(id(other))
                waiting.append(other)
    return found


def _is_data(value: Any) -> bool:
    # A lazy object that is asked for its class may make what it stands for.
    kind = type(value)
    return not issubclass(kind, _CODE) and str(kind.__module__).partition(".")[0] not in _RUNNERS
