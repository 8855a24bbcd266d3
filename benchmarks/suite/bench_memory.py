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
FACTS = Path(os.environ.get("QUERYBUDGET_BENCH_FACTS", os.devnull))


def peak_mb() -> float:
    """The most memory that the process has had so far."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def test_a_few_statements(world: World) -> None:
    """What a recorder needs once for the first test that it evaluates is not counted against the next."""
    with world.memory.connect() as connection:
        for number in range(1, 101):
            author_by_key(connection, number)


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
    FACTS.write_text(json.dumps({"before": before, "end": peak_mb(), "seconds": seconds}), encoding="utf-8")


def test_afterwards() -> None:
    """Between the two tests the recorder has evaluated the first, which needs memory too."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    FACTS.write_text(json.dumps(facts | {"evaluated": peak_mb()}), encoding="utf-8")
