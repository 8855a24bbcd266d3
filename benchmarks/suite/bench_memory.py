"""One test that sends very many statements."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from bookshop.workloads import author_by_key
from bookshop.world import World

STATEMENTS = int(os.environ.get("QUERYBUDGET_BENCH_STATEMENTS", "200000"))


def peak_mb() -> float:
    """The most memory that the process has had so far."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def test_many_statements(world: World) -> None:
    """Peak memory before, and CPU time at each tenth: neither may grow with the number."""
    with world.memory.connect() as connection:
        for number in range(1, 101):
            author_by_key(connection, number)
        before, seconds = peak_mb(), [time.process_time()]
        for _ in range(10):
            for number in range(STATEMENTS // 10):
                author_by_key(connection, number % 200 + 1)
            seconds.append(time.process_time())
    facts = {"before": before, "after": peak_mb(), "seconds": seconds}
    Path(os.environ["QUERYBUDGET_BENCH_FACTS"]).write_text(json.dumps(facts), encoding="utf-8")
