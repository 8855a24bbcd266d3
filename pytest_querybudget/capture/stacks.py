"""The application's frames behind a statement, found without walking where a look is enough."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeAlias

from pytest_querybudget.capture.alone import uncollected
from pytest_querybudget.capture.loops import Loops
from pytest_querybudget.capture.source import APPLICATION, FRAMEWORK, LIBRARY, Source
from pytest_querybudget.recording.places import Place

try:
    from greenlet import getcurrent
except ImportError:  # pragma: no cover - SQLAlchemy 2.1 installs greenlet only for asyncio
    getcurrent = None  # type: ignore[assignment]

_getframe = sys._getframe  # noqa: SLF001
# As soon as it has been specialised, a call of a builtin stands one instruction earlier in Python 3.11, and a loop over
# a generator stands in its inline cache in Python 3.12.
_MOVES = sys.version_info[:2] in ((3, 11), (3, 12))
_CACHE = 0
_PRECALL = opmap.get("PRECALL")
_SUBSCRIPT = opmap.get("BINARY_SUBSCR")
_DELEGATING = frozenset(opmap[each] for each in ("SEND", "YIELD_FROM") if each in opmap)
# How far behind it the call stands.
_TO_CALL = 4
# How many of the innermost frames are compared when a statement meets a known stack again.
COMPARED = 12
RESUMABLE = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
# Frames further out than this are left out of a stack: a deep recursion needs no more to be told apart.
DEEPEST = 64
# How many statements a mark remembers before those of earlier tests are dropped: a worker's frame outlives them all.
MOST_MARKED = 256
_NOWHERE: Any = object()


class Stack:
    """The application's frames at one statement, innermost first, each as code and instruction.

    A function that calls itself stands in it once, and then the stack is `recursive`.
    `tested` is how many steps come before the test function's own frames, or -1 when the test is not on the stack;
    `entered` is how many steps lie inside the innermost web request, or -1 when there is none;
    `position` is the instruction at which the test function itself stood, or -1 when that is not known.
    """

    __slots__ = ("_places", "entered", "position", "recursive", "source", "steps", "tested")

    def __init__(
        self,
        steps: tuple[tuple[CodeType, int], ...],
        *,
        entered: int,
        tested: int,
        position: int,
        recursive: bool,
        source: Source,
    ) -> None:
        self.steps = steps
        self.entered = entered
        self.tested = tested
        self.position = position
        self.recursive = recursive
        self.source = source
        self._places: tuple[Place, ...] | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines of the stack, innermost first."""
        if self._places is None:
            self._places = tuple([self.source.place(code, at) for code, at in self.steps])
        return self._places

    @property
    def paths(self) -> set[str]:
        """The files of its lines: cheaper than the lines."""
        relative = self.source.relative
        return {relative(code.co_filename) for code, _ in self.steps}

    def is_own(self, index: int) -> bool:
        """Return whether the step at `index` is one of the test function's own lines."""
        return 0 <= self.tested <= index

    def step_of(self, frame: FrameType) -> int:
        """Return the index of the step that a frame is, -1 when it is none."""
        code, instruction = frame.f_code, begun_at(frame)
        for index, (known, at) in enumerate(self.steps):
            if known is code and (at == instruction or (_MOVES and start_of(code, at) == instruction)):
                return index
        return -1


# Frames, each as how far away it is, code and instruction.
Way: TypeAlias = tuple[tuple[int, CodeType, int], ...]


def stands_here(near: Way, beyond: Way, above: int = 1) -> bool:
    """Return whether the frames outwards from the caller are those of a way, and those that await its greenlet.

    `above` is how many frames lie above the one from which the way was read.
    """
    try:
        for away, code, instruction in near:
            # Skipping frames in C is many times cheaper than following `f_back`.
            frame = _getframe(away + above)
            if frame.f_code is not code or frame.f_lasti != instruction:
                return False
    except ValueError:
        return False
    return not beyond or _awaits(beyond)


def _awaits(way: Way) -> bool:
    at = 0
    # As `parent_frame`, written out: each statement of an asynchronous engine comes here.
    parent = None if getcurrent is None else getcurrent().parent
    frame: FrameType | None = None if parent is None else parent.gr_frame
    for away, code, instruction in way:
        while frame is not None and at < away:
            frame = frame.f_back
            at += 1
        if frame is None or frame.f_code is not code or frame.f_lasti != instruction:
            return False
    return True


