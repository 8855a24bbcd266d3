"""What came of trying cures: a second run compared with the first, and the proof that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.findings.loaders import LoaderCure
from pytest_querybudget.findings.model import Proof
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass

# More cures than this in one test are tried together only.
MOST_ALONE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A second run: what it sent, how it failed (None where it passed), and the cures that could not be applied.

    `missed` are those whose query was not sent again, `faults` says why an option could not be made.
    """

    recording: Recording
    failure: str | None = None
    missed: Collection[LoaderCure] = ()
    faults: Mapping[LoaderCure, str] = ()  # type: ignore[assignment] # an empty mapping cannot be a default

    @property
    def queries(self) -> int:
        """What the call sent."""
        return self.recording.queries("call")


def untried(reason: str) -> Proof:
    """Return the proof that is none, with its reason."""
    return Proof(verdict="untried", text=f"not tried: {reason}")


class Trials:
    """The trials of one test. `run` runs it with the options of some cures; without any it is asked once at most."""

    def __init__(self, first: Recording, run: Callable[[Sequence[LoaderCure]], Trial]) -> None:
        self.first = first
        self.before = first.queries("call")
        self.run = run
        self._plain: Trial | None = None

    def prove(self, cures: Sequence[LoaderCure]) -> dict[LoaderCure, Proof]:
        """Return the proof of each cure: by itself, and with the others that may be one."""
        alone = {each: self._alone(each) for each in cures[:MOST_ALONE]}
        promising = [each for each in cures if each not in alone or alone[each].verdict == "proven"]
        proofs = {each: alone.get(each) or self._untried_alone() for each in cures}
        if len(promising) > 1:
            said = self._together(promising)
            for each in promising:
                proofs[each] = replace(proofs[each], text=f"{proofs[each].text}; {said}")
        return proofs

    def _untried_alone(self) -> Proof:
        return untried(f"only the first {MOST_ALONE} findings of a test are tried by themselves")

    def _alone(self, cure: LoaderCure) -> Proof:
        trial = self.run((cure,))
        reason = self._why_unfair(trial, (cure,))
        if reason is not None:
            return untried(reason)
        if trial.failure is not None:
            return self._proof("refuted", f"the test fails with {cure}, and passes without: {trial.failure}")
        verdict = "proven" if trial.queries < self.before else "refuted"
        return self._proof(verdict, f"{self._counts(trial)} with {cure}", trial.queries)

    def _together(self, cures: Sequence[LoaderCure]) -> str:
        """Say what the cures of a test do together."""
        trial = self.run(cures)
        if trial.failure is not None:
            return f"with the {len(cures)} cures of this test together it fails: {trial.failure}"
        if self._why_unfair(trial, cures) is not None:
            return f"the {len(cures)} cures of this test could not be tried together"
        return f"{trial.queries:,} with the {len(cures)} cures of this test together"

    def _why_unfair(self, trial: Trial, cures: Sequence[LoaderCure]) -> str | None:
        """Say why a trial says nothing about its cures, if so."""
        places = {each.place for each in cures}
        if trial.failure is not None or difference(self.first, trial.recording, places) is not None:
            if self._plain is None:
                self._plain = self.run(())
            if self._plain.failure is not None:
                return f"the test does not pass a second time: {self._plain.failure}"
            changed = difference(self.first, self._plain.recording, places)
            if changed is not None:
                return f"a second run is another one: {changed}"
        for each in cures:
            if each in trial.missed:
                fault = dict(trial.faults).get(each)
                return fault or f"a second run did not send the query at {each.place.path}:{each.place.line} again"
        return None

    def _proof(self, verdict: str, text: str, after: int | None = None) -> Proof:
        return Proof(verdict=verdict, text=text, before=str(self.before), after=None if after is None else str(after))

    def _counts(self, trial: Trial) -> str:
        return f"{self.before:,} quer{'y' if self.before == 1 else 'ies'} -> {trial.queries:,}"


def difference(first: Recording, second: Recording, cured: Collection[Place]) -> str | None:
    """Say in what the calls of two recordings differ, but for loads of the ORM, on which options have an effect.

    At the places that are `cured` it counts that as many queries brought in as many rows.
    """
    one, other = dict(_sent(first, cured)), dict(_sent(second, cured))
    for key in (*one, *other):
        before, after = one.get(key, (0, 0)), other.get(key, (0, 0))
        if before != after:
            return _words(key, before, after)
    return None


Key = tuple[str, Any, str]


def _sent(recording: Recording, cured: Collection[Place]) -> Iterator[tuple[Key, tuple[int, int]]]:
    """Yield how many statements, and rows where a query is cured, there are of each kind."""
    totals: dict[Key, tuple[int, int]] = {}
    for each in recording.statements("call"):
        kind = each.shape.kind
        if kind == "transaction" or each.meaning is not None:
            continue
        is_cured = kind == "select" and each.location in cured
        key = ("query", each.location, "") if is_cured else (kind, each.location, each.name)
        count, rows = totals.get(key, (0, 0))
        totals[key] = (count + each.count, rows + (each.rows if is_cured else 0))
    yield from totals.items()


def _words(key: Key, before: tuple[int, int], after: tuple[int, int]) -> str:
    kind, place, _ = key
    where = f" at {place.path}:{place.line}" if place else ""
    if before[0] == after[0]:
        return f"{after[1]:,} rows instead of {before[1]:,}{where}"
    return f"{after[0]:,} {kind} statements instead of {before[0]:,}{where}".replace("query statements", "queries")
