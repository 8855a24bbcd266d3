"""One file for each thing that is measured; each has `run(plan) -> Section`."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.processes import Bench
from benchmarks.recorders import NONE, OURS, Recorder


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long to take.

    `recorders` are those that are installed, `versions` by their names. `effort` is 1 for figures to publish, less
    for a look. `workloads` are names out of the statements section, none for all.
    """

    bench: Bench
    recorders: tuple[Recorder, ...]
    versions: dict[str, str]
    effort: float = 1.0
    workloads: tuple[str, ...] = ()
    example: str = ""

    def times(self, count: int) -> int:
        """How often to repeat something that is repeated `count` times in a full run."""
        return max(1, round(count * self.effort))

    @property
    def has_ours(self) -> bool:
        """Whether the plugin of this project is installed and chosen."""
        return OURS in self.recorders

    def only(self, *extra: Recorder) -> tuple[Recorder, ...]:
        """No plugin, this project's plugin if it is there, and `extra`."""
        return (NONE, *((OURS, *extra) if self.has_ours else ()))
