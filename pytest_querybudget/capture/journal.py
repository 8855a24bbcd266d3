"""What is being written while one test runs."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from inspect import CO_COROUTINE
from time import perf_counter
from types import CodeType, FrameType
from typing import Any, Literal

from pytest_querybudget.recording.loads import Origin
from pytest_querybudget.recording.model import Hop, Recording, Statement, Window, next_serial
from pytest_querybudget.stacks.alone import alone, uncollected
from pytest_querybudget.stacks.marks import Mark
from pytest_querybudget.stacks.reader import Standing, begun_at, thread_frames
from pytest_querybudget.stacks.waiting import waiting_frames
from pytest_querybudget.statements import may_differ

# How many (statement, session, parameters) are remembered in one window to find a repeat.
MOST_SEEN = 2048
# How many results are remembered to tell which one brought an instance in.
MOST_RUNS = 8192


class Runs:
    """Which result brought in which instances, by the `runid` that SQLAlchemy leaves on them.

    Neighbours with the same origin and path are one entry, so that a loop of lazy loads costs one.
    """

    __slots__ = ("origins", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.origins: list[tuple[Origin | None, tuple[Hop, ...], int]] = []

    def add(self, run: Callable[[], int], origin: Origin | None, path: tuple[Hop, ...], level: int = 0) -> None:
        """Note that results from the next `run` on belong to `origin`, reached along `path` by so many lazy loads."""
        if self.origins:
            last = self.origins[-1]
            if last[0] is origin and last[1] is path and last[2] == level:
                return
        self.starts.append(run())
        self.origins.append((origin, path, level))
        if len(self.starts) > MOST_RUNS:
            del self.starts[: MOST_RUNS // 2], self.origins[: MOST_RUNS // 2]

    def find(self, run: int | None) -> tuple[Origin | None, tuple[Hop, ...], int]:
        """Return the origin, the path and the level of instances that carry `run`."""
        if run is None:
            return None, (), 0
        index = bisect_left(self.starts, run) - 1
        return self.origins[index] if index >= 0 else (None, (), 0)


class Answered:
    """A call of the application that others wait for, by the mark on its frame, and what is known of them.

    `waits` is the mark on the frame in which the test waits in another thread, `client` that on the frame of the web
    client that waits in the test, False where nobody has asked yet, and `waiting` are the marks on all functions that
    wait, each with where it stands.
    """

    __slots__ = ("call", "client", "waiting", "waits")

    def __init__(self, call: Mark, waits: Mark | None) -> None:
        self.call = call
        self.waits = waits
        self.client: Mark | Literal[False] | None = False
        self.waiting: list[tuple[Mark, int]] | None = None


class Journal:
    """The recording of a test in the making: the window it is in, and what repeats are measured against.

    `own` are the code objects of the test function, `thread` is the thread that runs it.
    """

    def __init__(
        self, recording: Recording, own: frozenset[CodeType] = frozenset(), phase: str = "setup", *, inner: bool = False
    ) -> None:
        self.recording = recording
        self.serial = next_serial()
        # Ids of the test function's code objects, which the test keeps alive.
        self.own = frozenset(map(id, own))
        self.by_line = any(each.co_flags & CO_COROUTINE for each in own)
        # A block inside of a test has statements of its own beside those of the test.
        self.inner = inner
        # Its number among those that hear of transactions, and how many checkouts there were before it and its test.
        self.number = 0
        self.checkouts_before = self.checkouts_before_test = 0
        # The fixtures of the test, None where nobody knows them.
        self.fixtures: frozenset[str] | None = None
        self.latest: dict[Any, Statement] = {}
        self.thread = threading.get_ident()
        self.started = recording.started = perf_counter()
        self.runs = Runs()
        self.sequence = 0
        self.barrier = 0
        # When, and as what statement, a shape was last sent with some parameters (plain numbers, by a digest of both:
        # nothing that the garbage collector would have to follow).
        self.seen: dict[int, int] = {}
        self.senders: dict[int, Statement] = {}
        self.written: dict[Any, int] = {}
        self.frame: FrameType | None = None
        # The instruction at which the test function was seen last, and where that begins.
        self.stands = (-1, -1)
        # The task in which the test waits, where it is not on the stack.
        self.task: Any = None
        # The call of the application that has sent the last new statement, where others wait for it.
        self.answered: Answered | None = None
        # Where the last new statement was sent from.
        self.standing: Standing | None = None
        self.window: Window = self.open(phase)

    @alone
    def open(self, phase: str, label: str | None = None) -> Window:
        """Begin a new window; what follows is judged apart from what came before."""
        for statement in getattr(self, "window", ()):
            statement.aside = None
        located = self.recording.located is None or phase in self.recording.located
        self.window = Window(phase, label, perf_counter() - self.started, located)
        self.recording.windows.append(self.window)
        self.seen = {}
        self.senders = {}
        self.written = {}
        self.frame = None
        self.stands = (-1, -1)
        self.task = None
        self.answered = None
        self.standing = None
        return self.window

    def locate(self) -> None:
        """Tell statements apart by their lines from here on, in every phase."""
        self.recording.located = None
        self.window.located = True
        self.latest.clear()
        for statement in self.window:
            if not statement.is_located:
                shape = statement.shape
                for each in (shape, shape.family, *(statement.members or ())):
                    if each is not None:
                        # What it sends next is read, and told apart from this.
                        each.latest = None

    def position(self, frame: FrameType | None) -> int:
        """Return where the test function stands, -1 when that cannot be seen.

        `frame` is the test function's frame where it is on the stack; otherwise it is looked for. It is held while it
        runs, and let go with the window.
        """
        if self.frame is None:
            if self.window.phase != "call" or not self.own:
                return -1
            self.frame = frame or self._find_frame()
        return -1 if self.frame is None else self.instruction(self.frame)

    def instruction(self, frame: FrameType) -> int:
        """Return where the test function stands: a coroutine by its line, for it waits and runs at two instructions."""
        if self.by_line:
            return frame.f_lineno or -1
        known = self.stands
        if known[0] != frame.f_lasti:
            known = self.stands = frame.f_lasti, begun_at(frame)
        return known[1]

    @uncollected
    def _find_frame(self) -> FrameType | None:
        frame = thread_frames(self.thread)
        while frame is not None:
            if id(frame.f_code) in self.own:
                return frame
            frame = frame.f_back
        for waiting in waiting_frames(self.thread):
            for each in waiting:
                if id(each.f_code) in self.own:
                    return each
        return None

    def note_written(self, shape: Any) -> None:
        """Remember that a shape of statement wrote something just now."""
        self.written[shape] = self.sequence

    def forget_oldest(self) -> None:
        """Forget what was seen first: memory is bounded."""
        oldest = next(iter(self.seen))
        del self.seen[oldest], self.senders[oldest]

    def unchanged_since(self, then: int, shape: Any) -> bool:
        """Return whether nothing that a shape reads was changed by a write, and nothing rolled back, since `then`."""
        if self.barrier >= then:
            return False
        since = [each.facts for each, at in self.written.items() if at > then]
        return not since or not may_differ(shape.facts, since, (each.facts for each in self.written))
