"""The arithmetic of repeated measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def undisturbed(values: Sequence[float]) -> float:
    """The mean of the lowest quarter.

    Whatever else happens on the machine only ever adds; the median of many laps still moves with it, the
    single lowest is chance.
    """
    lowest = sorted(values)[: max(1, len(values) // 4)]
    return sum(lowest) / len(lowest)


def mean(values: Iterable[float]) -> float:
    """The plain mean, 0 for no values."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The names, another one first at each turn, so that nobody always comes after the same neighbour."""
    start = turn % len(names)
    return [*names[start:], *names[:start]]
