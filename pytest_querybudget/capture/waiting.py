"""Who waits for the thread or task that runs: its frames are on another stack."""

from __future__ import annotations

import threading
from types import CodeType, FrameType
from typing import Any, NamedTuple

from pytest_querybudget.capture.loops import Loops, Names
from pytest_querybudget.capture.stacks import thread_frames

# What runs a function as a task or a thread of its own. (`wait_for` waits for messages as well.)
_STARTERS = frozenset(
    """TaskGroup Thread apply_async as_completed create_task ensure_future gather run run_coroutine_threadsafe
    run_in_executor run_sync run_until_complete shield spawn start start_new_thread start_soon submit
    to_thread""".split()
)
# Some of these, in a loop, start what they are given by whatever name.
_STARTS = _STARTERS - {"TaskGroup", "as_completed", "gather", "run", "shield", "start"}
# What is called like one of these calls a function again and again, as does what begins with `map_`.
_MAPS = frozenset("imap imap_unordered map process_map starmap starmap_async thread_map".split())


class Waiting(NamedTuple):
    """The application's functions on a stack that waits, and the name of the library's that the last one has called.

    It `is_told` to run by the test or a web client if that is on the stack, too.
    """

    functions: list[CodeType]
    called: str
    is_told: bool


def waiting_frames(thread: int) -> list[list[FrameType]]:
    """Return the stacks of everything that waits while something else runs, each with the outermost frame first.

    `thread` is the identifier of the test's thread.
    """
    return [*map(awaiting_frames, running_tasks(None)), *_outside(thread)]


def starts_in_a_loop(loops: Loops, stacks: list[Waiting], frames: list[FrameType]) -> bool:
    """Return whether one of these stacks starts in a loop what runs, which waits for it meanwhile.

    `frames` are those that run, the outermost last. Nothing tells in public who has started a thread or a task, and for
    whom it waits may be a future, a queue or an event. So it must name the function and what starts it, and one of the
    two in a loop alone. What loops beside it, a heartbeat or a consumer of a queue, has nothing to do with it.
    """
    remaining = [(each, list(map(loops.names, each.functions))) for each in stacks]
    wanted = _wanted(frames, set().union(*(one.all for _, names in remaining for one in names)))
    begun = bool(wanted)
    while begun:
        begun = False
        for each in list(remaining):
            stack, names = each
            started = set().union(*(one.all for one in names)) & wanted - {stack.called}
            if not started or not any(_starts(one) or _maps(one) for one in names):
                continue
            if _repeats(names, started):
                return True
            remaining.remove(each)
            if not stack.is_told:
                # It may have been started in a loop itself.
                wanted.update(code.co_name for code in stack.functions)
                begun = True
    return False


def _wanted(frames: list[FrameType], named: set[str | int]) -> set[str | int]:
    """Return by what the outermost function that is named at all may be started: inner ones are called by it."""
    for frame in reversed(frames):
        code = frame.f_code
        # A lambda is known by its code.
        names: set[str | int] = {code.co_name, id(code)}
        if code.co_name in ("run", "__call__"):
            names.update(_class_of(code))
        if not names.isdisjoint(named):
            return names
    return set()


def _class_of(code: CodeType) -> list[str]:
    """Return the name of the class that a method is written in, as far as its code tells: from Python 3.11 on.

    The instance would tell its class, too. But whoever reads the locals of a function that runs keeps alive, up to
    Python 3.12, all that they refer to at that time until it returns, and the session asks for less than it would.
    """
    return getattr(code, "co_qualname", "").split(".")[-2:-1]


def _starts(names: Names) -> bool:
    return not names.outside.isdisjoint(_STARTERS)


def _maps(names: Names) -> bool:
    return not names.outside.isdisjoint(_MAPS) or any(str(each).startswith("map_") for each in names.outside)


def _repeats(stack: list[Names], started: set[str | int]) -> bool:
    """Return whether functions name in a loop alone what they start, or start in one what they were given."""
    once = set().union(*(each.all - each.repeated for each in stack))
    several = set().union(*(each.several for each in stack))
    for each in stack:
        given = each.all.isdisjoint(started) and not (each.repeated & each.outside).isdisjoint(_STARTS)
        # What is mapped is named once, what is called for each of two by itself twice.
        mapped = _maps(each) and not started <= several
        if given or mapped or (each.repeated & started) - once:
            return True
    return False


def stack_of(own: frozenset[int], thread: int, known: Any) -> tuple[list[FrameType], Any]:
    """Return the stack that has one of the code objects with these ids, outermost first, and the task that it is of.

    `known` is the task that was found before: among a thousand of them it would be looked for each time.
    """
    if known is not None and not known.done():
        return awaiting_frames(known), known
    stack = [] if threading.get_ident() == thread else _stack_of_thread(thread)
    if any(id(each.f_code) in own for each in stack):
        return stack, None
    for task in (*running_tasks(None), *_tasks_on(stack)):
        frames = awaiting_frames(task)
        if any(id(each.f_code) in own for each in frames):
            return frames, task
    return [], None


def _outside(thread: int) -> list[list[FrameType]]:
    """Return the stack of the test's thread and of the tasks in it, where this is another thread."""
    if threading.get_ident() == thread:
        return []
    stack = _stack_of_thread(thread)
    return [stack, *map(awaiting_frames, _tasks_on(stack))]


def _stack_of_thread(thread: int) -> list[FrameType]:
    frame = thread_frames(thread)
    stack: list[FrameType] = []
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    return stack[::-1]


def _tasks_on(stack: list[FrameType]) -> list[Any]:
    """Return the tasks of the innermost event loop that runs on a stack."""
    for frame in reversed(stack):
        if frame.f_code.co_name == "run_forever":
            return running_tasks(frame.f_locals.get("self"))
    return []


def running_tasks(loop: Any) -> list[Any]:
    """Return the tasks of an event loop (of the one that runs in this thread when `loop` is None), but this one."""
    import asyncio

    try:
        tasks = asyncio.all_tasks(loop)
        current = asyncio.current_task(loop)
    except RuntimeError:
        return []
    return [each for each in tasks if each is not current]


def awaiting_frames(task: Any) -> list[FrameType]:
    """Return the frames of a suspended task, outermost first."""
    frames = []
    awaited = task.get_coro()
    while awaited is not None:
        frame = (
            getattr(awaited, "cr_frame", None)
            or getattr(awaited, "gi_frame", None)
            or getattr(awaited, "ag_frame", None)
        )
        if frame is None:
            break
        frames.append(frame)
        awaited = (
            getattr(awaited, "cr_await", None)
            or getattr(awaited, "gi_yieldfrom", None)
            or getattr(awaited, "ag_await", None)
        )
    return frames
