"""The lock file on disk: read whole, written whole, by one writer at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date
from pathlib import Path

from pytest_querybudget.files import exclusive, replace_text
from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import Lock, LockError
from pytest_querybudget.lock.parse import loads
from pytest_querybudget.lock.update import LockUpdate, update
from pytest_querybudget.reports.document import TestEntry


def read(path: Path, *, missing_ok: bool = False) -> Lock:
    """Read a lock file; with `missing_ok` a file that is not there is an empty lock.

    Raises `LockError`, with the path, the line and the way out.
    """
    text = read_text(path, missing_ok=missing_ok)
    return Lock() if text is None else loads(text, path=path)


def read_text(path: Path, *, missing_ok: bool = False) -> str | None:
    """The text of a lock file, or null when it may be missing and is. Raises `LockError`."""
    if path.is_dir() or path.suffix == ".py" or "::" in path.name:
        raise LockError(
            path,
            "not a lock file: --querybudget-lock takes the next word for its path; "
            "put it behind the tests, or write --querybudget-lock=PATH",
        )
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if missing_ok:
            return None
        raise LockError(path, "no such file: write it with `pytest --querybudget-lock --querybudget-update`") from None
    except OSError as error:
        raise LockError(path, f"cannot be read: {error.strerror or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LockError(path, "not UTF-8 text", raw.count(b"\n", 0, error.start) + 1) from None


def write(path: Path, lock: Lock) -> bool:
    """Write a lock file, whole or not at all, and say whether it changed. Raises `LockError`."""
    text = dumps(lock)
    try:
        if path.exists() and path.read_bytes() == text.encode():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise LockError(path, f"cannot be written: {error.strerror or error}") from error
    return True


def change(path: Path, step: Callable[[Lock], LockUpdate]) -> LockUpdate:
    """Read, change and write a lock file while no other writer does, so that two runs at once lose nothing.

    Raises `LockError`; the file is then as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path):
            result = step(read(path, missing_ok=True))
            write(path, result.lock)
    except TimeoutError as error:
        raise LockError(path, "another process has been writing it for 30 seconds") from error
    except OSError as error:
        raise LockError(path, f"cannot be written: {error.strerror or error}") from error
    return result


def update_file(
    path: Path,
    tests: Iterable[TestEntry],
    *,
    today: date,
    collected: Collection[str] | None = None,
    not_collected: Collection[str] = (),
    lower_only: bool = False,
) -> LockUpdate:
    """Take over what a run measured into the file; see `update.update`. Raises `LockError`."""
    tests = tuple(tests)
    return change(
        path,
        lambda lock: update(
            lock, tests, today=today, collected=collected, not_collected=not_collected, lower_only=lower_only
        ),
    )
