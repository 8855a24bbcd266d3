"""Which runs may drop entries of the lock file, where the file is, and what reports say of debts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.plugin.suites import HEAD, Suite

pytest_plugins = ["pytester"]

LOCK = "querybudget.lock"
UPDATE = ("--querybudget-lock", "--querybudget-update")
ONE = "def test_one():\n    ask(1)\n"
SHARD = "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n"
DESELECT = """
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=items[1:])
    items[:] = items[:1]
"""


@pytest.fixture
def locked(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite of two directories with a lock file."""
    monkeypatch.syspath_prepend(suite.path)
    monkeypatch.setenv("PYTHONPATH", str(suite.path), prepend=os.pathsep)
    suite.write("tests/here/test_here.py", HEAD + ONE)
    suite.write("tests/there/test_there.py", HEAD + ONE)
    suite.run("", *UPDATE)
    assert entries(suite) == ["tests/here/test_here.py::test_one", "tests/there/test_there.py::test_one"]
    return suite


def entries(suite: Suite, name: str = LOCK) -> list[str]:
    """The tests that a lock file names."""
    lines = (suite.path / name).read_text("utf-8").splitlines()
    return [line.split('"')[1] for line in lines if "::" in line and line.startswith('"tests')]


def test_a_full_run_drops_what_is_gone(locked: Suite) -> None:
    """A test that no longer exists leaves the lock with the next full update."""
    (locked.path / "tests/there/test_there.py").unlink()
    assert "1 dropped" in locked.run("", *UPDATE).text
    assert entries(locked) == ["tests/here/test_here.py::test_one"]


