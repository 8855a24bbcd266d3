"""The worker's side of the interleaving: wait for a turn, run one block, hand over its CPU time.

Several pytest processes, one for each recorder, stand side by side; only the one that has the turn works.
So all recorders meet the same moment of the machine, and the differences between them are differences of
neighbours in time.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

# Two file descriptors: the one to read turns from and the one to write results to.
CHANNEL = "QUERYBUDGET_BENCH_CHANNEL"


class Conductor:
    """A line of JSON in each direction; without a channel every turn is given at once."""

    def __init__(self, channel: str | None) -> None:
        read, write = (int(part) for part in channel.split(",")) if channel else (None, None)
        self._turns = os.fdopen(read, "r", encoding="utf-8") if read is not None else None
        self._results = os.fdopen(write, "w", encoding="utf-8", buffering=1) if write is not None else None

    def say(self, **facts: Any) -> None:
        """Send `facts` and the CPU seconds that this process has used so far."""
        if self._results is not None:
            self._results.write(json.dumps({**facts, "cpu": time.process_time()}) + "\n")

    def wait(self) -> None:
        """Wait until it is this process's turn; a closed channel ends the process."""
        if self._turns is not None and not self._turns.readline():
            raise SystemExit("the benchmark was stopped")

    def block(self, label: str, work: Callable[[], object], laps: int, *, warm_up: bool) -> None:
        """Run `work` once unmeasured, so that caches of all kinds are warm, and `laps` times measured.

        Short laps, many of them: what disturbs the machine hits some, and the controlling process
        leaves those out.
        """
        self.say(ready=label)
        self.wait()
        try:
            if warm_up:
                work()
            seconds = cpu_seconds(work, laps)
        except BaseException as error:
            self.say(failed=repr(error))
            raise
        self.say(done=label, laps=seconds)


def cpu_seconds(work: Callable[[], object], laps: int) -> list[float]:
    """CPU seconds of all threads for each of `laps` runs of `work`.

    The garbage collector stays on, since its work is part of what a recorder costs, but it starts
    from nothing: what lived before is out of its sight, the same for every recorder.
    """
    gc.collect()
    gc.freeze()
    marks = [time.process_time()]
    for _ in range(laps):
        work()
        marks.append(time.process_time())
    return [end - start for start, end in pairwise(marks)]
