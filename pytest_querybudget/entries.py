"""From recordings and verdicts to the entries of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pytest_querybudget.budgets import Budget
from pytest_querybudget.recording.model import Recording, Statement, Window
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.plans import NotPlanned, Planned
from pytest_querybudget.reports.document import (
    Allowance,
    BudgetEntry,
    FindingEntry,
    Location,
    PhaseEntry,
    ProofEntry,
    RequestsEntry,
    StatementEntry,
    TransactionsEntry,
)
from pytest_querybudget.rules.columns import columns_of
from pytest_querybudget.statements.verbs import verb_of
from pytest_querybudget.verdicts import Verdict

PHASES = ("setup", "call", "teardown")
_QUIET = PhaseEntry()


def location(place: Place | None) -> Location | None:
    """Return a place as an entry."""
    return None if place is None else Location(path=place.path, line=place.line, function=place.function)


def statement_entry(
    statement: Statement, window: Window, started: float, chains: dict[int, tuple[Location, ...]]
) -> StatementEntry:
    """Return a statement as an entry; `chains` has those of the stacks that came before, which statements share."""
    stack = statement.stack
    chain = chains.get(id(stack))
    if chain is None:
        chain = chains[id(stack)] = tuple(filter(None, map(location, stack.places)))
    shape = statement.shape
    facts = shape.facts
    meaning = statement.meaning
    return StatementEntry(
        sql=statement.sql,
        kind=shape.kind,
        tables=statement.tables,
        columns=columns_of(statement) if shape.kind == "select" else (),
        count=statement.count,
        rows=statement.rows,
        time=_seconds(statement.time),
        location=location(statement.location),
        phase=window.phase,
        reads=() if statement.is_mixed else facts.reads,
        writes=() if statement.is_mixed else facts.writes,
        max_rows=statement.max_rows,
        max_time=_seconds(statement.max_time),
        first=_seconds(statement.first - started),
        last=_seconds(statement.last - started),
        # As in what is folded below: the schema of each test would fill the report.
        chain=() if statement.is_mixed else chain,
        relationship=meaning.relationship if meaning else None,
        load=meaning.load if meaning else None,
        window=window.label,
        plan=statement.plan.plan.text if isinstance(statement.plan, Planned) else None,
        not_planned=_why_not(statement.plan),
    )


def _why_not(plan: object) -> str | None:
    """Why a statement that reads rows has no plan."""
    return plan.reason if isinstance(plan, NotPlanned) and plan.slug != "kind" else None


def _seconds(time: float) -> float:
    # What a clock says beyond a tenth of a microsecond only fills reports.
    return round(time, 7)


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
    if not (recording.sent or recording.checkouts or recording.connects):
        return dict.fromkeys(PHASES, _QUIET)
    return {phase: _phase(recording, phase) for phase in PHASES}


def _phase(recording: Recording, phase: str) -> PhaseEntry:
    if not (phase in recording.checkouts or phase in recording.connects or any(recording.statements(phase))):
        # Of most tests that is the setup and the teardown.
        return _QUIET
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
        db_time=_seconds(time),
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
    for declaration in (*budget.declarations.values(), *budget.more):
        figures: Mapping[str, tuple[float, float]] = declaration.rule.measure(recording, declaration.options)
        for figure, (limit, actual) in figures.items():
            name = f"{figure}[{declaration.options.phase}]" if declaration in budget.more else figure
            entries[name] = BudgetEntry(limit=limit, actual=actual, declared=declaration.source)
    return entries


def statement_entries(recording: Recording, *, planned: bool = False) -> tuple[StatementEntry, ...]:
    """Return all statements of a recording, in the order of their first send, those that build a schema folded.

    `planned` leaves out those that nobody has asked a plan for.
    """
    if not recording.sent:
        return ()
    chains: dict[int, tuple[Location, ...]] = {}
    entries = (
        statement_entry(each, window, recording.started, chains)
        for window in recording.windows
        for each in window
        if not planned or each.plan is not None
    )
    return tuple(sorted(_folded(entries), key=lambda each: each.first))


def _folded(entries: Iterable[StatementEntry]) -> list[StatementEntry]:
    """Make one entry of all DDL of one verb from one function: `create_all` says nothing more table by table.

    A suite that builds its schema for each test would otherwise fill its report with it. So it is with what neither
    reads nor writes rows, such as the PRAGMA for each table.
    """
    groups: dict[object, list[StatementEntry]] = {}
    for each in entries:
        groups.setdefault(_fold(each), []).append(each)
    return [_joined(each) if len(each) > 1 else each[0] for each in groups.values()]


def _fold(entry: StatementEntry) -> object:
    verb = verb_of(entry.kind, entry.sql)
    if not verb or entry.plan is not None:
        return id(entry)
    place = entry.location and (entry.location.path, entry.location.function)
    return entry.kind, verb, place, entry.phase, entry.window


def _joined(entries: list[StatementEntry]) -> StatementEntry:
    first = entries[0]
    are_same = len({each.sql for each in entries}) == 1
    return replace(
        first,
        sql=first.sql if are_same else f"{verb_of(first.kind, first.sql)} …",
        tables=_all(each.tables for each in entries),
        columns=_all(each.columns for each in entries),
        # As many statements as there are tables are no statements for each table.
        reads=(),
        writes=(),
        count=sum(each.count for each in entries),
        rows=sum(each.rows for each in entries),
        time=sum(each.time for each in entries),
        max_rows=max(each.max_rows for each in entries),
        max_time=max(each.max_time for each in entries),
        first=min(each.first for each in entries),
        last=max(each.last for each in entries),
        chain=(),
    )


def _all(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in names for name in each}))


def request_entries(recording: Recording) -> dict[str, RequestsEntry]:
    """Return what the requests of the call sent, by method and route."""
    sent: dict[str, list[int]] = {}
    for each in recording.select("call"):
        if each.outer is not None and each.label is not None:
            sent.setdefault(each.label, []).append(each.queries)
    return {
        label: RequestsEntry(count=len(queries), queries=sum(queries), most=max(queries))
        for label, queries in sent.items()
    }
