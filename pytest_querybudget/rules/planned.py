"""What the rules about plans share: the plan of each statement, what cannot be judged, and advice in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pytest_querybudget.findings.model import Finding, Proof
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.plans import Advice, NotPlanned, Plan, Planned, PlannedStatement, TableInfo
from pytest_querybudget.rules.base import OptionError, Options, Rule, name_options, unknown_keywords
from pytest_querybudget.rules.loops import is_own
from pytest_querybudget.values import dataclass

_READS = ("select", "insert", "update", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFinding(Finding):
    """Something bad in a plan. `plan` is the plan as text, `advice` what would mend it."""

    plan: str | None = None
    advice: tuple[Advice, ...] = ()

    @property
    def fix(self) -> str | None:
        """The index to create, as SQL, as a line of the model and as a migration; or why there is none."""
        return "\n".join(line for each in self.advice for line in words_of(each)) or None


def words_of(advice: Advice) -> Iterator[str]:
    """Say one piece of advice in lines."""
    if advice.ddl is None:
        yield advice.note or ""
        return
    yield f"{advice.ddl};"
    yield f"  model: {advice.sqlalchemy}"
    yield f"  migration: {advice.alembic}"
    if advice.note:
        yield f"  ({advice.note})"


class PlanRule(Rule):
    """A rule that judges plans."""

    needs_statements: ClassVar[bool] = True
    needs_plans: ClassVar[bool] = True
    #: Whether every statement is judged, so that one that could not be planned is a fault.
    takes_tables: ClassVar[str | None] = "ignore"

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take the tables to leave out."""
        unknown_keywords(self, keywords, ("ignore",))
        if arguments:
            raise OptionError(f"{self.name} got {arguments[0]!r}, but takes {self.takes}")
        ignored = keywords.get("ignore", ())
        if not isinstance(ignored, (str, tuple, list, set, frozenset)):
            raise OptionError(f"{self.name} got ignore={ignored!r}, but ignore takes names of tables")
        ignored = (ignored,) if isinstance(ignored, str) else tuple(ignored)
        return Options(patterns=name_options(self, "names of tables", ignored))

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield what is bad in the plans of the call phase."""
        return self.judge(planned_statements(recording, options.phase), options)

    def judge(self, statements: Iterable[PlannedStatement], options: Options) -> Iterator[Finding]:
        """Yield what is bad in these plans; a pure function of them."""
        raise NotImplementedError

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """Yield why the rule could not be judged where it was declared: then it must fail instead of passing."""
        statements = planned_statements(recording, options.phase)
        yield from unplanned_faults(self.name, statements)
        yield from unknown_table_faults(self.name, options.patterns, statements)


def planned_statements(recording: Recording, phase: str) -> list[PlannedStatement]:
    """The statements of a phase that read tables, with their plans or the reason why there is none."""
    found = []
    for each in recording.statements(*(() if phase == "all" else (phase,))):
        if each.shape.kind not in _READS:
            continue
        answer = each.plan
        facts = each.shape.facts
        found.append(
            PlannedStatement(
                sql=facts.sql,
                kind=each.shape.kind,
                tables=tuple(dict.fromkeys((*facts.reads, *facts.writes))),
                count=each.count,
                dialect=each.dialect,
                location=each.location,
                chain=each.stack.places,
                plan=answer.plan if isinstance(answer, Planned) else None,
                not_planned=answer if isinstance(answer, NotPlanned) else None,
                declared_only=is_own(each),
            )
        )
    return found


def unplanned_faults(rule: str, statements: Sequence[PlannedStatement]) -> Iterator[str]:
    """Why nothing could be judged: no reader for a dialect, or no plan at all."""
    missing = sorted({each.dialect for each in statements if each.not_planned and each.not_planned.slug == "reader"})
    for dialect in missing:
        yield (
            f"{rule} cannot be judged on {dialect}: there is no plan reader for it. "
            "The hook pytest_querybudget_plan_readers adds one."
        )
    if not missing and not any(each.plan for each in statements):
        reasons = sorted({each.not_planned.reason for each in statements if each.not_planned})
        why = f" ({'; '.join(reasons)})" if reasons else ""
        yield f"{rule} is declared, but no statement of the test could be planned{why}"


def unknown_table_faults(rule: str, names: Sequence[str], statements: Sequence[PlannedStatement]) -> Iterator[str]:
    """Names of tables that the database does not have."""
    known = {name for each in statements if each.plan for name in each.plan.known_tables}
    known |= {qualified(table) for each in statements if each.plan for table in each.plan.tables}
    lower = {name.lower() for name in known} | {name.lower().rpartition(".")[2] for name in known}
    for name in names:
        if known and name.lower() not in lower:
            listed = ", ".join(sorted(known)[:20])
            yield f"{rule} got the table {name!r}, which does not exist; there are: {listed}"


def qualified(table: TableInfo) -> str:
    """The name of a table as plans have it."""
    return f"{table.schema}.{table.name}" if table.schema else table.name


def is_ignored(table: str, names: Sequence[str]) -> bool:
    """Whether a table is left out; a name without a schema covers it in any."""
    return any(name.lower() in (table.lower(), table.lower().rpartition(".")[2]) for name in names)


def advice_for(plan: Plan, table: str, alias: str | None, purpose: str) -> tuple[Advice, ...]:
    """What would mend one read or sort of a plan."""
    return tuple(
        each for each in plan.advice if each.table == table and each.purpose == purpose and each.alias in (alias, None)
    )


def proof_of(advice: Sequence[Advice]) -> Proof | None:
    """The proof of the first piece of advice that has one."""
    return next((each.proof for each in advice if each.proof), None)
