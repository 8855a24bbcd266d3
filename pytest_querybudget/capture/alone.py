"""What one thread at a time may do, where no global interpreter lock sees to that."""

from __future__ import annotations

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


def alone(function: Callable[P, R]) -> Callable[P, R]:
    """Let one thread at a time run what adds up; with a global interpreter lock it costs nothing."""
    if not FREE_THREADED:
        return function

    @wraps(function)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        with LOCK:
            return function(*args, **kwargs)

    return locked
