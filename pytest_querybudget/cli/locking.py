"""`querybudget lock check | update | prune | debts | resolve`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pytest_querybudget.cli.console import Console, load_all
from pytest_querybudget.lock import store, text
from pytest_querybudget.lock.check import check
from pytest_querybudget.lock.measure import MEASURED
from pytest_querybudget.lock.model import Lock, expired
from pytest_querybudget.lock.update import LockUpdate, stale, update
from pytest_querybudget.merge import merge
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.text import one_line, plural

DEFAULT = Path("querybudget.lock")


def add(commands: Any) -> None:
    """Describe the subcommands."""
    parser = commands.add_parser(
        "lock",
        help="check, update, prune or resolve the lock file; show its debts",
        description="Keep the lock file: what each test is known to send.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, about in (
        ("check", run_check, "hold reports to the lock; without one, read the file and name overdue debts"),
        ("update", run_update, "write what reports measured"),
        ("prune", run_prune, "drop the tests that the reports of a full run do not have"),
        ("debts", run_debts, "show the known findings, the oldest first"),
        ("resolve", run_resolve, "mend a merge conflict: the higher figure of each line"),
    ):
        action = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        action.add_argument("--lock", type=Path, default=DEFAULT, metavar="PATH", help=f"default: {DEFAULT}")
        action.set_defaults(run=run)
        _OPTIONS[name](action)


def _check_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("reports", nargs="*", type=Path, metavar="RUN.json")
    action.add_argument("--full", action="store_true", help="the reports are the whole suite: name stale entries")
    action.add_argument("--strict-stale", action="store_true", help="stale entries fail (implies --full)")


def _update_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("reports", nargs="+", type=Path, metavar="RUN.json")
    action.add_argument("--full", action="store_true", help="the reports are the whole suite: drop other entries")
    action.add_argument("--lower-only", action="store_true", help="let no figure of a known test rise")


def _prune_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("reports", nargs="+", type=Path, metavar="RUN.json")
    action.add_argument("--dry-run", action="store_true", help="only say which")


def _debts_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("--owner", metavar="NAME", help="only what this owner owes")
    action.add_argument("--top", type=int, metavar="N", help="only the N oldest")


def _no_options(_action: argparse.ArgumentParser) -> None:
    pass


_OPTIONS = {
    "check": _check_options,
    "update": _update_options,
    "prune": _prune_options,
    "debts": _debts_options,
    "resolve": _no_options,
}


def run_check(arguments: argparse.Namespace, console: Console) -> int:
    """Hold reports to the lock, or only read it."""
    if arguments.reports:
        return hold_as_asked(_merged(arguments.reports, console), arguments, console)
    lock, today = store.read(arguments.lock), arguments.today
    overdue = {name: debt for name, debt in lock.debts.items() if expired(debt.until, today)}
    console.say(f"{arguments.lock}: {plural(len(lock.tests), 'test')}, {plural(len(lock.debts), 'known finding')}")
    if overdue:
        console.say(f"{len(overdue):,} overdue:")
        console.say(text.debts(Lock(tests=lock.tests, debts=overdue), today=today))
    return 1 if overdue else 0


def hold_as_asked(report: Report, arguments: argparse.Namespace, console: Console) -> int:
    """Hold a report to the lock file that the options name."""
    strict = arguments.strict_stale
    full = arguments.full or strict
    return hold(report, arguments.lock, console, today=arguments.today, full=full, strict=strict)


def hold(report: Report, path: Path, console: Console, *, today: date, full: bool = False, strict: bool = False) -> int:
    """Hold a report to a lock file, say what is wrong, and return 1 when something is.

    `full` names stale entries, `strict` fails on them.
    """
    lock = store.read(path)
    verdicts = [check(lock, test, today=today) for test in report.tests]
    for verdict in verdicts:
        if verdict.failed:
            console.say(["", one_line(verdict.nodeid)])
            console.say(text.failure(verdict, name=str(path)))
    if any(verdict.failed for verdict in verdicts):
        console.say("")
    gone = stale(lock, [test.nodeid for test in report.tests]) if full else ()
    measured = {test.nodeid for test in report.tests if test.outcome in MEASURED}
    held = sum(verdict.known and verdict.nodeid in measured for verdict in verdicts)
    failed = sum(verdict.failed for verdict in verdicts)
    console.say(text.summary([each for each in verdicts if each.nodeid in measured], stale=gone))
    left = len(report.tests) - len(measured)
    aside = f", {left:,} not held as they did not pass" if left else ""
    console.say(f"{path}: {plural(held, 'test')} held{aside}, {failed:,} failed")
    return 1 if failed or (strict and gone) else 0


def run_update(arguments: argparse.Namespace, console: Console) -> int:
    """Write what reports measured."""
    report = _merged(arguments.reports, console)
    result = store.update_file(
        arguments.lock,
        report.tests,
        today=arguments.today,
        collected=[test.nodeid for test in report.tests] if arguments.full else None,
        lower_only=arguments.lower_only,
    )
    console.say(text.updated(result, name=str(arguments.lock)))
    return 0


def run_prune(arguments: argparse.Namespace, console: Console) -> int:
    """Drop entries without a test."""
    report, today = _merged(arguments.reports, console), arguments.today
    collected = [test.nodeid for test in report.tests]

    def step(lock: Lock) -> LockUpdate:
        return update(lock, (), today=today, collected=collected)

    store.read(arguments.lock)  # a missing file is a mistake here
    result = step(store.read(arguments.lock)) if arguments.dry_run else store.change(arguments.lock, step)
    console.say(map(one_line, result.pruned))
    word = "would be dropped" if arguments.dry_run else "dropped"
    console.say(f"{arguments.lock}: {len(result.pruned):,} {word} ({plural(len(result.lock.tests), 'test')} left)")
    return 0


def run_debts(arguments: argparse.Namespace, console: Console) -> int:
    """Show the oldest debts."""
    lock, today = store.read(arguments.lock), arguments.today
    owed = {name: debt for name, debt in lock.debts.items() if arguments.owner in {None, debt.owner}}
    oldest = sorted(owed, key=lambda name: (owed[name].since or date.min, name))[: arguments.top]
    if not owed:
        console.say(f"{arguments.lock}: no debts{f' of {arguments.owner}' if arguments.owner else ''}")
    console.say(text.debts(Lock(tests=lock.tests, debts={name: owed[name] for name in oldest}), today=today))
    return 0


def run_resolve(arguments: argparse.Namespace, console: Console) -> int:
    """Mend a conflict."""
    from pytest_querybudget.lock.resolve import resolve

    lock = resolve(store.read_text(arguments.lock) or "", path=arguments.lock)
    changed = store.write(arguments.lock, lock)
    said = "resolved; the next update lowers what is too high" if changed else "nothing to resolve"
    console.say(f"{arguments.lock}: {said} ({plural(len(lock.tests), 'test')})")
    return 0


def _merged(paths: Sequence[Path], console: Console) -> Report:
    return merge(list(load_all(paths, console)))
