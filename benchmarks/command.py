"""Options, the choice of sections, and what is printed and written."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path

from benchmarks import docs, processes, recorders
from benchmarks.plan import Plan
from benchmarks.recorders import NONE, Recorder
from benchmarks.tables import Section

# In the order of the report; a name is also the name of a file in `sections/`.
SECTIONS = ("statements", "tests", "startup", "session_end", "memory", "off", "modes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks", description="Measure what pytest-querybudget costs, next to others.")
    names = [recorder.name for recorder in recorders.ALL]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"which of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--recorders", default=",".join(names), help="names, with commas (default: all installed)")
    parser.add_argument("--workloads", default="", help="parts of names of workloads, with commas (default: all)")
    parser.add_argument("--effort", type=float, default=1.0, help="how often to repeat, 1 for figures to publish")
    parser.add_argument("--quick", action="store_true", help="the same as --effort 0.2")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the measured suites")
    parser.add_argument("--example", default="", help="the folder of the example application (default: found)")
    parser.add_argument("--json", metavar="PATH", help="write all figures to PATH")
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen sections; 0 unless one could not run, or --strict and a goal was missed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"unknown section {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    with processes.bench(options.python) as bench:
        plan = _plan(parser, options, bench)
        print(_heading(plan))
        chosen = options.sections or SECTIONS
        sections = [section for name in chosen if (section := _measured(name, plan)) is not None]
        return _finish(options, plan, sections) or int(len(sections) < len(chosen))


def _plan(parser: argparse.ArgumentParser, options: argparse.Namespace, bench: processes.Bench) -> Plan:
    names = options.recorders.split(",")
    unknown = sorted(set(names) - {recorder.name for recorder in recorders.ALL})
    if unknown:
        parser.error(f"unknown recorder {unknown[0]!r}; there are {', '.join(r.name for r in recorders.ALL)}")
    versions = recorders.versions(options.python, recorders.ALL, bench.environment(), processes.SUITE)
    wanted = [r for r in recorders.ALL if r.name in versions and (r is NONE or r.name in names)]
    installed = tuple(recorder for recorder in wanted if _starts(bench, recorder))
    return Plan(
        bench,
        installed,
        versions,
        effort=0.2 if options.quick else options.effort,
        workloads=tuple(part for part in options.workloads.split(",") if part),
        example=options.example,
    )


def _starts(bench: processes.Bench, recorder: Recorder) -> bool:
    """Whether pytest runs with this recorder; one that does not is told and left out."""
    command = bench.command(recorder, "bench_statements.py", "--collect-only", "-qq")
    try:
        processes.run(command, bench.environment(QUERYBUDGET_BENCH_WORKLOADS="-"), allowed=(0, 5))
    except processes.BenchmarkError as error:
        print(f"{recorder.label} does not start, and is left out: {str(error).strip().splitlines()[-1]}")
        return False
    return True


def _heading(plan: Plan) -> str:
    missing = [r.name for r in recorders.ALL if r.name not in plan.versions]
    measured = ", ".join(f"{r.label} {plan.versions[r.name]}" for r in plan.recorders if r.distribution)
    lines = [f"{_machine(plan)}", f"recorders: {measured or 'none installed'}"]
    if missing:
        lines.append(f"not installed, and so left out: {', '.join(missing)}")
    return "\n".join(lines)


def _machine(plan: Plan) -> str:
    names = "('SQLAlchemy', sqlalchemy.__version__, 'pytest', pytest.__version__, 'SQLite', sqlite3.sqlite_version)"
    code = f"import platform, pytest, sqlalchemy, sqlite3; print('CPython', platform.python_version(), *{names})"
    found = processes.run([plan.bench.python, "-c", code], plan.bench.environment()).output.strip()
    return f"{found} on {platform.system()} {platform.machine()}"


def _measured(name: str, plan: Plan) -> Section | None:
    """Run one section and print it; a section that cannot run is told, and the others still run."""
    module = importlib.import_module(f"benchmarks.sections.{name}")
    print(f"\n== {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
    try:
        section: Section = module.run(plan)
    except processes.BenchmarkError as error:
        print(f"could not be measured: {error}", file=sys.stderr)
        return None
    for table in section.tables:
        print(f"\n{table.text()}")
    for goal in section.goals:
        print(goal)
    sys.stdout.flush()
    return section


def _finish(options: argparse.Namespace, plan: Plan, sections: list[Section]) -> int:
    if options.json:
        Path(options.json).write_text(json.dumps(_document(plan, sections), indent=1) + "\n", encoding="utf-8")
    if options.write_docs:
        docs.write(sections, _heading(plan).replace("\n", "; "))
    missed = [goal for section in sections for goal in section.goals if goal.met is False]
    return 1 if options.strict and missed else 0


def _document(plan: Plan, sections: list[Section]) -> dict[str, object]:
    goals = [{"section": s.name, "goal": g.text, "met": g.met, "note": g.note} for s in sections for g in s.goals]
    figures = {section.name: section.data for section in sections}
    return {"version": 1, "machine": _machine(plan), "recorders": plan.versions, "goals": goals, **figures}
