"""What the installed plugin costs before the first test: imports, and collecting."""

from __future__ import annotations

import re
from collections import defaultdict

from benchmarks import processes
from benchmarks.figures import rotated
from benchmarks.plan import Plan
from benchmarks.recorders import EMPTY, NONE, OURS, Recorder, off
from benchmarks.tables import Goal, Section, Table, signed

ROUNDS = 7
# Modules that a run without a report, a plan or a statement has no use for.
HEAVY = (
    "sqlparse",
    "jinja2",
    "libcst",
    "coverage",
    "sqlalchemy",
    "html",
    "xml.etree",
    "tomllib",
    "asyncio",
    "greenlet",
)
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


def run(plan: Plan) -> Section:
    """CPU time of `pytest --collect-only` over a file without a test, and what the plugin imports."""
    recorders = tuple(r for r in plan.recorders if r is not EMPTY) + ((off(),) if plan.has_ours else ())
    lowest = _collect_only(plan, recorders)
    added = {name: value - lowest[NONE.name] for name, value in lowest.items() if name != NONE.name}
    labels = {recorder.name: recorder.label for recorder in recorders}
    row = ("pytest --collect-only", f"{lowest[NONE.name]:.0f}", *(signed(value) for value in added.values()))
    columns = ("added ms of CPU time", "alone", *(labels[name] for name in added))
    collecting = Table("Start-up", columns, (row,))
    if not plan.has_ours:
        return Section("startup", (collecting,), data={"collect_only_ms": lowest})
    table, goal, imports = _imports(plan)
    return Section("startup", (collecting, table), (goal,), {"collect_only_ms": lowest, "imports": imports})


def _collect_only(plan: Plan, recorders: tuple[Recorder, ...]) -> dict[str, float]:
    """Milliseconds by recorder; the file has no import of its own, so that nobody else pays for SQLAlchemy."""
    empty = plan.bench.folder / "empty"
    empty.mkdir(exist_ok=True)
    (empty / "test_empty.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    (empty / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    found: dict[str, list[float]] = defaultdict(list)
    by_name = {recorder.name: recorder for recorder in recorders}
    for turn in range(plan.times(ROUNDS)):
        for name in rotated(list(by_name), turn):
            command = plan.bench.command(by_name[name], "test_empty.py", "--collect-only", "-q")
            found[name].append(processes.run(command, plan.bench.environment(), empty).cpu * 1000)
    return {name: min(values) for name, values in found.items()}


def _imports(plan: Plan) -> tuple[Table, Goal, dict[str, object]]:
    """What importing the plugin brings in after pytest is there, the dearest modules first."""
    code = f"import pytest, sys; before = set(sys.modules); import {OURS.plugin}; print(*set(sys.modules) - before)"
    used = processes.run([plan.bench.python, "-X", "importtime", "-c", code], plan.bench.environment())
    new = set(used.output.strip().splitlines()[-1].split())
    times = [(int(m[1]), m[4]) for m in IMPORTED.finditer(used.output) if m[4] in new]
    dearest = sorted(times, reverse=True)[:6]
    total = sum(own for own, _ in times) / 1000
    rows = ((f"all {len(times)} modules", f"{total:.1f}"), *((name, f"{own / 1000:.1f}") for own, name in dearest))
    heavy = sorted(name for name in HEAVY if name in new)
    text = "no heavy module is imported at start-up"
    table = Table("Imports of the plugin, after pytest", ("module", "ms of its own"), rows)
    return table, Goal(text, not heavy, ", ".join(heavy)), {"total_ms": total, "modules": len(times), "heavy": heavy}
