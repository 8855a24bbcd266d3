"""Text as a person reads it, kept in files: `UPDATE_GOLDEN=1` in the environment writes them anew."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def assert_golden(path: Path, lines: str | Iterable[str], *, width: int | None = 80) -> None:
    """Compare with the kept text; `width` is the widest line that is allowed, null for files that no one reads."""
    text = lines if isinstance(lines, str) else "".join(f"{line}\n" for line in lines)
    if width is not None:
        assert [line for line in text.splitlines() if len(line) > width] == []
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
    assert text == path.read_text("utf-8")
