"""From a recording and a budget to verdicts: what was found, and whether it fails the test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from pytest_querybudget.budgets import Budget, Declaration, Permission
from pytest_querybudget.findings.allowances import Allowed, SourceComments, matches
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import Options, Rule
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A finding, whether it fails, and what allows it."""

    finding: Finding
    failed: bool
    allowed: Allowed | None = None
    phase: str = "call"


@dataclass(slots=True)
class Judge:
    """Applies rules to recordings. `strict` fails what the plugin looks for by itself."""

    rules: Sequence[Rule]
    strict: bool
    comments: SourceComments
    today: dt.date
    # Whether every statement is planned, so that plans are judged without being declared.
    plans: bool = False
    # The command-line options that some rules need, as far as they are given.
    switched: frozenset[str] = frozenset()
    found: Mapping[str, Options] = field(init=False)
    # What applies to a test that declares nothing, as most do.
    _unasked: Sequence[tuple[Rule, Options, None]] = field(init=False)
    _unasked_phases: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the rules that apply without being declared."""
        applied = [
            each
            for each in self.rules
            if each.default or (self.plans and each.explained) or each.needs in self.switched
        ]
        self.found = {each.name: each.unasked() for each in applied}
        self._unasked = [(each, self.found[each.name], None) for each in applied]
        self._unasked_phases = frozenset([each.phase for each in self.found.values()])

    def judge(
        self, recording: Recording, budget: Budget, phases: Collection[str] | None = None
    ) -> tuple[list[Verdict], set[Permission]]:
        """Return the verdicts of a recording, and the markers that silenced something.

        Where there are `phases`, only what is declared for one of them is judged.
        """
        verdicts: list[Verdict] = []
        used: set[Permission] = set()
        is_silent = not recording.sent
        for rule, options, declaration in self._applicable(budget):
            if (phases is not None and options.phase not in phases) or (is_silent and rule.needs_statements):
                continue
            found = list(rule.check(recording, options))
            for finding in merged(found) if len(found) > 1 else found:
                allowed = self._allowed(finding, budget.permissions, used)
                fails = allowed is None and self._fails(finding, declaration)
                verdicts.append(Verdict(finding=finding, failed=fails, allowed=allowed, phase=options.phase))
        return verdicts, used

    def phases(self, budget: Budget) -> frozenset[str]:
        """Return the phases of a test that are judged."""
        if self._is_undeclared(budget):
            return self._unasked_phases
        return frozenset([options.phase for _, options, _ in self._applicable(budget)])

    def verdicts_of(
        self, findings: Sequence[Finding], permissions: tuple[Permission, ...]
    ) -> tuple[list[Verdict], set[Permission]]:
        """Return verdicts of findings that the test itself has asked for: each fails unless something allows it."""
        used: set[Permission] = set()
        allowed = [self._allowed(each, permissions, used) for each in findings]
        return [
            Verdict(finding=each, failed=silenced is None, allowed=silenced)
            for each, silenced in zip(findings, allowed, strict=True)
        ], used

    def _allowed(self, finding: Finding, permissions: tuple[Permission, ...], used: set[Permission]) -> Allowed | None:
        """Return what allows a finding, a marker before a comment, and note the marker."""
        permission = self._permission(permissions, finding)
        allowed = self.comments.find(finding)
        if permission is not None:
            used.add(permission)
            return Allowed(reason=permission.reason, source="marker", until=permission.until)
        return allowed

    def _applicable(self, budget: Budget) -> Iterable[tuple[Rule, Options, Declaration | None]]:
        return self._unasked if self._is_undeclared(budget) else self._asked(budget)

    def _is_undeclared(self, budget: Budget) -> bool:
        return not (budget.declarations or budget.off)

    def _asked(self, budget: Budget) -> Iterator[tuple[Rule, Options, Declaration | None]]:
        for rule in self.rules:
            declaration = budget.declarations.get(rule.name)
            if declaration is not None:
                yield rule, declaration.options, declaration
                yield from ((rule, each.options, each) for each in budget.more if each.rule is rule)
            elif rule.name in self.found and rule.name not in budget.off:
                yield rule, self.found[rule.name], None

    def _fails(self, finding: Finding, declaration: Declaration | None) -> bool:
        if declaration is None:
            return self.strict and not finding.declared_only
        return declaration.on_test or not finding.declared_only

    def _permission(self, permissions: Iterable[Permission], finding: Finding) -> Permission | None:
        for each in permissions:
            named = finding.rule in each.rules or "*" in each.rules
            if named and (each.until is None or each.until >= self.today) and matches(finding, each.match):
                return each
        return None


def rule_faults(recording: Recording, budget: Budget) -> list[str]:
    """Return why rules that the test declares cannot be judged."""
    declared = [each for each in (*budget.declarations.values(), *budget.more) if each.on_test]
    return [fault for each in declared for fault in each.rule.faults(recording, each.options)]


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return each finding once: what every example of a property test does again is one finding, the largest."""
    known: dict[Any, Finding] = {}
    for each in findings:
        key: Any = (each.identity, each.chain, each.origin, each.declared_only, each.fix)
        if hasattr(each, "limit"):
            key = id(each)
        if key not in known or each.count > known[key].count:
            known[key] = each
    return list(known.values())
