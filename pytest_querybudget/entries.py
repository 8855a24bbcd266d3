"""From recordings and verdicts to the entries of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_querybudget.budgets import Budget
from pytest_querybudget.recording.model import Recording, Statement, Window
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.plans import Planned
from pytest_querybudget.reports.document import (
    Allowance,
    BudgetEntry,
    FindingEntry,
    Location,
    PhaseEntry,
    ProofEntry,
    StatementEntry,
    TransactionsEntry,
)
from pytest_querybudget.rules.columns import columns_of
from pytest_querybudget.verdicts import Verdict

PHASES = ("setup", "call", "teardown")


def location(place: Place | None) -> Location | None:
    """Return a place as an entry."""
    return None if place is None else Location(path=place.path, line=place.line, function=place.function)


def statement_entry(statement: Statement, window: Window, started: float) -> StatementEntry:
    """Return a statement as an entry."""
    shape = statement.shape
    facts = shape.facts
    meaning = statement.meaning
    return StatementEntry(
        sql=facts.sql,
        kind=shape.kind,
        tables=shape.tables,
        columns=columns_of(statement) if shape.kind == "select" else (),
        count=statement.count,
        rows=statement.rows,
        time=statement.time,
        location=location(statement.location),
        phase=window.phase,
        reads=facts.reads,
        writes=facts.writes,
        max_rows=statement.max_rows,
        max_time=statement.max_time,
        first=statement.first - started,
        last=statement.last - started,
        chain=tuple(filter(None, map(location, statement.stack.places))),
        relationship=meaning.relationship if meaning else None,
        load=meaning.load if meaning else None,
        window=window.label,
        plan=statement.plan.plan.text if isinstance(statement.plan, Planned) else None,
    )


def finding_entry(verdict: Verdict) -> FindingEntry:
    """Return a finding as an entry, in words."""
    finding, allowed = verdict.finding, verdict.allowed
    proof = finding.proof
    return FindingEntry(
        rule=finding.rule,
        identity=finding.identity,
        failed=verdict.failed,
        allowed=None
        if allowed is None
        else Allowance(
            reason=allowed.reason, source=allowed.source, until=allowed.until.isoformat() if allowed.until else None
        ),
        count=finding.count,
        message=finding.message,
        sql=finding.sql,
        tables=finding.tables,
        relationship=finding.relationship,
        location=location(finding.location),
        origin=location(finding.origin),
        chain=tuple(filter(None, map(location, finding.chain))),
        fix=finding.fix,
        proof=None
        if proof is None
        else ProofEntry(
            verdict=proof.verdict, text=proof.text, before=proof.before, after=proof.after, index=proof.index
        ),
        phase=verdict.phase if verdict.phase in PHASES else "call",
        declared_only=finding.declared_only,
        evidence=finding.evidence,
    )


def phase_entries(recording: Recording) -> dict[str, PhaseEntry]:
    """Add up each phase."""
    return {phase: _phase(recording, phase) for phase in PHASES}


def _phase(recording: Recording, phase: str) -> PhaseEntry:
    by_kind: dict[str, int] = {}
    queries = rows = 0
    time = 0.0
    for each in recording.statements(phase):
        kind = each.shape.kind
        by_kind[kind] = by_kind.get(kind, 0) + each.count
        time += each.time
        rows += each.rows
        if kind != "transaction":
            queries += each.count
    return PhaseEntry(
        queries=queries,
        by_kind=by_kind,
        db_time=time,
        rows=rows,
        checkouts=recording.checkouts.get(phase, 0),
        connects=recording.connects.get(phase, 0),
    )


def transactions_entry(recording: Recording) -> TransactionsEntry | None:
    """Return what was measured of transactions, if it was."""
    found = recording.transactions
    if not found.watched:
        return None
    most, longest = found.most, found.longest
    return TransactionsEntry(
        count=found.count,
        queries=most.queries if most else 0,
        seconds=longest.seconds if longest else 0.0,
        silent=longest.silent if longest else 0.0,
        silence=longest.silence if longest else 0.0,
    )


def budget_entries(recording: Recording, budget: Budget) -> dict[str, BudgetEntry]:
    """Return each declared ceiling with what was measured."""
    entries = {}
    for declaration in budget.declarations.values():
        figures: Mapping[str, tuple[float, float]] = declaration.rule.measure(recording, declaration.options)
        for name, (limit, actual) in figures.items():
            entries[name] = BudgetEntry(limit=limit, actual=actual, declared=declaration.source)
    return entries


def statement_entries(recording: Recording) -> tuple[StatementEntry, ...]:
    """Return all statements of a recording, in the order of their first send."""
    entries: Iterable[StatementEntry] = (
        statement_entry(each, window, recording.started) for window in recording.windows for each in window
    )
    return tuple(sorted(entries, key=lambda each: each.first))


def route_entries(recording: Recording) -> dict[str, int]:
    """Return how many queries the requests of the call sent, by method and route."""
    routes: dict[str, int] = {}
    for each in recording.select("call"):
        if each.outer is not None and each.label is not None:
            routes[each.label] = routes.get(each.label, 0) + each.queries
    return routes
