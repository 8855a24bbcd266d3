"""What the sections are asked to measure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.processes import Bench
from benchmarks.recorders import OURS, Recorder


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

    def with_recorders(self, recorders: tuple[Recorder, ...], workloads: tuple[str, ...]) -> Plan:
        """The same plan for other recorders and workloads."""
        return replace(self, recorders=recorders, workloads=workloads)
