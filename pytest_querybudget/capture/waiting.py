"""Who waits for the thread or task that runs: its frames are on another stack."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from pytest_querybudget.capture.source import APPLICATION, Source
from pytest_querybudget.capture.stacks import thread_frames

# Where a task waits for something to come or for time to pass, and for no task in particular: files of asyncio.
_IDLE = frozenset({"queues.py", "streams.py", "locks.py"})
# The file in which others wait for tasks, also by a queue, and what does not in it.
_TASKS = "tasks.py"
_PASSING = frozenset({"sleep", "wait_for"})
# Who waits for tasks through a future of its own, which does not tell for which. So may the application; but what a
# driver or a client waits for is its own.
_GROUPS = ("asyncio", "anyio")


def waiting_frames(thread: int) -> list[list[FrameType]]:
    """Return the stacks of everything that waits while something else runs, each with the outermost frame first.

    `thread` is the identifier of the test's thread.
    """
    return [*map(awaiting_frames, running_tasks(None)), *_outside(thread, running_tasks)]


def causing_frames(thread: int, files: Source) -> list[list[FrameType]]:
    """Return the stacks of `waiting_frames` that may wait for what runs, as whoever has started it does.

    A task that waits for another one has nothing to do with it, nor has one that waits for a message, unless it names
    the function that runs.
    """
    return [*map(awaiting_frames, _awaiting_this(files)), *_outside(thread, _awaiting_any)]


def _outside(thread: int, tasks: Any) -> list[list[FrameType]]:
    """Return the stack of the test's thread and of the tasks in it, where this is another thread."""
    if threading.get_ident() == thread:
        return []
    frame = thread_frames(thread)
    stack: list[FrameType] = []
    loop = None
    while frame is not None:
        stack.append(frame)
        if frame.f_code.co_name == "run_forever" and loop is None:
            loop = frame.f_locals.get("self")
        frame = frame.f_back
    return [stack[::-1], *(map(awaiting_frames, tasks(loop)) if loop is not None else ())]


def running_tasks(loop: Any) -> list[Any]:
    """Return the tasks of an event loop (of the one that runs in this thread when `loop` is None), but this one."""
    import asyncio

    try:
        tasks = asyncio.all_tasks(loop)
        current = asyncio.current_task(loop)
    except RuntimeError:
        return []
    return [each for each in tasks if each is not current]


def _awaiting_any(loop: Any) -> list[Any]:
    return [each for each in running_tasks(loop) if not _is_idle(awaiting_frames(each))]


def _awaiting_this(files: Source) -> list[Any]:
    """Return the tasks of this event loop that may wait for the task that runs, also through others."""
    import asyncio

    try:
        current = asyncio.current_task()
    except RuntimeError:
        return []
    others = running_tasks(None)
    reached = [current]
    before = 0
    while len(reached) > before:
        before = len(reached)
        reached += [each for each in others if each not in reached and _may_wait(each, reached, files)]
    return reached[1:]


def _may_wait(task: Any, tasks: Iterable[Any], files: Source) -> bool:
    """Return whether a task waits for one of these, as far as asyncio tells."""
    import asyncio

    awaited = getattr(task, "_fut_waiter", None)
    # Those of `gather`.
    parts = getattr(awaited, "_children", ())
    if parts or isinstance(awaited, asyncio.Task):
        # Whoever waits for one task after the other comes to the same function's next one later.
        wanted = {_function(each) for each in tasks}
        return any(_function(each) in wanted for each in (awaited, *parts))
    frames = awaiting_frames(task)
    if not frames:
        return False
    if _is_idle(frames):
        # It may wait for a message of a task that it has started itself.
        return any(_names(each.f_code, _function(one)) for each in frames for one in tasks)
    return _package(frames[-1]) in _GROUPS or files.kind(frames[-1].f_code.co_filename) == APPLICATION


def _function(task: Any) -> Any:
    """Return what tells the function of a task, the task itself where that is not known."""
    coroutine = getattr(task, "get_coro", lambda: None)()
    return getattr(coroutine, "cr_code", task)


def _names(code: CodeType, function: Any) -> bool:
    """Return whether one function has another one inside of it, or names it."""
    return function in code.co_consts or getattr(function, "co_name", None) in code.co_names


def _is_idle(frames: list[FrameType]) -> bool:
    idle = False
    for frame in reversed(frames):
        if _package(frame) != "asyncio":
            break
        name, function = os.path.basename(frame.f_code.co_filename), frame.f_code.co_name
        if name == _TASKS and function not in _PASSING:
            return False
        idle = idle or name in _IDLE or function == "sleep"
    return idle


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


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
