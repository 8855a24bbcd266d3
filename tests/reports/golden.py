"""Golden files: what each format writes for the sample, to be read in a review."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def check(name: str, text: str) -> None:
    """Compare with the golden file of that name, or write it when QUERYBUDGET_UPDATE_GOLDEN is set."""
    path = GOLDEN / name
    if os.environ.get("QUERYBUDGET_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    assert path.is_file(), f"no golden file {name}: write it with QUERYBUDGET_UPDATE_GOLDEN=1"
    assert text == path.read_bytes().decode(), f"{name} differs; if that is meant, set QUERYBUDGET_UPDATE_GOLDEN=1"
