"""The application's frames behind a statement, found without walking where a look is enough."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType

from pytest_querybudget.capture.loops import Loops
from pytest_querybudget.capture.source import APPLICATION, FRAMEWORK, Source
from pytest_querybudget.recording.places import Place

try:
    from greenlet import getcurrent
except ImportError:  # pragma: no cover - SQLAlchemy 2.1 installs greenlet only for asyncio
    getcurrent = None  # type: ignore[assignment]

# How many of the innermost frames are compared when a statement meets a known stack again.
COMPARED = 12
# Frames further out than this are left out of a stack: a deep recursion needs no more to be told apart.
DEEPEST = 64


class Stack:
    """The application's frames at one statement, innermost first, each as code and instruction.

    `steps` are `(hops, code, instruction)`, `hops` being how many frames lie between this one and the one before;
    `crossed` is how many steps lie inside the current greenlet (the rest belongs to the code that awaits it);
    `entered` is how many steps lie inside the innermost web request, or -1 when there is none;
    `tested` is how many steps come before the test function's own frames, or -1 when the test is not on the stack;
    `position` is the instruction at which the test function itself stood, or -1 when that is not known.
    """

    __slots__ = ("_loop", "_places", "crossed", "entered", "position", "source", "steps", "tested", "waited")

    def __init__(
        self,
        steps: tuple[tuple[int, CodeType, int], ...],
        *,
        crossed: int,
        entered: int,
        tested: int,
        position: int,
        source: StackReader,
    ) -> None:
        self.steps = steps
        self.crossed = crossed
        self.entered = entered
        self.tested = tested
        self.position = position
        self.source = source
        self.waited: bool | None = None
        self._loop: int | None = None
        self._places: tuple[Place, ...] | None = None

    @property
    def detached(self) -> bool:
        """Whether a thread or task of its own sent the statement, so that the test is not on the stack."""
        return self.tested < 0

    @property
    def loop(self) -> int:
        """The index of the innermost step that lies in a loop of its function, or -1.

        Only the steps inside the innermost request count: what repeats a request is not the application.
        """
        if self._loop is None:
            self._loop = -1
            inside = self.steps if self.entered < 0 else self.steps[: self.entered]
            for index, (_, code, instruction) in enumerate(inside):
                if self.source.loops.contains(code, instruction):
                    self._loop = index
                    break
        return self._loop

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines of the stack, innermost first."""
        if self._places is None:
            self._places = tuple(self.source.files.place(code, at) for _, code, at in self.steps)
        return self._places

    def is_own(self, index: int) -> bool:
        """Return whether the step at `index` is one of the test function's own lines."""
        return 0 <= self.tested <= index

    def matches(self, deepest: int) -> bool:
        """Return whether the frames from the caller outwards are those of this stack, as far as `deepest` steps."""
        crossed = self.crossed
        frame: FrameType | None = None
        index = 0
        for hops, code, instruction in self.steps:
            if index == 0 and crossed:
                # Skipping frames in C is many times cheaper than following `f_back`.
                try:
                    frame = sys._getframe(hops + 1)  # noqa: SLF001
                except ValueError:
                    return False
            else:
                if index == deepest:
                    return True
                if index == crossed:
                    frame = parent_frame()
                for _ in range(hops):
                    if frame is None:
                        return False
                    frame = frame.f_back
            if frame is None or frame.f_code is not code or frame.f_lasti != instruction:
                return False
            index += 1
        return index > 0


def parent_frame() -> FrameType | None:
    """Return the frame that awaits the current greenlet, if this is one."""
    if getcurrent is None:
        return None
    parent = getcurrent().parent
    return parent.gr_frame if parent is not None else None


class StackReader:
    """Reads stacks, and shares one `Stack` among all statements that were sent from the same frames."""

    def __init__(self, files: Source) -> None:
        self.files = files
        self.loops = Loops()
        self.known: dict[tuple[object, ...], Stack] = {}

    def read(
        self, frame: FrameType | None, own: frozenset[CodeType], position: Callable[[], int]
    ) -> tuple[Stack, FrameType | None]:
        """Return the stack from `frame` outwards, up to the test function, and the test function's frame if it is there.

        `own` are the code objects of the test function; `position` tells where the test function stands when it is
        not on this stack.
        """
        test_frame: FrameType | None = None
        steps: list[tuple[int, CodeType, int]] = []
        kinds = self.files.kinds
        entered = tested = crossed = -1
        hops = 0
        while len(steps) < DEEPEST:
            if frame is None:
                if crossed >= 0:
                    break
                frame = parent_frame()
                crossed = len(steps)
                hops = 0
                if frame is None:
                    break
            code = frame.f_code
            kind = kinds.get(code.co_filename)
            if kind is None:
                kind = self.files.classify(code.co_filename)
            if kind == APPLICATION or code in own:
                if code in own:
                    test_frame = frame
                    if tested < 0:
                        tested = len(steps)
                steps.append((hops, code, frame.f_lasti))
                hops = 0
            elif kind == FRAMEWORK and entered < 0 and tested < 0:
                entered = len(steps)
            elif tested >= 0 and hops > 2:
                break
            frame = frame.f_back
            hops += 1
        at = position() if test_frame is None else test_frame.f_lasti
        key = (tuple((id(code), instruction) for _, code, instruction in steps), crossed, entered, at)
        stack = self.known.get(key)
        if stack is None:
            # The stack keeps its code objects alive, so that no other can take over their ids.
            stack = self.known[key] = Stack(
                tuple(steps),
                crossed=crossed if steps and 0 <= crossed < len(steps) else -1,
                entered=entered,
                tested=tested,
                position=at,
                source=self,
            )
        else:
            # The way through the libraries in between may differ from call to call; the last one is the likeliest.
            stack.steps = tuple(steps)
        return stack, test_frame

    def forget(self) -> None:
        """Drop the stacks of a finished test; what is known of code and files stays."""
        self.known.clear()


def thread_frames(ident: int) -> FrameType | None:
    """Return the innermost frame of another thread."""
    return sys._current_frames().get(ident)  # noqa: SLF001 - documented, and the only way to see another thread
