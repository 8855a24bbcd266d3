"""The application's frames behind a statement, found without walking where a look is enough."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from inspect import CO_GENERATOR
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy

from pytest_querybudget.recording.places import Place
from pytest_querybudget.stacks.alone import uncollected
from pytest_querybudget.stacks.loops import Loops
from pytest_querybudget.stacks.marks import RESUMABLE, Mark
from pytest_querybudget.stacks.source import APPLICATION, FRAMEWORK, LIBRARY, Source

try:
    from greenlet import getcurrent
except ImportError:  # pragma: no cover - SQLAlchemy 2.1 installs greenlet only for asyncio
    getcurrent = None  # type: ignore[assignment]

_getframe = sys._getframe  # noqa: SLF001
_SQLALCHEMY = os.path.dirname(sqlalchemy.__file__) + os.sep
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
# Frames further out than this are left out of a stack: a deep recursion needs no more to be told apart.
DEEPEST = 64
# How many stacks are kept from one test to the next.
MOST_STACKS = 1024
# How many frames of libraries lie at most between the test function and one of the application that has called it.
MOST_BEYOND = 2
_NOWHERE: Any = object()


class Stack:
    """The application's frames at one statement, innermost first, each as code and instruction.

    A function that calls itself stands in it once, and then the stack is `recursive`.
    `tested` is how many steps come before the test function's own frames, or -1 when the test is not on the stack;
    `entered` is how many steps lie inside the innermost web request, or -1 when there is none;
    `position` is the instruction at which the test function itself stood, or -1 when that is not known.
    """

    __slots__ = ("_paths", "_places", "entered", "position", "recursive", "source", "steps", "tested")

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
        self._paths: frozenset[str] | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines of the stack, innermost first."""
        if self._places is None:
            self._places = tuple([self.source.place(code, at) for code, at in self.steps])
        return self._places

    @property
    def paths(self) -> frozenset[str]:
        """The files of its lines: cheaper than the lines."""
        if self._paths is None:
            relative = self.source.relative
            self._paths = frozenset([relative(code.co_filename) for code, _ in self.steps])
        return self._paths

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
# The code of frames that do not matter, and that of one outside of them that does, with its instruction and its kind.
Part: TypeAlias = tuple[tuple[CodeType, ...], CodeType | None, int, int]
# A line of the application, the test's own, a web framework, where a greenlet ends, where the stack does, and what lies
# around the test.
LINE, TEST, REQUEST, CROSSING, END, AROUND = range(6)


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


class Reading(NamedTuple):
    """What was read from the stack at one statement: its frames live only as long as this does.

    `entered` is how many frames lie inside the innermost web request, `request` is the outermost frame of a web
    framework or client. `near` is the way to the steps inside the current greenlet, from the frame where the reading
    began, and `beyond` that to those that await it. `inside` is the code of SQLAlchemy that the innermost
    step has called, None where that is another library's, or where it awaits the greenlet. `parts` are all frames.
    """

    stack: Stack
    frames: list[FrameType]
    entered: int
    request: FrameType | None
    near: Way
    beyond: Way
    inside: CodeType | None
    parts: tuple[Part, ...] = ()

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


