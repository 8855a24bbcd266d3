"""The lock over one run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pytest_querybudget.lock.keeper import Ending, Keeper
from pytest_querybudget.lock.model import LockError
from tests.lock.sample import finding, lean, wasteful

TODAY = date(2026, 11, 23)


def written(path: Path) -> Path:
    lock = path / "querybudget.lock"
    Keeper(lock, today=TODAY, update=True).finish([lean(), wasteful("t::waste")])
    return lock


def test_a_run_without_a_file_is_an_error_unless_it_writes_one(tmp_path: Path) -> None:
    """Before the first test."""
    with pytest.raises(LockError, match="no such file"):
        Keeper(tmp_path / "querybudget.lock", today=TODAY)
    ending = Keeper(tmp_path / "querybudget.lock", today=TODAY, update=True).finish([lean()])
    assert ending == Ending(lines=("querybudget.lock: 1 added (1 test)",))


def test_an_update_fails_no_test_and_tolerates_every_finding(tmp_path: Path) -> None:
    """So that strict mode can start from what there is."""
    keeper = Keeper(written(tmp_path), today=TODAY, update=True)
    verdict = keeper.check(wasteful())
    assert not verdict.failed
    assert verdict.allowance(finding()) is not None


def test_a_check_fails_what_grew_and_says_what_was_gained(tmp_path: Path) -> None:
    """The failure is the test's, the gain is the summary's."""
    keeper = Keeper(written(tmp_path), today=TODAY)
    assert keeper.check(wasteful()).failed
    ending = keeper.finish([wasteful(outcome="failed"), lean("t::waste")])
    assert ending.lines[0] == "1 test below the lock (50 statements fewer, 1 finding cured):"
    assert not ending.failed


@pytest.mark.parametrize("strict", [False, True])
def test_stale_entries_are_named_on_a_full_run_and_may_fail_it(tmp_path: Path, strict: bool) -> None:
    """A part of the suite says nothing of them."""
    keeper = Keeper(written(tmp_path), today=TODAY, strict_stale=strict)
    assert keeper.finish([lean()]) == Ending()
    ending = keeper.finish([lean()], collected=[lean().nodeid])
    assert "  t::waste" in ending.lines
    assert ending.failed is strict
    assert keeper.finish([lean()], collected=[lean().nodeid], not_collected=["t"]) == Ending()
