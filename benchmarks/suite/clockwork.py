"""A plugin that writes down the CPU time of the parts of a session, for sections that measure whole runs."""

from __future__ import annotations

import atexit
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Clockwork:
    """CPU seconds of the process when something began or ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        self.marks[name] = time.process_time()

    def write(self) -> None:
        self.mark("exit")
        # Linux counts in kilobytes, macOS in bytes.
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        self.marks["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        self.path.write_text(json.dumps(self.marks), encoding="utf-8")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Iterator[None]:
        self.mark("configured")
        result = yield
        self.mark("collected")
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        self.mark("first test")
        result = yield
        self.mark("last test")
        return result


def pytest_configure(config: pytest.Config) -> None:
    clockwork = Clockwork(Path(os.environ["QUERYBUDGET_BENCH_MARKS"]))
    config.pluginmanager.register(clockwork)
    # The last thing of the process: what recorders do at exit counts too.
    atexit.register(clockwork.write)
