"""What is left to do when the last of 5,000 tests has ended: the summary, the reports."""

from __future__ import annotations

from benchmarks import processes
from benchmarks.plan import Plan
from benchmarks.recorders import NONE, OURS
from benchmarks.tables import Section, Table

TESTS = 5000
FORMATS = ("json", "html", "markdown", "sarif", "gitlab", "coverage")


def run(plan: Plan) -> Section:
    """CPU seconds of the whole run and of its end, without a report, with each and with all of them."""
    cases: dict[str, tuple[str, ...]] = {"querybudget": ()} if plan.has_ours else {}
    if plan.has_ours:
        reports = {name: f"--querybudget-report={name}:{plan.bench.folder}/report.{name}" for name in FORMATS}
        cases |= {f"querybudget, {name}": (option,) for name, option in reports.items()}
    tests = max(100, round(TESTS * min(1.0, plan.effort)))
    figures = {"none": _run(plan, NONE.name, (), tests)}
    figures |= {label: _run(plan, OURS.name, arguments, tests) for label, arguments in cases.items()}
    base = figures["none"]
    rows = tuple(
        (
            label,
            f"{found['tests']:.2f}",
            f"{found['tests'] / base['tests']:.0%}",
            f"{found['end']:.2f}",
            f"{found['peak_mb']:.0f}",
            f"{found['size_kb']:.0f}" if found["size_kb"] else "-",
        )
        for label, found in figures.items()
    )
    columns = ("CPU seconds", "the tests", "of alone", "after the last test", "peak MB", "report kB")
    table = Table(f"A session of {tests} tests with 4 statements each", columns, rows)
    return Section("session_end", (table,), data={"tests": tests, "figures": figures})


def _run(plan: Plan, name: str, arguments: tuple[str, ...], tests: int) -> dict[str, float]:
    recorder = OURS if name == OURS.name else NONE
    variables = {"QUERYBUDGET_BENCH_TESTS": str(tests)}
    marks = processes.marks(plan.bench, recorder, "bench_tests.py", *arguments, **variables)
    written = [path for path in plan.bench.folder.glob("report.*") if path.is_file()]
    size = sum(path.stat().st_size for path in written) / 1024
    for path in written:
        path.unlink()
    return {
        "tests": marks["last test"] - marks["first test"],
        "end": marks["exit"] - marks["last test"],
        "peak_mb": marks["peak_mb"],
        "size_kb": size,
    }
