"""What a run leaves behind for the next one: the lock file, budgets in the source, notes for the code review."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget.reports.document import Problem, Report, TestEntry
from pytest_querybudget.reports.text import plural
from pytest_querybudget.settings import Settings
from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from pytest_querybudget.lock.check import LockVerdict
    from pytest_querybudget.lock.keeper import Keeper


@dataclass(slots=True)
class Coverage:
    """Which tests there are, and whether a run has seen all of them.

    `collected` are node ids, `skipped` the modules and classes that were skipped as a whole.
    """

    collected: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    partial: bool = False
    interrupted: bool = False

    def missing(self, seen: Collection[str], *, begun: bool) -> Iterator[Problem]:
        """Yield how many tests an interrupted run has not seen the end of, once it had begun."""
        lost = len(self.collected - {*seen})
        if self.interrupted and begun and lost:
            text = f"the run was interrupted: {lost:,} of {plural(len(self.collected), 'test')} are missing"
            yield Problem(slug="interrupted", text=text)

    def is_full(self, config: pytest.Config, session: pytest.Session, problems: list[Problem]) -> bool:
        """Return whether every test of the suite was collected, and the run came to its end."""
        option = config.option
        selected = (
            option.keyword
            or option.markexpr
            or getattr(option, "lf", False)
            or getattr(option, "deselect", None)
            or _looks_elsewhere(config)
        )
        stopped = (
            self.interrupted
            or session.shouldstop
            or session.shouldfail
            or any(each.slug == "lost-worker" for each in problems)
        )
        return bool(self.collected) and not (self.partial or selected or stopped)


def _looks_elsewhere(config: pytest.Config) -> bool:
    """Return whether the user said where to look for tests, by an argument or by the directory the run began in."""
    given = config.invocation_params
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS and given.dir != config.rootpath:
        return True
    # What the ini file ignores is ignored in every run.
    words = [*map(str, given.args), *os.environ.get("PYTEST_ADDOPTS", "").split()]
    return config.args_source is pytest.Config.ArgsSource.ARGS or any(each.startswith("--ignore") for each in words)


class Copies:
    """Which tests `--count` of pytest-repeat has copied: to the lock, each copy is the test itself."""

    def __init__(self, config: pytest.Config) -> None:
        known = any(config.pluginmanager.hasplugin(each) for each in ("repeat", "pytest_repeat"))
        count = getattr(config.option, "count", 1) if known else 1
        # `[2-3]` is the second of three copies, `[x-2-3]` that of the parameter set `x`.
        self.number = re.compile(rf"(?:\[|(-))[1-9][0-9]*-{count}\]$") if count > 1 else None

    def original(self, nodeid: str) -> str:
        """Return the node id of the test that another one copies, or the same one."""
        return nodeid if self.number is None else self.number.sub(lambda found: "]" if found[1] else "", nodeid)

    def originals(self, tests: Iterable[TestEntry]) -> list[TestEntry]:
        """Return entries under the names that the lock has for them; copies are several entries of one name."""
        return [replace(each, nodeid=self.original(each.nodeid)) if self.number else each for each in tests]


class Adoption:
    """The lock of a run and what is written when it ends. Raises `LockError` for a lock that cannot be read."""

    def __init__(self, settings: Settings, today: Any, copies: Copies) -> None:
        self.settings = settings
        self.copies = copies
        self.coverage = Coverage()
        self.keeper: Keeper | None = None
        self.lines: list[str] = []
        if settings.lock is not None:
            from pytest_querybudget.lock.keeper import Keeper

            self.keeper = Keeper(settings.lock, today=today, update=settings.update, strict_stale=settings.lock_strict)

    def hold(self, entry: TestEntry) -> LockVerdict | None:
        """Return what the lock says of a test whose call has passed."""
        return None if self.keeper is None else self.keeper.check(*self.copies.originals([entry]))

    def tolerate(self, tests: Iterable[TestEntry]) -> Iterator[TestEntry]:
        """Yield tests that did not pass with the debts among their findings allowed: they are no news for a report."""
        for test in tests if self.keeper is not None else ():
            changed = self.keeper.excuse(test) if self.keeper is not None else test
            if changed is not test:
                yield changed

    def finish(self, tests: Iterable[TestEntry], *, full: bool) -> Iterator[Problem]:
        """Write the lock and the markers, and remember what to say of them; yield what went wrong."""
        if self.keeper is None and not self.settings.write_markers:
            return
        entries = tuple(tests)
        if self.keeper is not None:
            yield from self._end_lock(self.keeper, entries, full=full)
        if self.settings.write_markers:
            yield from self._write_markers(entries, full=full)

    def _end_lock(self, keeper: Keeper, entries: Sequence[TestEntry], *, full: bool) -> Iterator[Problem]:
        from pytest_querybudget.lock.model import LockError

        # A test that is marked to be repeated may look like a copy, so that such a run drops nothing.
        collected = self.coverage.collected if full and self.copies.number is None else None
        tests = self.copies.originals(entries)
        try:
            ending = keeper.finish(tests, collected=collected, not_collected=self.coverage.skipped)
        except LockError as error:
            yield Problem(slug="lock", text=str(error).removeprefix(f"{self.settings.rootdir}{os.sep}"))
            return
        self.lines += ending.lines
        if ending.failed:
            yield Problem(slug="lock", text="the lock file names tests that no longer exist")

    def _write_markers(self, entries: Sequence[TestEntry], *, full: bool) -> Iterator[Problem]:
        from pytest_querybudget.markers import write

        root, dry_run = self.settings.rootdir, self.settings.dry_run
        try:
            planned = write.plan(entries, root, complete=full)
            if dry_run:
                self.lines += write.diff(planned.changes)
            else:
                write.apply(planned.changes, root)
        except (write.MarkersError, OSError) as error:
            yield Problem(slug="markers", text=str(error))
            return
        self.lines += write.summary(planned, dry_run=dry_run)

    def review_notes(self, report: Report) -> Iterator[str]:
        """Yield annotations for GitHub Actions, and write the job summary, when the run is there."""
        from pytest_querybudget.reports import github
        from pytest_querybudget.reports.format import ReportError

        if "GITHUB_ACTIONS" not in os.environ:
            return
        try:
            yield from github.publish(report, rootdir=self.settings.rootdir, environ=os.environ)
        except ReportError as error:
            yield str(error)
