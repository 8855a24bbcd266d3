"""How figures are said, in findings and in every report."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Say seconds in the unit that a person would choose: `340 µs`, `12.5 ms`, `3.20 s`."""
    if seconds < 0.000_999_5:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.999_5:
        return f"{seconds * 1e3:.{1 if seconds < 0.099_95 else 0}f} ms"
    return f"{seconds:.2f} s"


def durations(limit: float, actual: float) -> tuple[str, str]:
    """Say a limit and what exceeds it, with as many digits as it takes to tell them apart."""
    said = duration(limit), duration(actual)
    return said if said[0] != said[1] else (f"{limit * 1e3:.9g} ms", f"{actual * 1e3:.9g} ms")
