"""Peak memory of one test with 200,000 statements, and whether the last statement costs what the first did."""

from __future__ import annotations

import json
from itertools import pairwise

from benchmarks import processes
from benchmarks.plan import Plan
from benchmarks.recorders import EMPTY, NONE, OURS, Recorder
from benchmarks.tables import Goal, Section, Table, signed

STATEMENTS = 200_000
LIMIT_MB = 5.0
# The last tenth may cost a little more than the second, since the machine is not quiet.
GROWTH = 1.25


def run(plan: Plan) -> Section:
    """Memory by `ru_maxrss`, so that nothing but the recorder itself is in the process."""
    statements = max(10_000, round(STATEMENTS * min(1.0, plan.effort)))
    recorders = tuple(recorder for recorder in plan.recorders if recorder is not EMPTY)
    found = {recorder.name: _run(plan, recorder, statements) for recorder in recorders}
    base = found[NONE.name]
    rows = tuple(
        (
            recorder.label,
            f"{found[recorder.name]['peak']:.1f}",
            signed(found[recorder.name]["growth"] - base["growth"]),
            f"{found[recorder.name]['early_us']:.1f}",
            f"{found[recorder.name]['late_us']:.1f}",
        )
        for recorder in recorders
    )
    columns = ("", "peak MB", "MB added by the test", "µs, 2nd tenth", "µs, last tenth")
    table = Table(f"One test of {statements:,} statements", columns, rows)
    return Section("memory", (table,), _goals(found, base), {"statements": statements, "figures": found})


def _goals(found: dict[str, dict[str, float]], base: dict[str, float]) -> tuple[Goal, ...]:
    memory = f"a test of {STATEMENTS:,} statements adds less than {LIMIT_MB:.0f} MB"
    growth = "nothing per statement grows with the number of statements"
    if OURS.name not in found:
        return tuple(Goal(text, None, "querybudget was not measured") for text in (memory, growth))
    ours = found[OURS.name]
    added = ours["growth"] - base["growth"]
    ratio = ours["late_us"] / ours["early_us"] / (base["late_us"] / base["early_us"])
    return (
        Goal(memory, added < LIMIT_MB, f"{added:.1f} MB"),
        Goal(growth, ratio < GROWTH, f"the last tenth costs {ratio:.0%} of the second"),
    )


def _run(plan: Plan, recorder: Recorder, statements: int) -> dict[str, float]:
    path = plan.bench.folder / "facts.json"
    variables = {"QUERYBUDGET_BENCH_STATEMENTS": str(statements), "QUERYBUDGET_BENCH_FACTS": str(path)}
    marks = processes.marks(plan.bench, recorder, "bench_memory.py", **variables)
    facts = json.loads(path.read_text(encoding="utf-8"))
    seconds = facts["seconds"]
    tenth = [(end - start) * 1e6 / (statements / 10) for start, end in pairwise(seconds)]
    return {
        "peak": marks["peak_mb"],
        "recording": facts["end"] - facts["before"],
        # With what the evaluation after the test needs; the end of the session is another section's.
        "growth": facts["evaluated"] - facts["before"],
        "early_us": tenth[1],
        "late_us": tenth[-1],
    }
