"""Files that others may read or write at the same moment: replaced whole, one writer at a time."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_POLL = 0.02  # seconds between two tries for a guard that another writer holds


def replace_text(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a file so that a reader sees the old text or the new one, and never half of it.

    A link stays a link, the file keeps its permissions, and newlines are written as they are.
    Raises `OSError` when the folder cannot be written or the disk is full; the old file is then untouched.
    """
    goal = Path(os.path.realpath(path))
    half = goal.with_name(f".{goal.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        # "x" gives a new file the permissions that the user's umask asks for, which tempfile does not.
        with half.open("x", encoding=encoding, newline="") as file:
            file.write(text)
        with suppress(FileNotFoundError):
            half.chmod(goal.stat().st_mode & 0o7777)
        half.replace(goal)
    except BaseException:  # Ctrl-C too leaves no half-written file
        with suppress(FileNotFoundError):
            half.unlink()
        raise


@contextmanager
def exclusive(path: Path, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Hold off the other writers of this file, in this process and in others, for as long as the block lasts.

    Where the system has `flock`, the folder itself is locked: no file is left behind, and a killed process lets go.
    Elsewhere a file `.NAME.guard` stands beside it. Raises `TimeoutError` after `timeout` seconds.
    """
    goal = Path(os.path.realpath(path))
    try:
        import fcntl
    except ImportError:
        with _guard_file(goal, timeout, clock):
            yield
        return
    folder = os.open(goal.parent, os.O_RDONLY)
    try:
        _wait(lambda: _flock(fcntl, folder), goal, timeout, clock)
        yield
    finally:
        os.close(folder)  # lets go of the lock too


def _flock(fcntl: object, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[attr-defined]
    except BlockingIOError:
        return False
    except OSError:
        return True  # a network file system without locks: the replacement is still atomic
    return True


@contextmanager
def _guard_file(goal: Path, timeout: float, clock: Callable[[], float]) -> Iterator[None]:
    guard = goal.with_name(f".{goal.name[:100]}.guard")
    _wait(lambda: _create(guard), goal, timeout, clock)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            guard.unlink()


def _create(guard: Path) -> bool:
    try:
        guard.open("x").close()
    except FileExistsError:
        return False
    return True


def _wait(attempt: Callable[[], bool], goal: Path, timeout: float, clock: Callable[[], float]) -> None:
    end = clock() + timeout
    while not attempt():
        if clock() > end:
            raise TimeoutError(f"{goal}: another process has been writing this file for {timeout:g} seconds")
        time.sleep(_POLL)
