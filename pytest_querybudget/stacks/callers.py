"""What calls several functions in turn without being in a loop for them: event loops, servers, stacks of contexts."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FrameType

from pytest_querybudget.stacks.reader import parent_frame

EVENT_LOOP, SERVER, EXIT = "event loop", "server", "exit"
# An event loop calls its tasks, a server the handler of each request, a stack of contexts what was put on it.
_CALLERS = (
    ("asyncio/base_events.py", "run_forever", EVENT_LOOP),
    # Another event loop has no frames of Python.
    ("asyncio/runners.py", "run", EVENT_LOOP),
    ("anyio/_core/_eventloop.py", "run", EVENT_LOOP),
    ("trio/_core/_run.py", "run", EVENT_LOOP),
    ("socketserver.py", "_handle_request_noblock", SERVER),
    ("contextlib.py", "__exit__", EXIT),
    ("contextlib.py", "__aexit__", EXIT),
)


def caller_between(inner: FrameType, outer: FrameType) -> str:
    """Return what calls the inner function on behalf of the outer one, empty where that is nothing of note."""
    for code in _codes_between(inner, outer):
        for file, function, what in _CALLERS:
            if code.co_name == function and code.co_filename.replace("\\", "/").endswith(file):
                return what
    return ""


def _codes_between(inner: FrameType, outer: FrameType) -> Iterator[CodeType]:
    frame = inner.f_back
    crossed = False
    while frame is not outer:
        if frame is None:
            if crossed:
                return
            frame, crossed = parent_frame(), True
        else:
            yield frame.f_code
            frame = frame.f_back
