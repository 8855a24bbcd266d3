"""Threads that outlive the test which started them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from weakref import ref

from pytest_querybudget.stacks.alone import uncollected
from pytest_querybudget.stacks.reader import thread_frames

_POOL = "concurrent/futures/thread.py"
# A thread that stands in one of these serves whoever asks it.
_SERVERS = (
    ("asyncio/base_events.py", "run_forever"),
    ("multiprocessing/pool.py", "worker"),
    ("anyio/_backends/_asyncio.py", "run"),
    ("aiosqlite/core.py", "_connection_worker_thread"),
    ("aiosqlite/core.py", "run"),
    ("socketserver.py", "serve_forever"),
    ("uvicorn/server.py", "run"),
)


class Strays(dict[int, str]):
    """Threads that an earlier test left running, by identifier, each with its name.

    The system gives the identifier of a thread that has ended to the next one, so that each is asked whether it is
    still the same. A thread of a pool is a stray until the job that it was left with is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.same: dict[int, Callable[[], bool]] = {}

    @uncollected
    def note(self, thread: threading.Thread, name: str) -> None:
        """Take a thread that is still running for a stray, unless it waits for jobs of others or serves them."""
        ident = thread.ident or 0
        frames = list(_frames(ident))
        if not frames or any(_stands_in(frame, *each) for frame in frames for each in _SERVERS):
            return
        if any(_stands_in(frame, _POOL, "_worker") for frame in frames):
            future = _job(frames)
            if future is None:
                return
            self.same[ident] = lambda: (job := future()) is not None and not job.done()
        else:
            known = ref(thread)
            self.same[ident] = lambda: (one := known()) is not None and one.is_alive()
        self[ident] = name

    def get(self, ident: int, default: Any = None) -> Any:
        """Return the name of the stray with this identifier, if it is still that thread."""
        name = super().get(ident)
        if name is None:
            return default
        if not self.same[ident]():
            self.pop(ident, None)
            return default
        return name


def _frames(ident: int) -> Iterator[FrameType]:
    frame = thread_frames(ident)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _stands_in(frame: FrameType, file: str, function: str) -> bool:
    return frame.f_code.co_name == function and frame.f_code.co_filename.replace("\\", "/").endswith(file)


def _job(frames: list[FrameType]) -> ref[Any] | None:
    """Return the future of the job that a pool's thread is at, None when it waits for the next one."""
    for frame in frames:
        if _stands_in(frame, _POOL, "run"):
            future = getattr(frame.f_locals.get("self"), "future", None)
            # From Python 3.14 on a context of the worker, which knows no job, runs inside of the job.
            if future is not None:
                return ref(future)
    return None
