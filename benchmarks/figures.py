"""The arithmetic of repeated measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def undisturbed(values: Sequence[float]) -> float:
    """The mean of the lowest 3 %, of three values at least.

    Whatever else happens on the machine only ever adds to CPU time: on a quiet machine this, the median and
    the quartile agree, on a busy one only this stays where it was.
    """
    lowest = sorted(values)[: max(3, len(values) * 3 // 100)]
    return sum(lowest) / len(lowest)


def mean(values: Iterable[float]) -> float:
    """The plain mean, 0 for no values."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The names, another one first at each turn, so that nobody always comes after the same neighbour."""
    start = turn % len(names)
    return [*names[start:], *names[:start]]
