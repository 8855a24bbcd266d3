"""The lock file in git: what two branches did to it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from pytest_querybudget.lock.model import LockError
from pytest_querybudget.lock.resolve import resolve
from pytest_querybudget.lock.store import read, update_file
from pytest_querybudget.reports.document import TestEntry
from tests.lock.sample import lean, wasteful

DAY = date(2026, 11, 23)
BASE = [wasteful(f"tests/test_{letter}.py::test_{number}", 5) for letter in "abcdef" for number in range(3)]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A repository with a lock file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, folder / "querybudget.lock"
        self.git("init", "-q", "-b", "main")
        self.commit(BASE)

    def git(self, *arguments: str) -> int:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "merge.conflictStyle=diff3")
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, capture_output=True, check=False
        ).returncode

    def commit(self, tests: list[TestEntry]) -> None:
        update_file(self.lock, tests, today=DAY)
        self.git("add", "-A")
        assert self.git("commit", "-q", "-m", "run") == 0

    def merge(self, ours: list[TestEntry], theirs: list[TestEntry]) -> int:
        """Let two branches update the lock and merge them."""
        self.git("checkout", "-q", "-b", "theirs")
        self.commit(theirs)
        self.git("checkout", "-q", "main")
        self.commit(ours)
        return self.git("merge", "-q", "--no-edit", "theirs")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_branches_that_change_other_tests_merge_by_themselves(repository: Repository) -> None:
    """One line a test, and nothing that every run changes."""
    assert repository.merge([lean("tests/test_a.py::test_0")], [wasteful("tests/test_e.py::test_9", 3)]) == 0
    lock = read(repository.lock)
    assert lock.tests["tests/test_a.py::test_0"].queries == 2
    assert "tests/test_e.py::test_9" in lock.tests


def test_branches_that_change_one_test_conflict_and_are_resolved(repository: Repository) -> None:
    """The higher figure of both sides, not of their common past."""
    name = "tests/test_c.py::test_1"
    assert repository.merge([wasteful(name, 2)], [wasteful(name, 4)]) != 0
    with pytest.raises(LockError, match=r"querybudget.lock:\d+: an unresolved merge conflict \(<<<<<<< HEAD\)"):
        read(repository.lock)
    lock = resolve(repository.lock.read_text("utf-8"))
    assert lock.tests[name].kinds == {"select": 5, "insert": 1}
    assert len(lock.tests) == len(BASE)


def test_a_union_merge_leaves_lines_twice_and_is_resolved(repository: Repository) -> None:
    """As docs/lock.md says of `.gitattributes`."""
    (repository.folder / ".gitattributes").write_text("querybudget.lock merge=union\n", "utf-8")
    repository.commit([lean("tests/test_a.py::test_0")])
    name = "tests/test_c.py::test_1"
    assert repository.merge([wasteful(name, 2)], [wasteful(name, 4)]) == 0
    with pytest.raises(LockError, match="is listed twice"):
        read(repository.lock)
    assert resolve(repository.lock.read_text("utf-8")).tests[name].kinds == {"select": 5, "insert": 1}
