"""What waits while a thread or task runs: the frames of other tasks and threads, which are on stacks of their own."""

from __future__ import annotations

import sys
import threading
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from pytest_querybudget.stacks.alone import FREE_THREADED, uncollected
from pytest_querybudget.stacks.reader import thread_frames

# How many threads are looked at, and how deep coroutines may await one another.
MOST_THREADS = 256
DEEPEST_AWAITED = 500


def waiting_frames(thread: int) -> list[list[FrameType]]:
    """Return the stacks of what waits while something else runs, each with the outermost frame first.

    That is the tasks of the event loop, and the test's thread and its tasks where that is another one: `thread` is its
    identifier.
    """
    return [*map(awaiting_frames, running_tasks(None)), *_outside(thread)]


def all_waiting_frames(thread: int) -> list[list[FrameType]]:
    """Return the stacks of what waits, in other threads than the test's and this one, too.

    A test client runs the application in such threads.
    """
    stacks = waiting_frames(thread)
    here = threading.get_ident()
    if here == thread or FREE_THREADED:
        return stacks
    others = thread_stacks(thread, here)
    if others is None:
        # Who is not looked at may have started what runs, and not in a loop.
        return []
    for stack in others:
        stacks += [stack, *map(awaiting_frames, _tasks_on(stack))]
    return stacks


@uncollected
def thread_stacks(*but: int) -> list[list[FrameType]] | None:
    """Return the stacks of all threads but some, each with the outermost frame first; None where there are too many."""
    threads = sys._current_frames()  # noqa: SLF001 - documented, and the only way to see another thread
    if len(threads) > MOST_THREADS:
        return None
    return [_outwards(frame) for ident, frame in threads.items() if ident not in but]


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


@uncollected
def _stack_of_thread(thread: int) -> list[FrameType]:
    return _outwards(thread_frames(thread))


def _outwards(frame: FrameType | None) -> list[FrameType]:
    stack: list[FrameType] = []
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    return stack[::-1]


def _tasks_on(stack: list[FrameType]) -> list[Any]:
    """Return the tasks of the innermost event loop that runs on a stack."""
    for frame in reversed(stack):
        code = frame.f_code
        if code.co_name == "run_forever" and code.co_filename.replace("\\", "/").endswith("asyncio/base_events.py"):
            # The locals of no other function than this one are read: up to Python 3.12 that keeps them alive.
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
    """Return the frames of a suspended task, outermost first.

    What is awaited otherwise than by a coroutine, or is no Python function, hides what it awaits itself: an object may
    have any attribute.
    """
    frames: list[FrameType] = []
    awaited = task.get_coro()
    while len(frames) < DEEPEST_AWAITED:
        frame: FrameType | None = None
        inner: Any = None
        # The types themselves: `isinstance` believes what an object says of its class.
        if type(awaited) is CoroutineType:
            frame, inner = awaited.cr_frame, awaited.cr_await
        elif type(awaited) is GeneratorType:
            frame, inner = awaited.gi_frame, awaited.gi_yieldfrom
        elif type(awaited) is AsyncGeneratorType:
            frame, inner = awaited.ag_frame, awaited.ag_await
        if frame is None:
            break
        frames.append(frame)
        awaited = inner
    return frames
