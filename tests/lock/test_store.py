"""The lock file on disk."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

import pytest_querybudget
from pytest_querybudget import files
from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import Lock, LockError
from pytest_querybudget.lock.store import read, update_file, write
from pytest_querybudget.lock.update import update
from tests.lock.sample import lean, wasteful

DAY = date(2026, 11, 23)
LOCK = update(Lock(), [lean(), wasteful("t::a")], today=DAY).lock


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """And writing the same again does not touch the file."""
    path = tmp_path / "deep" / "querybudget.lock"
    assert write(path, LOCK)
    assert read(path) == LOCK
    assert not write(path, LOCK)
    assert [each.name for each in path.parent.iterdir()] == ["querybudget.lock"]


def test_a_missing_file_says_how_to_write_it(tmp_path: Path) -> None:
    """Checking without a lock is an error; updating without one starts it."""
    with pytest.raises(LockError, match="no such file: write it with `pytest --querybudget-lock --querybudget-update`"):
        read(tmp_path / "querybudget.lock")
    assert read(tmp_path / "querybudget.lock", missing_ok=True) == Lock()
    assert update_file(tmp_path / "querybudget.lock", [lean()], today=DAY).added


def test_a_file_that_is_no_text_is_an_error_with_its_line(tmp_path: Path) -> None:
    """As is one that cannot be opened."""
    (tmp_path / "binary").write_bytes(b"version = 1\n\xff\xfe")
    with pytest.raises(LockError, match=r"binary:2: not UTF-8 text"):
        read(tmp_path / "binary")
    with pytest.raises(LockError, match="cannot be read"):
        read(tmp_path / "binary" / "below")


def test_tests_that_were_taken_for_the_path_are_an_error(tmp_path: Path) -> None:
    """`pytest --querybudget-lock tests` means something else than it says; no test file is overwritten."""
    (tmp_path / "test_a.py").write_text("", "utf-8")
    for path in (tmp_path, tmp_path / "test_a.py"):
        with pytest.raises(LockError, match="takes the next word for its path; put it behind the tests"):
            update_file(path, [lean()], today=DAY)
    assert (tmp_path / "test_a.py").read_text("utf-8") == ""


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """As is another writer that does not let go."""
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(LockError, match="cannot be written"):
        update_file(tmp_path / "file" / "querybudget.lock", [lean()], today=DAY)


def test_a_corrupt_file_is_not_overwritten(tmp_path: Path) -> None:
    """What a person may still want to save stays."""
    path = tmp_path / "querybudget.lock"
    path.write_text("<<<<<<< HEAD\n", "utf-8")
    with pytest.raises(LockError, match="conflict"):
        update_file(path, [lean()], today=DAY)
    assert path.read_text("utf-8") == "<<<<<<< HEAD\n"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the update, not the lock, and leaves nothing behind."""
    path = tmp_path / "querybudget.lock"
    write(path, LOCK)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(LockError, match="cannot be written: No space left on device"):
        update_file(path, [wasteful()], today=DAY)
    assert read(path) == LOCK
    assert [each.name for each in tmp_path.iterdir()] == ["querybudget.lock"]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    """The file that is meant is replaced."""
    goal, link = tmp_path / "real.lock", tmp_path / "querybudget.lock"
    write(goal, LOCK)
    goal.chmod(0o640)
    try:
        link.symlink_to(goal)
    except OSError:
        pytest.skip("no links here")
    update_file(link, [lean("t::b")], today=DAY)
    assert link.is_symlink()
    assert "t::b" in read(goal).tests
    assert goal.stat().st_mode & 0o777 == 0o640


WRITER = """
import sys
from datetime import date
from pathlib import Path
from pytest_querybudget.lock.store import update_file
from tests.lock.sample import wasteful
path, who = Path(sys.argv[1]), sys.argv[2]
for number in range(12):
    update_file(path, [wasteful(f"{who}.py::test_{number}", number)], today=date(2026, 11, 23))
"""


def test_parallel_writers_lose_nothing(tmp_path: Path) -> None:
    """Each reads what the others wrote, and the bytes are those of one run."""
    path = tmp_path / "querybudget.lock"
    root = Path(pytest_querybudget.__file__).parents[1]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{number}"], cwd=root) for number in range(4)
    ]
    assert [each.wait(60) for each in writers] == [0] * 4
    everything = [wasteful(f"w{who}.py::test_{number}", number) for who in range(4) for number in range(12)]
    assert path.read_text("utf-8") == dumps(update(Lock(), everything, today=DAY).lock)


@pytest.mark.parametrize("guarded", [False, True], ids=["flock", "guard file"])
def test_a_writer_waits_for_the_other_and_gives_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """With the system's locks and without them."""
    if guarded:
        monkeypatch.setitem(sys.modules, "fcntl", None)
    path = tmp_path / "querybudget.lock"
    with files.exclusive(path), pytest.raises(TimeoutError), files.exclusive(path, timeout=0.05):
        pass
    with files.exclusive(path, timeout=0.05):
        pass
    assert list(tmp_path.iterdir()) == []
