"""How much longer the suite of the example application takes, by mode."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from benchmarks import processes
from benchmarks.figures import rotated
from benchmarks.plan import Plan
from benchmarks.tables import Goal, Section, Table

ROUNDS = 5
EXAMPLE = Path(__file__).parents[2] / "examples" / "journeys"
# The tests that need nothing of the plugin, so that they also run without it.
TARGET = "tests/test_same_answers.py"
PLUGINS = ("pytest_asyncio.plugin",)
MODES = {
    "report": (),
    "strict": ("--querybudget=strict",),
    "explain": ("--querybudget-explain",),
    "audit": ("--querybudget-audit",),
    "off": ("--querybudget=off",),
}
LIMITS = {"report": 1.03, "explain": 1.5}


def run(plan: Plan) -> Section:
    """CPU time of the whole process for each mode, the lowest of several interleaved runs."""
    example = Path(plan.example) if plan.example else EXAMPLE
    if not plan.has_ours or not example.is_dir():
        reason = "querybudget was not measured" if example.is_dir() else "no example application was found"
        return Section("modes", (), tuple(Goal(_text(mode), None, reason) for mode in LIMITS))
    lowest = _measure(plan, example)
    base = lowest["none"]
    rows = tuple((mode, f"{cpu:.2f}", f"{cpu / base:.2f}") for mode, cpu in lowest.items())
    goals = tuple(
        Goal(_text(mode), lowest[mode] / base <= LIMITS[mode], f"{lowest[mode] / base:.2f}") for mode in LIMITS
    )
    table = Table("The example application's suite", ("", "CPU seconds", "of none"), rows)
    return Section("modes", (table,), goals, {"cpu_seconds": lowest})


def _text(mode: str) -> str:
    return f"{mode}: at most {LIMITS[mode]:.2f} times as long as without the plugin"


def _measure(plan: Plan, example: Path) -> dict[str, float]:
    plugin = ("-p", "pytest_querybudget.plugin")
    cases = {"none": ()} | {mode: (*plugin, *arguments) for mode, arguments in MODES.items()}
    found: dict[str, list[float]] = defaultdict(list)
    for turn in range(plan.times(ROUNDS)):
        for name in rotated(list(cases), turn):
            loaded = [part for module in PLUGINS for part in ("-p", module)]
            command = [plan.bench.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *loaded, *cases[name], TARGET]
            # In strict mode the wasteful version fails: that is what it is there for.
            used = processes.run(command, plan.bench.environment(), example, allowed=(0, 1))
            found[name].append(used.cpu)
    return {name: min(values) for name, values in found.items()}
