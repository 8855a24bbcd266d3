"""Tries the loader options that findings suggest: the test is run again with them, and what it sends is counted.

One finding after the other, then all together. A second run is compared with the first one, which is fair only when it
met the same rows: whatever the options have no hand in must be the same, else a run without them decides.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pytest_querybudget.findings.loaders import LoaderCure
from pytest_querybudget.findings.model import Proof
from pytest_querybudget.instruments import Instruments
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.reports.document import ProofEntry, Proven
from pytest_querybudget.rerun import run_again, why_not
from pytest_querybudget.trials import Trial, Trials, untried
from pytest_querybudget.values import dataclass
from pytest_querybudget.verdicts import Verdict
from pytest_querybudget.windows import divide, own_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A test that has ended: what was found, whether it passed by itself, and a directory that was its own."""

    item: Any
    verdicts: Sequence[Verdict]
    recording: Recording
    passed: bool
    directory: Path | None


class Prover:
    """Tries cures, when a test is over and reported.

    `stage` tells the run that a test runs again, and what is to be recorded; `collect` takes proofs; `on_fault` hears
    of an error inside this plugin, after which nothing is tried any more.
    """

    def __init__(
        self,
        instruments: Instruments,
        stage: Callable[[Any, Recording], AbstractContextManager[None]],
        collect: Callable[[Proven], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self.instruments = instruments
        self.stage = stage
        self.collect = collect
        self.on_fault = on_fault
        self.broken = False
        self.finished: list[Finished] = []
        self.scopes: list[str] = []
        self.commits: Any = None

    # Around a test

    def around(self, item: Any, nextitem: Any) -> Generator[None, Any, Any]:
        """Let a test run, and try the cures of what was found in it."""
        self.finished = []
        self._watch()
        result = yield
        finished, self.finished = self.finished, []
        if finished and finished[-1].item is item and not self.broken:
            try:
                self._prove(finished[-1], nextitem, attempts=len(finished))
            except Exception as error:  # noqa: BLE001 - the suite goes on as it would without proofs
                self.broken = True
                self.on_fault(error)
        return result

    def expect(
        self, item: Any, verdicts: Sequence[Verdict], recording: Recording, *, passed: bool, directory: Path | None
    ) -> None:
        """Take over a test that has ended."""
        self.finished.append(
            Finished(item=item, verdicts=verdicts, recording=recording, passed=passed, directory=directory)
        )

    def around_fixture(self, scope: str) -> Generator[None, Any, Any]:
        """Tell what a fixture of wider scope commits from what the test does."""
        if self.commits is None or scope == "function":
            return (yield)
        before, self.commits.ignoring = self.commits.ignoring, True
        try:
            return (yield)
        finally:
            self.commits.ignoring = before

    def close(self) -> None:
        """Stop listening."""
        if self.commits is not None:
            self.commits.remove()

    def _watch(self) -> None:
        if self.instruments.capture is None:
            return
        if self.commits is None:
            from pytest_querybudget.capture.commits import Commits

            self.commits = Commits()
        self.commits.listen()
        self.commits.begin()

    # Trials

    def _prove(self, finished: Finished, nextitem: Any, *, attempts: int) -> None:
        cures: dict[int, LoaderCure] = {}
        for number, verdict in enumerate(finished.verdicts):
            finding = verdict.finding
            if verdict.allowed is not None or verdict.phase != "call":
                continue
            if finding.loaders is not None:
                cures[number] = finding.loaders
            elif finding.no_loaders is not None:
                self._hand_over(finished, number, untried(finding.no_loaders))
        if not cures:
            return
        reason = self._why_not(finished, attempts)
        if reason is not None:
            for number in cures:
                self._hand_over(finished, number, untried(reason))
            return
        trials = Trials(finished.recording, lambda tried: self._try(finished.item, nextitem, tried))
        proofs = trials.prove(list(dict.fromkeys(cures.values())))
        for number, cure in cures.items():
            self._hand_over(finished, number, proofs[cure])

    def _hand_over(self, finished: Finished, number: int, proof: Proof) -> None:
        entry = ProofEntry(verdict=proof.verdict, text=proof.text, before=proof.before, after=proof.after)
        self.collect(Proven(nodeid=finished.recording.nodeid, number=number, proof=entry))

    def _why_not(self, finished: Finished, attempts: int) -> str | None:
        if not finished.passed:
            return "the test does not pass"
        if attempts > 1:
            return "the test does not pass each time"
        if finished.recording.problems:
            return "the test was not recorded as a whole"
        if any((each.label or "").startswith("subtest") for each in finished.recording.windows):
            return "its subtests would be reported twice"
        reason = why_not(finished.item)
        if reason is not None:
            return reason
        if self.commits is None:
            return "SQLAlchemy was imported by the test itself"
        gc.collect()
        left = self.commits.left(finished.directory)
        return f"the test commits to {', '.join(left)}, and a second run would meet what it left" if left else None

    def _try(self, item: Any, nextitem: Any, cures: Sequence[LoaderCure]) -> Trial:
        """Run the test again with the options of some cures; with none, as it is."""
        from pytest_querybudget.capture.options import AddedOptions

        instruments = self.instruments
        recording = Recording(item.nodeid)
        reader = instruments.need_capture().reader
        with self.stage(item, recording), AddedOptions(reader, lambda: instruments.journal, cures) as added:
            instruments.begin(recording, own_code(getattr(item, "obj", None)))
            try:
                failure = run_again(item, nextitem, lambda name: self._phase(item, name))
            finally:
                instruments.end()
        if added.error is not None:
            raise added.error
        return Trial(
            recording=recording,
            failure=failure,
            missed=tuple(each for each, count in added.applied.items() if not count),
            faults=dict(added.faults),
        )

    @contextmanager
    def _phase(self, item: Any, name: str) -> Iterator[None]:
        instruments = self.instruments
        if name == "teardown":
            instruments.begin_teardown()
        if name != "call":
            yield
            return
        instruments.begin_call()
        with ExitStack() as parts:
            for each in divide(item, instruments.open):
                parts.enter_context(each)
            yield
        instruments.end_call()
