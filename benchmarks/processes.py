"""Starting the measured pytest processes, alone or side by side."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks.recorders import Recorder

SUITE = Path(__file__).parent / "suite"
CHANNEL = "QUERYBUDGET_BENCH_CHANNEL"
# Seconds after which a process that says nothing is given up; a block takes less than one.
SILENCE = 120


class BenchmarkError(Exception):
    """A measured process did not do what it was asked; carries the end of its output."""


@dataclass(frozen=True)
class Bench:
    """Where the processes run: the interpreter, and a folder for their output."""

    python: str
    folder: Path

    def environment(self, **extra: str) -> dict[str, str]:
        """No plugin but the chosen one, the same hash seed for all, and our own options out of the way."""
        path = os.pathsep.join(part for part in (str(SUITE), os.environ.get("PYTHONPATH", "")) if part)
        fixed = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": path, "COLUMNS": "100"}
        # On a build server the recorders would also write annotations; that is not what is measured.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PYTEST_", "COV_"))}
        return kept | fixed | extra

    def command(self, recorder: Recorder, target: str, *arguments: str) -> list[str]:
        """The command line of one pytest process over a file of the suite."""
        scratch = ["--basetemp", str(self.folder / f"{recorder.name}-temp")]
        chosen = recorder.pytest_arguments(str(self.folder))
        return [self.python, "-m", "pytest", "-c", "pytest.ini", *scratch, *chosen, *arguments, target]


@dataclass(frozen=True)
class Usage:
    """What one finished process used: CPU and wall seconds, peak memory in MB, and what it printed."""

    cpu: float
    wall: float
    peak_mb: float
    output: str


@dataclass
class Worker:
    """A running pytest process that does one block at each turn."""

    label: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    # Our ends of the two pipes.
    turns: int
    results: int
    # What the process said when it came to its next block; None when it has ended.
    ready: dict[str, Any] | None = None
    received: bytes = b""

    def __enter__(self) -> Worker:  # noqa: PYI034 - Self is of Python 3.11
        self.ready = self._read()
        return self

    def _read(self) -> dict[str, Any] | None:
        """The next line of the process, None when it has ended; a silent process is an error, not a wait for ever."""
        while b"\n" not in self.received:
            if not select.select([self.results], [], [], SILENCE)[0]:
                raise BenchmarkError(f"nothing was heard for {SILENCE} seconds\n{self.tail()}")
            part = os.read(self.results, 65536)
            if not part:
                return None
            self.received += part
        line, _, self.received = self.received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def turn(self) -> dict[str, Any]:
        """Let the process run one block; back when it waits for the next one or has ended.

        Raises:
            BenchmarkError: the process has ended early, the block failed, or nothing is heard of it.
        """
        if self.ready is None:
            raise BenchmarkError(self.tail())
        os.write(self.turns, b"go\n")
        done = self._read()
        if done is None or "laps" not in done:
            what = done.get("failed", done) if done else self.tail()
            raise BenchmarkError(f"{self.label}: {self.ready['ready']} failed: {what}")
        self.ready = self._read()
        after = (self.ready["cpu"] - done["cpu"]) if self.ready else 0.0
        return {"label": done["done"], "laps": done["laps"], "after": after}

    def tail(self) -> str:
        """The end of what the process printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-3000:]

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self.turns, self.results):
            os.close(end)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def start_worker(bench: Bench, recorder: Recorder, target: str, **variables: str) -> Worker:
    """Start a pytest process that is connected to this one by two pipes."""
    turns_out, turns_in = os.pipe()
    results_out, results_in = os.pipe()
    environment = bench.environment(**variables, **{CHANNEL: f"{turns_out},{results_in}"})
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
    process = subprocess.Popen(
        bench.command(recorder, target),
        cwd=SUITE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=(turns_out, results_in),
    )
    os.close(turns_out)
    os.close(results_in)
    return Worker(recorder.label, process, log, turns_in, results_out)


@contextmanager
def workers(
    bench: Bench, recorders: tuple[Recorder, ...], target: str, **variables: str
) -> Iterator[dict[str, Worker]]:
    """All recorders side by side, each waiting for its first turn."""
    with ExitStack() as stack:
        started = {r.name: start_worker(bench, r, target, **variables) for r in recorders}
        yield {name: stack.enter_context(worker) for name, worker in started.items()}


def run(
    command: list[str], environment: dict[str, str], folder: Path = SUITE, *, allowed: tuple[int, ...] = (0,)
) -> Usage:
    """Run one process to its end and say what it used.

    Raises:
        BenchmarkError: it ended with a status that is not in `allowed`.
    """
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read().decode(errors="replace")
    if process.returncode not in allowed:
        raise BenchmarkError(f"{' '.join(command)}\nended with {process.returncode}:\n{output[-3000:]}")
    return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024, output)


@contextmanager
def bench(python: str) -> Iterator[Bench]:
    """A bench with a scratch folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="querybudget-bench-"))
    try:
        yield Bench(python, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def marks(bench: Bench, recorder: Recorder, target: str, *arguments: str, **variables: str) -> dict[str, float]:
    """Run a file of the suite to its end; CPU seconds at each mark of `clockwork`, and the peak in MB."""
    path = bench.folder / "marks.json"
    environment = bench.environment(QUERYBUDGET_BENCH_MARKS=str(path), **variables)
    # 1 is allowed: a recorder may object to the tests, and its objecting is part of what is measured.
    run(bench.command(recorder, target, "-p", "clockwork", *arguments), environment, allowed=(0, 1))
    answer: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return answer