class Mark:
    """Hangs on a frame to tell one call of a function from the next.

    A frame can neither be held (it would keep its locals alive, and with them what the session's identity map forgets)
    nor told by its address (the next call often gets the same). `f_trace` is a place on the frame that dies with it.
    A tracer that put its own function there is called as before.
    """

    __slots__ = ("before", "since", "statements")

    def __init__(self, before: Any) -> None:
        self.before = before
        # The numbers of those that were sent from the frame.
        self.statements: set[int] = set()
        # Where this is the frame of a request: how many statements each journal, by number, had before its first one.
        self.since: dict[int, int] = {}

    def add(self, statement: int, since: int) -> None:
        """Remember a statement; where there are many, forget what came before the test whose journal is `since`."""
        self.statements.add(statement)
        if len(self.statements) > MOST_MARKED:
            self.statements = {each for each in self.statements if each >= since}
            self.since = {each: sent for each, sent in self.since.items() if each >= since}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Pass a trace event on."""
        if self.before is not None:
            self.before = self.before(frame, event, argument)
        return self


def mark_of(frame: FrameType) -> Mark:
    """Return the mark of a frame, a new one where there is none."""
    known = frame.f_trace
    if type(known) is not Mark:
        known = frame.f_trace = Mark(known)
    return known


def mark(frames: Sequence[FrameType], statement: int) -> int:
    """Mark frames as those from which a statement was sent, and return the innermost that was marked with it before.

    Returns -1 when none was: no call that was active then is active now.
    """
    found = -1
    for index, frame in enumerate(frames):
        known = mark_of(frame).statements
        if statement in known:
            # All frames further out were active at that time, too.
            found = index
            break
        known.add(statement)
    return found


def resumed(frames: Sequence[FrameType], known: set[int]) -> Iterator[int]:
    """Yield the indexes of coroutine and generator frames that may have been there before, and remember all of them.

    A tracer, such as that of coverage, takes the mark off a frame that is resumed. Only the address of the frame is
    left to tell it, which the next call may get as well: whoever asks must have another reason to believe it.
    """
    for index, frame in enumerate(frames):
        if frame.f_code.co_flags & RESUMABLE:
            if id(frame) in known:
                yield index
            known.add(id(frame))


class Reading(NamedTuple):
    """What was read from the stack at one statement: its frames live only as long as this does.

    `entered` is how many frames lie inside the innermost web request, `request` is the outermost frame of a web
    framework or client. `near` is the way to the steps inside the current greenlet, from the frame where the reading
    began, and `beyond` that to those that await it.
    """

    stack: Stack
    frames: list[FrameType]
    entered: int
    request: FrameType | None
    near: Way
    beyond: Way

    def innermost(self, steps: int) -> tuple[Way, Way]:
        """Return the way to the innermost steps."""
        return self.near[:steps], self.beyond[: max(0, steps - len(self.near))]


def start_of(code: CodeType, instruction: int) -> int:
    """Return where an instruction stands, for one that may have moved when it was specialised."""
    if _PRECALL is not None:
        text = code.co_code
        if text[instruction] == _PRECALL:
            return instruction + _TO_CALL
        begun = _before_cache(text, instruction)
        # Any other call of Python code stands in its cache from the first time on.
        return begun if text[begun] == _SUBSCRIPT else instruction
    return _before_cache(code.co_code, instruction)


def _before_cache(text: bytes, instruction: int) -> int:
    """Return where the instruction begins whose inline cache this may be."""
    while instruction > 0 and text[instruction] == _CACHE:
        instruction -= 2
    return instruction


def delegates(code: CodeType, instruction: int) -> bool:
    """Return whether a generator stands in a `yield from`, where any line may resume it."""
    if not code.co_flags & CO_GENERATOR:
        return False
    text = code.co_code
    return text[_before_cache(text, instruction)] in _DELEGATING


def begun_at(frame: FrameType) -> int:
    """Return where the instruction begins at which a frame stands."""
    return start_of(frame.f_code, frame.f_lasti) if _MOVES else frame.f_lasti


class Standing(NamedTuple):
    """Where a statement was sent from; as long as the innermost function has not moved, so are others.

    `marks` are those on the application's frames, innermost first, and `instruction` is where that one stands;
    `request` is the mark on the frame of the request, `waiting` that on the frame in which the test waits meanwhile.
    """

    stack: Stack
    marks: list[Mark]
    instruction: int
    request: Mark | None
    waiting: Mark | None


def standing_of(reading: Reading, marks: list[Mark], request: Mark | None, waiting: Mark | None) -> Standing | None:
    """Return what to compare the next statement's frames with, None where outer frames may move while inner ones stay.

    What a coroutine or a generator returns to may be another one each time.
    """
    if not marks or reading.beyond or reading.frames[0].f_code.co_flags & RESUMABLE:
        return None
    return Standing(reading.stack, marks, reading.frames[0].f_lasti, request, waiting)


def parent_frame() -> FrameType | None:
    """Return the frame that awaits the current greenlet, if this is one."""
    if getcurrent is None:
        return None
    parent = getcurrent().parent
    return parent.gr_frame if parent is not None else None


def awaiting(away: int) -> FrameType | None:
    """Return the frame so far outwards from the one that awaits the current greenlet."""
    frame = parent_frame()
    while frame is not None and away > 0:
        frame = frame.f_back
        away -= 1
    return frame


class StackReader:
    """Reads stacks, and shares one `Stack` among all statements that were sent from the same frames."""

    def __init__(self, files: Source) -> None:
        self.files = files
        self.loops = Loops()
        # That of statements whose lines nobody asks for.
        self.nowhere = Stack((), entered=-1, tested=-1, position=-1, recursive=False, source=files)
        # The frame that nothing of the current test lies beyond: a fixture's statements are read up to there.
        self.outermost: FrameType | None = None
        # The number of the current test's journal: statements with lower ones are of earlier tests.
        self.since = 0
        self.known: dict[tuple[object, ...], Stack] = {}
        # Ids of code objects that the stacks keep alive.
        self._starts: dict[tuple[int, int], tuple[int, int]] = {}

    def read(  # noqa: C901, PLR0912 - one pass for each statement
        self, frame: FrameType | None, own: frozenset[int], position: Callable[[FrameType | None], int]
    ) -> Reading:
        """Return the stack from `frame` outwards, up to the test function.

        `own` are the ids of the test function's code objects (hashing a code object is slow); `position` tells where
        the test function stands when it is not on this stack.
        """
        steps: list[tuple[int, CodeType, int]] = []
        frames: list[FrameType] = []
        seen: set[int] = set()
        kinds = self.files.kinds
        outermost = self.outermost or _NOWHERE
        test: FrameType | None = None
        request: FrameType | None = None
        entered = framed = tested = crossed = -1
        away = last = 0
        while len(frames) < DEEPEST and frame is not outermost:
            if frame is None:
                if crossed >= 0:
                    break
                frame = parent_frame()
                crossed = len(steps)
                away = last = 0
                if frame is None:
                    break
            code = frame.f_code
            kind = kinds.get(code.co_filename)
            if kind is None:
                kind = self.files.classify(code.co_filename)
            if kind == APPLICATION:
                ident = id(code)
                if ident in own:
                    test = frame
                    if tested < 0:
                        tested = len(steps)
                frames.append(frame)
                if ident not in seen:
                    seen.add(ident)
                    steps.append((away, code, frame.f_lasti))
                    last = away
            elif tested >= 0:
                if away - last > 2:
                    break
            elif kind == FRAMEWORK:
                request = frame
                if entered < 0:
                    entered, framed = len(steps), len(frames)
            frame = frame.f_back
            away += 1
        stack = self._share(steps, len(frames), crossed, entered, tested, position(test))
        inside = len(steps) if crossed < 0 else crossed
        return Reading(stack, frames, framed, request, tuple(steps[:inside]), tuple(steps[inside:]))

    def distance(self, frame: FrameType | None, standing: Standing) -> int:
        """Return how far away the innermost application frame is, if it is that of `standing` at the same instruction.

        Then so are all frames further out: one look at the libraries in between is enough. It is -1 for any other.
        """
        kinds = self.files.kinds
        away = 0
        while frame is not None:
            kind = kinds.get(frame.f_code.co_filename)
            if kind != LIBRARY:
                same = kind == APPLICATION and frame.f_trace is standing.marks[0]
                return away if same and frame.f_lasti == standing.instruction else -1
            frame = frame.f_back
            away += 1
        return -1

    def is_all_libraries(self, frame: FrameType | None) -> bool:
        """Return whether no frame from this one outwards is the application's."""
        kinds = self.files.kinds
        while frame is not None and kinds.get(frame.f_code.co_filename) == LIBRARY:
            frame = frame.f_back
        return frame is None

    def beyond_libraries(self, frame: FrameType | None, away: int) -> FrameType | None:
        """Return the frame so far outwards, None where one before it is not a library's."""
        kinds = self.files.kinds
        while frame is not None and away > 0:
            if kinds.get(frame.f_code.co_filename) != LIBRARY:
                return None
            frame = frame.f_back
            away -= 1
        return frame

    def _share(
        self,
        steps: list[tuple[int, CodeType, int]],
        frames: int,
        crossed: int,
        entered: int,
        tested: int,
        position: int,
    ) -> Stack:
        places = [(id(code), instruction) for _, code, instruction in steps]
        if _MOVES:
            places = [self._start(code, instruction) for _, code, instruction in steps]
        key = (tuple(places), crossed, entered, position)
        stack = self.known.get(key)
        if stack is None:
            # The stack keeps its code objects alive, so that no other can take over their ids.
            new = Stack(
                tuple([(code, instruction) for _, code, instruction in steps]),
                entered=entered,
                tested=tested,
                position=position,
                recursive=frames > len(steps),
                source=self.files,
            )
            # Another thread may have come here in the meantime.
            stack = self.known.setdefault(key, new)
        return stack

    def _start(self, code: CodeType, instruction: int) -> tuple[int, int]:
        key = (id(code), instruction)
        found = self._starts.get(key)
        if found is None:
            found = self._starts[key] = (key[0], start_of(code, instruction))
        return found

    def forget(self) -> None:
        """Drop the stacks of a finished test; what is known of code and files stays."""
        self.known.clear()
        self._starts.clear()
        self.outermost = None


@uncollected
def thread_frames(ident: int) -> FrameType | None:
    """Return the innermost frame of another thread."""
    return sys._current_frames().get(ident)  # noqa: SLF001 - documented, and the only way to see another thread
