"""Microseconds of CPU time that each recorder adds to a statement, by kind of work."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from benchmarks import processes
from benchmarks.figures import mean, rotated, undisturbed
from benchmarks.plan import Plan
from benchmarks.recorders import EMPTY, NONE, OURS, Recorder
from benchmarks.tables import Goal, Section, Table, signed

TARGET = "bench_statements.py"
# Several sets of processes, since the layout of a process in memory alone moves a figure by a microsecond.
GENERATIONS = 3
BLOCKS = 12
MEAN_RATIO = 1 / 4
ROW_RATIO = 1 / 2
ABOVE_EMPTY = 3.0


@dataclass(frozen=True)
class Row:
    """One workload: microseconds per statement without a recorder, and added by each one.

    `after` is what a recorder does between two tests, spread over the statements of the test; `spread`
    is half of the distance between the sets of processes that agree least.
    """

    workload: str
    through_session: bool
    alone: float
    added: dict[str, float]
    spread: dict[str, float]
    after: dict[str, float]

    def best(self, recorders: tuple[Recorder, ...]) -> tuple[str, float] | None:
        """The cheapest other recorder that finds call sites for these statements."""
        others = _with_call_sites(recorders, through_session=self.through_session)
        return min(((name, self.added[name]) for name in others), key=itemgetter(1), default=None)

    def ratio(self, recorders: tuple[Recorder, ...]) -> float | None:
        """What this plugin adds over what the best other adds; None where there is nothing to compare."""
        best = self.best(recorders)
        if best is None or OURS.name not in self.added or best[1] <= 0:
            return None
        return self.added[OURS.name] / best[1]


def run(plan: Plan) -> Section:
    """Measure all recorders side by side and judge the goals."""
    rows = measure(plan)
    tables = (_table(rows, plan.recorders), *_summary(rows, plan))
    return Section("statements", tables, _goals(rows, plan.recorders), _data(rows, plan.recorders))


def measure(plan: Plan) -> list[Row]:
    """One row for each workload of the plan."""
    return _rows(plan, *_measure(plan))


# Seconds by workload and recorder: one list for each generation.
Samples = dict[str, dict[str, list[list[float]]]]


def _measure(plan: Plan) -> tuple[Samples, Samples]:
    """Seconds of each lap, and of what follows on a test."""
    laps: Samples = defaultdict(lambda: defaultdict(list))
    after: Samples = defaultdict(lambda: defaultdict(list))
    variables = {
        "QUERYBUDGET_BENCH_BLOCKS": str(plan.times(BLOCKS)),
        "QUERYBUDGET_BENCH_WORKLOADS": "|".join(_chosen(plan)),
    }
    for _ in range(GENERATIONS if plan.effort >= 1 else 1):
        with processes.workers(plan.bench, plan.recorders, TARGET, **variables) as side_by_side:
            results = list(_turns(side_by_side))
        for label, name in {(result["label"], result["recorder"]): None for result in results}:
            own = [result for result in results if (result["label"], result["recorder"]) == (label, name)]
            laps[label][name].append([seconds for result in own for seconds in result["laps"]])
            after[label][name].append([result["after"] for result in own])
    return laps, after


def _turns(side_by_side: dict[str, processes.Worker]) -> Iterator[dict[str, Any]]:
    """One block of each recorder, one after the other, until the suite has ended."""
    first = side_by_side[NONE.name]
    if first.ready is None:
        raise processes.BenchmarkError(first.tail())
    turn = 0
    while first.ready is not None:
        for name in rotated(list(side_by_side), turn):
            yield {"recorder": name, **side_by_side[name].turn()}
        turn += 1


def _workloads(plan: Plan) -> dict[str, tuple[int, int, bool]]:
    """The statements of a lap, the laps and whether a Session executes them, by workload: asked of the suite."""
    facts = "w.name: (w.statements, w.laps, w.through_session)"
    code = f"import json; from bookshop.workloads import WORKLOADS; print(json.dumps({{{facts} for w in WORKLOADS}}))"
    answer = processes.run([plan.bench.python, "-c", code], plan.bench.environment()).output
    return {name: tuple(values) for name, values in json.loads(answer).items()}


def _chosen(plan: Plan) -> list[str]:
    """The full names of the workloads that were asked for."""
    parts = [part.strip().lower() for part in plan.workloads]
    names = list(_workloads(plan))
    found = [name for name in names if not parts or any(part in name.lower() for part in parts)]
    if not found:
        raise processes.BenchmarkError(f"no workload is called {', '.join(plan.workloads)}: {', '.join(names)}")
    return found


def _rows(plan: Plan, laps: Samples, after: Samples) -> list[Row]:
    others = [recorder.name for recorder in plan.recorders if recorder is not NONE]
    rows = []
    for name, (statements, count, through_session) in _workloads(plan).items():
        if name in laps:
            scale, whole_test = 1e6 / statements, 1e6 / statements / (count + 1)
            rows.append(
                Row(
                    name,
                    through_session,
                    alone=_lowest(laps[name][NONE.name]) * scale,
                    added={other: _added(laps[name], other) * scale for other in others},
                    spread={other: _spread(laps[name], other) * scale for other in others},
                    after={other: _added(after[name], other) * whole_test for other in others},
                )
            )
    return rows


def _lowest(generations: list[list[float]]) -> float:
    return undisturbed([seconds for generation in generations for seconds in generation])


def _added(samples: dict[str, list[list[float]]], name: str) -> float:
    return _lowest(samples[name]) - _lowest(samples[NONE.name])


def _spread(samples: dict[str, list[list[float]]], name: str) -> float:
    """Half of the distance between the generations that agree least."""
    pairs = zip(samples[name], samples[NONE.name], strict=True)
    differences = [undisturbed(own) - undisturbed(base) for own, base in pairs]
    return (max(differences) - min(differences)) / 2


def _with_call_sites(recorders: tuple[Recorder, ...], *, through_session: bool) -> list[str]:
    return [r.name for r in recorders if r is not OURS and r.has_call_site(through_session=through_session)]


def _table(rows: list[Row], recorders: tuple[Recorder, ...]) -> Table:
    others = [recorder for recorder in recorders if recorder is not NONE]
    body = [
        (
            row.workload,
            f"{row.alone:.0f}",
            *(signed(row.added[r.name]) for r in others),
            _percent(row.ratio(recorders)),
        )
        for row in rows
    ]
    average = (
        "mean",
        f"{mean(row.alone for row in rows):.0f}",
        *(signed(mean(row.added[r.name] for row in rows)) for r in others),
        _percent(_mean_ratio(rows, recorders)),
    )
    labels = {EMPTY.name: "2 empty"}
    columns = ("added µs per statement", "alone", *(labels.get(r.name, r.label) for r in others), "of best")
    notes = (
        "of best: querybudget against the cheapest other recorder that finds the line of these statements;",
        "queryspy finds it for statements that a Session executes, perf-report for none.",
    )
    return Table("CPU time per statement", columns, (*map(tuple, body), average), notes)


def _summary(rows: list[Row], plan: Plan) -> tuple[Table, ...]:
    """What is left for the end of a test, which the first table does not hold."""
    others = [recorder for recorder in plan.recorders if recorder is not NONE]
    after = tuple(f"{mean(row.after[r.name] for row in rows):.1f}" for r in others)
    spread = tuple(f"{mean(row.spread[r.name] for row in rows):.1f}" for r in others)
    body = (("between two tests (evaluation)", *after), ("spread over the sets of processes, ±", *spread))
    labels = {EMPTY.name: "2 empty"}
    return (Table("Means, µs per statement", ("", *(labels.get(r.name, r.label) for r in others)), body),)


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"


def _mean_best(rows: list[Row], recorders: tuple[Recorder, ...]) -> float | None:
    """The lowest mean of one other recorder that has call sites at all."""
    names = [r.name for r in recorders if r is not OURS and r.call_sites != "none"]
    return min((mean(row.added[name] for row in rows) for name in names), default=None)


def _mean_ratio(rows: list[Row], recorders: tuple[Recorder, ...]) -> float | None:
    best = _mean_best(rows, recorders)
    if best is None or best <= 0 or OURS not in recorders:
        return None
    return mean(row.added[OURS.name] for row in rows) / best


def _goals(rows: list[Row], recorders: tuple[Recorder, ...]) -> tuple[Goal, ...]:
    mean_text = f"the mean of the rows is at most {MEAN_RATIO:.0%} of the best other recorder with call sites"
    row_text = f"no row is above {ROW_RATIO:.0%} of it"
    empty_text = f"no row is above two empty listeners + {ABOVE_EMPTY:.0f} µs"
    if OURS not in recorders:
        return tuple(Goal(text, None, "querybudget was not measured") for text in (mean_text, row_text, empty_text))
    average = _mean_ratio(rows, recorders)
    ratios = {row.workload: row.ratio(recorders) for row in rows}
    high = {name: ratio for name, ratio in ratios.items() if ratio is not None and ratio > ROW_RATIO}
    compared = any(ratio is not None for ratio in ratios.values())
    above = _above_empty(rows) if EMPTY in recorders else {}
    return (
        Goal(mean_text, None if average is None else average <= MEAN_RATIO, _percent(average)),
        Goal(row_text, not high if compared else None, ", ".join(f"{k} {v:.0%}" for k, v in high.items())),
        Goal(
            empty_text,
            not above if EMPTY in recorders else None,
            ", ".join(f"{name} {signed(value)}" for name, value in above.items()),
        ),
    )


def _above_empty(rows: list[Row]) -> dict[str, float]:
    """The rows that cost too much, with µs above the two empty listeners."""
    differences = {row.workload: row.added[OURS.name] - row.added[EMPTY.name] for row in rows}
    return {name: value for name, value in differences.items() if value > ABOVE_EMPTY}


def _data(rows: list[Row], recorders: tuple[Recorder, ...]) -> dict[str, object]:
    listed = [
        {
            "workload": row.workload,
            "alone": row.alone,
            "added": row.added,
            "spread": row.spread,
            "after": row.after,
            "best": row.best(recorders),
            "ratio": row.ratio(recorders),
            # The strict reading: the cheapest of all that have call sites anywhere, on whatever row.
            "ratio_to_any": _ratio_to_any(row, recorders),
        }
        for row in rows
    ]
    return {"unit": "µs of CPU per statement", "rows": listed, "mean_ratio": _mean_ratio(rows, recorders)}


def _ratio_to_any(row: Row, recorders: tuple[Recorder, ...]) -> float | None:
    lowest = min((row.added[r.name] for r in recorders if r is not OURS and r.call_sites != "none"), default=0.0)
    return row.added[OURS.name] / lowest if lowest > 0 and OURS.name in row.added else None
