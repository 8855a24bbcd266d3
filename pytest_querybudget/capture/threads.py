"""Threads that outlive the test which started them."""

from __future__ import annotations

from pytest_querybudget.capture.stacks import thread_frames

# A thread that stands in one of these waits for the next job, whoever brings it.
_WORKERS = (
    ("concurrent/futures/thread.py", "_worker"),
    ("asyncio/base_events.py", "run_forever"),
    ("multiprocessing/pool.py", "worker"),
    ("anyio/_backends/_asyncio.py", "run"),
    ("aiosqlite/core.py", "_connection_worker_thread"),
    ("aiosqlite/core.py", "run"),
    ("socketserver.py", "serve_forever"),
    ("uvicorn/server.py", "run"),
)


def serves_others(ident: int) -> bool:
    """Return whether a thread belongs to a pool, an event loop or a server."""
    frame = thread_frames(ident)
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if any(name.endswith(file) and frame.f_code.co_name == function for file, function in _WORKERS):
            return True
        frame = frame.f_back
    return False
