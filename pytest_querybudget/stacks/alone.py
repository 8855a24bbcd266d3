"""What one thread at a time may do, where no global interpreter lock sees to that."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# An extension module may bring the global lock back later on; nothing takes it away.
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
# One for all, so that no two threads wait for each other: the garbage collector may come to it at any moment, also in a
# thread that has it.
LOCK = threading.RLock()
LONGEST_WAIT = 0.1


def alone(function: Callable[P, R]) -> Callable[P, R]:
    """Let one thread at a time run what adds up; with a global interpreter lock it costs nothing."""
    if not FREE_THREADED:
        return function

    @wraps(function)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        with LOCK:
            return function(*args, **kwargs)

    return locked


def uncollected(function: Callable[P, R]) -> Callable[P, R]:
    """Let no garbage be collected meanwhile, where that may happen at any moment: up to Python 3.11.

    A frame of another thread becomes an object when somebody asks for it. If that starts a collection, and that lets
    the other thread run, the frame may be gone before the object is there, and the interpreter crashes.
    """
    if sys.version_info >= (3, 12):
        return function

    @wraps(function)
    def uncollecting(*args: P.args, **kwargs: P.kwargs) -> R:
        held = enabled = False
        try:
            # A process that was forked while another thread had the lock would wait for ever.
            held = LOCK.acquire(timeout=LONGEST_WAIT)
            enabled = gc.isenabled()
            gc.disable()
            return function(*args, **kwargs)
        finally:
            if enabled:
                gc.enable()
            if held:
                LOCK.release()

    return uncollecting
