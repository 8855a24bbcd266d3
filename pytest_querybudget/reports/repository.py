"""Where the project lies in its repository: what CI services call a path is relative to the repository's root."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote


def prefix(rootdir: Path) -> PurePosixPath:
    """The way from the root of the repository around `rootdir` to `rootdir`: `.` when they are the same, or unknown."""
    start = rootdir.absolute()
    for folder in (start, *start.parents):
        # A worktree and a submodule have a file of that name.
        if (folder / ".git").exists():
            return PurePosixPath(start.relative_to(folder).as_posix())
    return PurePosixPath()


def is_absolute(path: str) -> bool:
    """Whether a path of a report lies outside the project, in the words of any system."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def within(folder: PurePosixPath, path: str) -> str:
    """A path of a report as the repository calls it."""
    return path if is_absolute(path) else (folder / path).as_posix()


def uri(path: str) -> str:
    """A path as a URI reference, percent-encoded."""
    slashed = path.replace("\\", "/")
    if is_absolute(path):
        return f"file:///{quote(slashed.lstrip('/'), safe='/:', errors='replace')}"
    # Without this, "a:b.py" would be read as the scheme "a".
    return quote(slashed, safe="/", errors="replace")
