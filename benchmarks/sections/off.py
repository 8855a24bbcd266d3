"""What `--querybudget=off` leaves behind: nothing."""

from __future__ import annotations

from benchmarks.figures import mean
from benchmarks.plan import Plan
from benchmarks.recorders import NONE, OURS, off
from benchmarks.sections import statements
from benchmarks.tables import Goal, Section, Table, signed

WORKLOADS = ("Core select by primary key", "a connection for each statement", "session.get", "lazy collections")
# Measured between two runs without any plugin, so that noise is not taken for cost.
LIMIT = 1.0
TEXT = "--querybudget=off adds nothing to a statement"


def run(plan: Plan) -> Section:
    """The same turns as in the first section, for no plugin and for the plugin that is switched off."""
    if not plan.has_ours:
        return Section("off", (), (Goal(TEXT, None, "querybudget was not measured"),))
    recorder = off()
    chosen = statements.measure(plan.with_recorders((NONE, recorder), WORKLOADS))
    added = {row.workload: row.added[recorder.name] for row in chosen}
    rows = tuple((row.workload, f"{row.alone:.0f}", signed(row.added[recorder.name])) for row in chosen)
    table = Table("Switched off", ("added µs per statement", "alone", OURS.name + " off"), rows)
    average = mean(added.values())
    return Section("off", (table,), (Goal(TEXT, average < LIMIT, f"{signed(average)} µs"),), {"added": added})
