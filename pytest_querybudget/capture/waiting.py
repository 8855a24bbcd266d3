"""Who waits for the thread or task that runs: its frames are on another stack."""

from __future__ import annotations

import threading
from types import CodeType, FrameType
from typing import Any

from pytest_querybudget.capture.loops import Loops
from pytest_querybudget.capture.stacks import thread_frames

# What runs a function as a task or a thread of its own, or waits for such.
_STARTERS = frozenset(
    """Process Task TaskGroup Thread apply_async as_completed create_task ensure_future gather map run
    run_coroutine_threadsafe run_in_executor run_sync run_until_complete shield spawn start start_new_thread
    start_soon submit to_thread wait wait_for""".split()
)
# Some of these, in a loop, start what they are given by whatever name.
_STARTS = _STARTERS - {"as_completed", "gather", "map", "run", "shield", "start", "wait", "wait_for"}
# Some only wait, for a message as well: then a name that a queue has, too, tells nothing.
_WAITERS = frozenset({"shield", "wait", "wait_for"})
_OF_QUEUES = frozenset("empty full get get_nowait join put put_nowait qsize task_done".split())
# What is called like one of these calls a function again and again.
_MAPS = frozenset({"imap", "map", "starmap"})


def waiting_frames(thread: int) -> list[list[FrameType]]:
    """Return the stacks of everything that waits while something else runs, each with the outermost frame first.

    `thread` is the identifier of the test's thread.
    """
    return [*map(awaiting_frames, running_tasks(None)), *_outside(thread)]


def starts_in_a_loop(loops: Loops, stacks: list[list[CodeType]], running: set[str]) -> bool:
    """Return whether one of these stacks of functions starts in a loop what runs, which waits for it meanwhile.

    `running` are the names of the functions that run. Nothing tells in public who has started a thread or a task, and
    for whom it waits may be a future, a queue or an event. So it must name the function and what starts it, and one of
    the two in a loop. What loops beside it, a heartbeat or a consumer of a queue, has nothing to do with it.
    """
    remaining = [(stack, list(map(loops.names, stack))) for stack in stacks]
    wanted = set(running)
    begun = True
    while begun:
        begun = False
        for each in list(remaining):
            stack, names = each
            named: set[str] = set().union(*(one.all for one in names))
            started = _started(named, wanted)
            if not started:
                continue
            repeated: set[str] = set().union(*(one.repeated for one in names))
            if not repeated.isdisjoint(started | _STARTS) or _maps(named):
                return True
            # It may have been started in a loop itself.
            remaining.remove(each)
            wanted.update(code.co_name for code in stack)
            begun = True
    return False


def _started(named: set[str], wanted: set[str]) -> set[str]:
    """Return which of the wanted functions are named beside something that starts, or waits for, what it is given."""
    if not named.isdisjoint(_STARTERS - _WAITERS) or _maps(named):
        return named & wanted
    return set() if named.isdisjoint(_WAITERS) else named & wanted - _OF_QUEUES


def _maps(names: set[str]) -> bool:
    return any(not _MAPS.isdisjoint(each.lower().split("_")) for each in names if "map" in each)


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
