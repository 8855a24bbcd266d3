"""One test for each block, so that each recorder opens, fills and closes a recording as in a real suite."""

from __future__ import annotations

import os
from itertools import count

import pytest
from bookshop.workloads import LAPS, WORKLOADS, Workload
from bookshop.world import World
from conductor import Conductor

BLOCKS = int(os.environ.get("QUERYBUDGET_BENCH_BLOCKS", "1"))
CHOSEN = os.environ.get("QUERYBUDGET_BENCH_WORKLOADS", "").split("|")


def _cases() -> list[tuple[Workload, int]]:
    """Round by round through the workloads; those with many laps in every third round only."""
    chosen = [workload for workload in WORKLOADS if CHOSEN == [""] or workload.name in CHOSEN]
    return [(w, number) for number in range(BLOCKS) for w in chosen if w.laps <= LAPS or number % 3 == 0]


@pytest.mark.parametrize(("workload", "number"), _cases(), ids=lambda value: str(getattr(value, "name", value)))
def test_block(workload: Workload, number: int, world: World, conductor: Conductor) -> None:
    """Each lap gets a number of its own: what is new in one was in none before."""
    numbers = count(number * 1000)
    warm_up = workload.laps <= LAPS
    conductor.block(workload.name, lambda: workload.run(world, next(numbers)), workload.laps, warm_up=warm_up)