def standing_at(away: int, above: int) -> tuple[FrameType, int, CodeType | None]:
    """Return the frame so far away, how far that is, and the code that it has called where that is SQLAlchemy's.

    `above` is how many frames lie above the one that `away` counts from, with that of this function.
    """
    within = _getframe(away + above - 1)
    inside = within.f_code
    frame: Any = within.f_back
    return frame, away, inside if inside.co_filename.startswith(_SQLALCHEMY) else None


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
        # How many times those were forgotten: what was remembered of them holds no more.
        self.age = 0
        # Ids of code objects that the stacks keep alive.
        self._starts: dict[tuple[int, int], tuple[int, int]] = {}

    def read(
        self, frame: FrameType | None, own: frozenset[int], position: Callable[[FrameType | None], int]
    ) -> Reading:
        """Return the stack from `frame` outwards, up to the test function.

        `own` are the ids of the test function's code objects (hashing a code object is slow); `position` tells where
        the test function stands when it is not on this stack.
        """
        parts, frames, test, request = self._walk(frame, own)
        steps: list[tuple[int, CodeType, int]] = []
        seen: set[int] = set()
        entered = framed = tested = crossed = -1
        away = known = 0
        for between, code, instruction, kind in parts:
            away += len(between)
            if kind == CROSSING:
                crossed, away = len(steps), 0
                continue
            if kind == REQUEST and entered < 0:
                entered, framed = len(steps), known
            elif kind <= TEST and code is not None:
                known += 1
                if kind == TEST and tested < 0:
                    tested = len(steps)
                if id(code) not in seen:
                    seen.add(id(code))
                    steps.append((away, code, instruction))
            away += 1
        stack = self.share(steps, len(frames), crossed, entered, tested, position(test))
        inside = len(steps) if crossed < 0 else crossed
        near, beyond = tuple(steps[:inside]), tuple(steps[inside:])
        return Reading(stack, frames, framed, request, near, beyond, _called(parts), tuple(parts))

    def is_arrangement(self, frame: FrameType, own: frozenset[int]) -> bool:
        """Return whether a frame is the test's, or that of what arranges for it, such as a fixture."""
        code = frame.f_code
        return id(code) in own or self.files.is_arrangement(code, frame.f_globals)

    def _walk(
        self, frame: FrameType | None, own: frozenset[int]
    ) -> tuple[list[Part], list[FrameType], FrameType | None, FrameType | None]:
        """Return all frames, those of the application, that of the test, and that of the request."""
        parts: list[Part] = []
        frames: list[FrameType] = []
        between: list[CodeType] = []
        kinds = self.files.kinds
        outermost = self.outermost or _NOWHERE
        test = request = None
        crossed = False
        while len(frames) < DEEPEST and frame is not outermost:
            if frame is None:
                if crossed:
                    break
                frame, crossed = parent_frame(), True
                parts.append((tuple(between), None, 0, CROSSING))
                between = []
                continue
            code = frame.f_code
            kind = kinds.get(code.co_filename)
            if kind is None:
                kind = self.files.classify(code.co_filename)
            if kind == APPLICATION:
                if id(code) in own:
                    test = frame
                frames.append(frame)
                parts.append((tuple(between), code, frame.f_lasti, TEST if test is frame else LINE))
                between = []
            elif kind == FRAMEWORK and test is None:
                request = frame
                parts.append((tuple(between), code, 0, REQUEST))
                between = []
            elif test is not None and len(between) >= MOST_BEYOND:
                break
            else:
                between.append(code)
            frame = frame.f_back
        # What has called the test may be the application's, as far away as what was a library's.
        around = None if frame is None or test is None else frame.f_code
        parts.append((tuple(between), around, 0, END if test is None else AROUND))
        return parts, frames, test, request

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

    def share(
        self,
        steps: list[tuple[int, CodeType, int]],
        frames: int,
        crossed: int,
        entered: int,
        tested: int,
        position: int,
    ) -> Stack:
        """Return the stack of these steps: one object for all statements that are sent from there."""
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
        """Forget the frames of a finished test, and all stacks where there are many: the next test has some of them."""
        if len(self.known) > MOST_STACKS:
            self.renew()
        self.outermost = None

    def take_for_application(self, path: str) -> None:
        """Count a file as the application's from here on."""
        if self.files.kinds.get(path) != APPLICATION:
            self.files.kinds[path] = APPLICATION
            self.renew()

    def renew(self) -> None:
        """Forget all stacks."""
        self.known.clear()
        self._starts.clear()
        self.age += 1


def _called(parts: list[Part]) -> CodeType | None:
    """Return the code that the innermost frame of all that matter has called, where that is SQLAlchemy's."""
    if not parts or not parts[0][0] or parts[0][3] == CROSSING:
        return None
    called = parts[0][0][-1]
    return called if called.co_filename.startswith(_SQLALCHEMY) else None


@uncollected
def thread_frames(ident: int) -> FrameType | None:
    """Return the innermost frame of another thread."""
    return sys._current_frames().get(ident)  # noqa: SLF001 - documented, and the only way to see another thread