def test_a_directory_to_begin_in_is_a_selection(locked: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that begins in a directory below the root collects a part, although no argument says so."""
    monkeypatch.chdir(locked.path / "tests/here")
    done = locked.run("", *UPDATE)
    assert "nothing to change" in done.text
    assert len(entries(locked)) == 2


@pytest.mark.parametrize("argument", ["--collect-only", "--setup-plan", "--setup-only"])
def test_a_run_of_no_test_writes_nothing(locked: Suite, argument: str) -> None:
    """An editor lists the tests every few seconds, with the options of the ini file."""
    (locked.path / "tests/there/test_there.py").unlink()
    report = locked.path / "kept.json"
    report.write_text("of the last run", "utf-8")
    done = locked.run("", *UPDATE, argument, "--querybudget-report=json:kept.json")
    assert done.code == 0
    assert len(entries(locked)) == 2
    assert report.read_text("utf-8") == "of the last run"
    assert "query budget" not in done.text


def test_a_module_that_cannot_be_imported_stays_in_the_lock(locked: Suite) -> None:
    """Its tests still exist, and may be there again tomorrow."""
    locked.write("tests/there/test_there.py", "import nowhere\n")
    locked.run("", *UPDATE, "--continue-on-collection-errors")
    assert len(entries(locked)) == 2


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_ignoring_a_directory_is_a_selection(locked: Suite, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """What one run ignores stays in the lock."""
    if where == "environment":
        monkeypatch.setenv("PYTEST_ADDOPTS", "--ignore=tests/there")
    locked.run("", *UPDATE, *(["--ignore=tests/there"] if where == "argument" else []))
    assert len(entries(locked)) == 2


def test_what_the_ini_file_ignores_is_no_selection(locked: Suite) -> None:
    """What every run ignores has no tests."""
    locked.write("pytest.ini", "[pytest]\naddopts = --ignore=tests/there\n")
    locked.run("", *UPDATE)
    assert entries(locked) == ["tests/here/test_here.py::test_one"]


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("source", [SHARD, DESELECT], ids=["silent", "said"])
def test_a_shard_is_a_selection(locked: Suite, source: str, workers: str) -> None:
    """A plugin that leaves tests out makes the run a part, whether it says so or not, and in whatever process."""
    pytest.importorskip("xdist")
    locked.write("conftest.py", source)
    locked.run("", *UPDATE, "-n", workers)
    assert len(entries(locked)) == 2


def test_the_path_of_the_command_line_is_the_shells(locked: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `--junit-xml`, a relative path begins where the command was given."""
    monkeypatch.chdir(locked.path / "tests")
    assert locked.run("", f"--querybudget-lock=..{os.sep}{LOCK}").code == 0


def test_the_option_alone_means_the_configured_file(locked: Suite) -> None:
    """`--querybudget-lock` without a path does not turn from the file that the ini file names."""
    locked.write("pytest.ini", "[pytest]\nquerybudget_lock = ci/queries.lock\n")
    (locked.path / LOCK).unlink()
    locked.run("", *UPDATE)
    assert len(entries(locked, "ci/queries.lock")) == 2
    assert not (locked.path / LOCK).exists()


def test_an_empty_path_is_an_error(suite: Suite) -> None:
    """`--querybudget-lock=$UNSET` must not hold nothing in silence."""
    done = suite.run("def test_one(): pass", "--querybudget-lock=")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert "--querybudget-lock got an empty path" in done.text


def test_a_node_id_is_no_lock_file(suite: Suite) -> None:
    """The next word after the option is its path: a test that stands there is not overwritten, nor made a file."""
    done = suite.run("def test_one(): pass", "--querybudget-update", "--querybudget-lock", "test_it.py::test_one")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert "takes the next word for its path" in done.text
    assert not list(Path(suite.path).glob("*::*"))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_debt_of_a_failed_test_is_still_a_debt(suite: Suite, workers: str) -> None:
    """A test that fails for another reason makes no news of a known finding; without a debt it is news."""
    pytest.importorskip("xdist")
    source = """
    import os
    def test_passes():
        names()
    def test_fails():
        names()
        assert "BROKEN" not in os.environ
    def test_expected():
        names()
        if "BROKEN" in os.environ:
            pytest.xfail("broken")
    """
    suite.run(source, *UPDATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKEN", "1")
        done = suite.run("", "--querybudget-lock", "-n", workers)
        new = suite.run("", "-n", workers)
    allowed = {
        name: [each["allowed"] and each["allowed"]["source"] for each in test["findings"]]
        for name, test in done.tests.items()
    }
    assert allowed == {"test_passes": ["lock"], "test_fails": ["lock"], "test_expected": ["lock"]}
    assert done.counts == {"passed": 1, "failed": 1, "xfailed": 1}
    assert [each["allowed"] for each in new.tests["test_fails"]["findings"]] == [None]


# What `--count` of pytest-repeat does.
REPEAT = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--count", type=int, default=1)

def pytest_configure(config):
    config.pluginmanager.register(object(), "repeat")

@pytest.fixture
def step(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    count = metafunc.config.option.count
    if count > 1:
        metafunc.fixturenames.append("step")
        metafunc.parametrize("step", range(count), indirect=True, ids=lambda each: f"{each + 1}-{count}")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_copies_are_the_test_that_they_copy(suite: Suite, workers: str) -> None:
    """To run each test twelve times is neither a suite of twelve times as many tests, nor one without its own."""
    pytest.importorskip("xdist")
    suite.write("conftest.py", REPEAT)
    source = """
    import os
    TIMES = int(os.environ.get("TIMES", "2"))
    def test_one():
        ask(TIMES)
    @pytest.mark.parametrize("name", ["x", "2-3"])
    def test_each(name):
        ask(TIMES)
    """
    suite.run(source, *UPDATE)
    before = (suite.path / LOCK).read_text("utf-8")
    done = suite.run("", *UPDATE, "--count=12", "-n", workers)
    assert done.counts == {"passed": 36}
    assert (suite.path / LOCK).read_text("utf-8") == before
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIMES", "3")
        held = suite.run("", "--querybudget-lock", "--count=12", "-n", workers)
        assert held.counts == {"failed": 36}
        assert "3 raised" in suite.run("", *UPDATE, "--count=12", "-n", workers).text
    assert suite.run("", "--querybudget-lock").code == 0
