"""Advice is tried before it is given: the planner is asked again with it; what it does not use is not said.

Often one index is not enough (a join that is turned around filters the other table), so what is bad in the new plan is
advised on as well, and all is tried together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_querybudget.findings.model import Proof
from pytest_querybudget.plans.advice import NO_INDEX, Group, Problem, in_order, problems_of
from pytest_querybudget.plans.joins import COULD_SERVE
from pytest_querybudget.plans.reader import CannotIndex, CannotPlan, Traits
from pytest_querybudget.recording.plans import Advice, Plan

#: Plans the statement as if these indexes existed. Raises `CannotPlan` or any error of the driver.
Replan = Callable[[Sequence[Advice]], Plan]

_ROUNDS = 3
_ATTEMPTS = 6


def prove(plan: Plan, traits: Traits, replan: Replan) -> tuple[Advice, ...]:
    """What mends each bad read and sort of the plan, with its proof. Refuted advice is left out; a note may stay."""
    chosen: list[Advice] = []
    solved: list[Advice] = []
    current = plan
    for problem in problems_of(plan, traits):
        shared = [each for each in chosen if (each.table, each.alias) == (problem.table, problem.alias)]
        if shared and _is_mended(problem, current):
            solved += [_proven(plan, current, replace(each, purpose=problem.purpose)) for each in shared]
            continue
        found, current = _solve(problem, plan, current, chosen, traits, replan)
        solved += found
        chosen += [each for each in found if each.ddl]
    return tuple(dict.fromkeys(solved))


def _solve(
    problem: Problem, plan: Plan, current: Plan, chosen: Sequence[Advice], traits: Traits, replan: Replan
) -> tuple[list[Advice], Plan]:
    refused: list[str] = []
    for group in _candidates(problem):
        if not group[0].ddl:
            return [_said(each, refused) for each in group], current
        try:
            tried, after = _with_followers(problem, group, chosen, traits, replan)
        except CannotIndex:
            continue
        except CannotPlan as reason:
            untried = Proof(verdict="untried", text=f"not tried: {reason}")
            return [replace(each, proof=untried) for each in group], current
        if after is not None:
            tried, after = _with_order(problem, tried, after, chosen, traits, replan)
            return [_proven(plan, after, each) for each in tried], after
        refused.append(", ".join(group[0].columns))
    return [], current


def _said(note: Advice, refused: Sequence[str]) -> Advice:
    """A note that gives a better reason where indexes were tried and the planner had a use for none."""
    if not refused or note.note != NO_INDEX["other"]:
        return note
    return replace(note, note=f"an index on {refused[0]} was tried, and the planner of this database does not use it")


def _candidates(problem: Problem) -> Iterator[Group]:
    indexes = [group for group in problem.groups if group[0].ddl]
    yield from indexes[:_ATTEMPTS]
    yield from (group for group in problem.groups if not group[0].ddl)


def _with_followers(
    problem: Problem, group: Group, chosen: Sequence[Advice], traits: Traits, replan: Replan
) -> tuple[list[Advice], Plan | None]:
    """Try a group, and with it what the plan that it leads to still lacks."""
    tried, mended = list(group), None
    for _ in range(_ROUNDS):
        after = replan([*chosen, *tried])
        if all(each.name in after.indexes_used for each in tried) and _is_mended(problem, after):
            mended = (list(tried), after)
        elif mended is not None:
            break
        further = _followers(after, [*chosen, *tried], traits)
        if not further:
            break
        tried += further
    return mended or (tried, None)


def _with_order(
    problem: Problem, tried: list[Advice], after: Plan, chosen: Sequence[Advice], traits: Traits, replan: Replan
) -> tuple[list[Advice], Plan]:
    """The index that also delivers the order, if there is one and the planner takes it."""
    group = in_order(problem, after, traits)
    if group is None:
        return tried, after
    again = replan([*chosen, *group])
    names = all(each.name in again.indexes_used for each in group)
    return (list(group), again) if names and not again.sorts and _is_mended(problem, again) else (tried, after)


def _followers(plan: Plan, tried: Sequence[Advice], traits: Traits) -> list[Advice]:
    names = {(each.table, each.columns) for each in tried}
    found = []
    for problem in problems_of(plan, traits):
        group = next((each for each in problem.groups if each[0].ddl), ())
        found += [each for each in group if (each.table, each.columns) not in names and problem.purpose == "scan"]
    return found


def _is_mended(problem: Problem, plan: Plan) -> bool:
    if any((sort.table, sort.alias) == (problem.table, problem.alias) for sort in plan.sorts):
        if problem.purpose == "sort":
            return False
    return not any(
        node.reads_everything_in_vain and (node.table, node.alias) == (problem.table, problem.alias)
        for node in plan.root.walk()
    )


def _proven(before: Plan, after: Plan, advice: Advice) -> Advice:
    what = "finds the rows" if advice.purpose == "scan" else "delivers the order"
    used = [node for node in after.root.walk() if advice.name in (node.index or "").split(", ")]
    verdict, text = "proven", f"tried: the planner uses {advice.name}, which {what}"
    if used and all(node.detail == COULD_SERVE for node in used):
        verdict = "untried"
        text = (
            f"not proven: {advice.name} begins with what is searched by, "
            "but on these few rows the planner has no need of it"
        )
    proof = Proof(verdict=verdict, text=text, before=before.text, after=after.text, index=advice.name)
    return replace(advice, proof=proof)
