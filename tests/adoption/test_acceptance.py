"""One suite of 300 tests, whoever runs it and in whatever order: the same lock file, the same report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugin.suites import HEAD, RERUNS, Outcome, Suite

pytest.importorskip("xdist")
pytest.importorskip("pytest_rerunfailures")
pytest_plugins = ["pytester"]

LOCK = "querybudget.lock"
UPDATE = ("--querybudget-lock", "--querybudget-update")
KILLED = "test_rest.py::test_kills"

FILES = {
    "conftest.py": """
import os, random

def pytest_collection_modifyitems(items):
    if "SEED" in os.environ:
        random.Random(int(os.environ["SEED"])).shuffle(items)
""",
    "test_many.py": """
@pytest.fixture
def rows():
    ask(1, "orders")
    yield
    ask(2, "orders")
@pytest.mark.parametrize("n", range(120))
def test_many(n, rows):
    ask(n % 7)
""",
    "test_loops.py": """
def other():
    return [order.customer.name for order in Session(engine).scalars(select(Order).where(Order.id > 1))]
class TestLoops:
    @pytest.mark.parametrize("n", range(40))
    def test_names(self, n):
        names()
    @pytest.mark.parametrize("n", range(20))
    def test_other(self, n):
        other() if n % 2 else names()
""",
    "test_shared.py": """
@pytest.fixture(scope="module")
def shared():
    ask(3)
@pytest.mark.parametrize("n", range(40))
def test_shared(n, shared):
    ask(n % 3)
""",
    "test_rest.py": """
import os, unittest
from pathlib import Path
class TestOld(unittest.TestCase):
    def setUp(self):
        ask(1)
    def test_parts(self):
        for each in range(3):
            with self.subTest(each=each):
                ask(each)
    def test_plain(self):
        ask(2)
@pytest.mark.parametrize("n", range(30))
def test_flaky(n):
    ask(n % 4 + 1)
    seen = Path(os.environ["FLAKY"], f"{n}") if "FLAKY" in os.environ and n % 3 == 0 else None
    if seen is not None and not seen.exists():
        seen.touch()
        names()
        assert 0, "once"
@pytest.mark.parametrize("n", range(25))
@pytest.mark.max_queries(20)
def test_budget(n):
    ask(n % 5)
@pytest.mark.parametrize("n", range(5))
@pytest.mark.max_queries(1)
def test_over(n):
    ask(2)
@pytest.mark.parametrize("n", range(5))
def test_fails(n):
    ask(1)
    assert 0, "always"
@pytest.mark.parametrize("n", range(6))
def test_xfails(n):
    ask(1)
    pytest.xfail()
@pytest.mark.parametrize("n", range(6))
def test_skips(n):
    pytest.skip()
def test_kills():
    ask(1)
    if "KILL" in os.environ:
        os._exit(3)
""",
}


class Measured:
    """The suite, and what came of it when one process ran it in the order of its files."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        for name, source in FILES.items():
            suite.write(name, (HEAD if name.startswith("test_") else "") + source)
        self.done = self.run(*UPDATE)
        self.lock = self.path.read_bytes()

    @property
    def path(self) -> Path:
        """The lock file."""
        return self.suite.path / LOCK

    def run(self, *arguments: str, **environment: str) -> Outcome:
        """Run the suite."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.suite.path)
            for name, value in environment.items():
                patch.setenv(name, value)
            return self.suite.run("", *arguments)


@pytest.fixture
def measured(suite: Suite) -> Measured:
    """The suite with its lock file."""
    return Measured(suite)


def told(report: dict[str, Any], *without: str) -> Any:
    """What must be the same: all but times, and but what the fixture of a module sends, in the test that comes first."""
    tests = {each["nodeid"]: _timeless(each) for each in report["tests"] if each["nodeid"] not in without}
    for name, test in tests.items():
        if name.startswith("test_shared"):
            del test["phases"]["setup"]
            test["statements"] = [each for each in test["statements"] if each["phase"] != "setup"]
    return tests, report["problems"]


def _timeless(plain: Any) -> Any:
    if isinstance(plain, dict):
        times = ("time", "max_time", "first", "last", "db_time", "duration")
        return {name: _timeless(each) for name, each in plain.items() if name not in times}
    return [_timeless(each) for each in plain] if isinstance(plain, list) else plain


def test_300_tests_are_measured_alike(measured: Measured, tmp_path: Path) -> None:
    """By one process or many, at random, again after a failure, in parts, and when a worker is killed."""
    alone = measured.done
    assert len(alone.report["tests"]) == 300
    assert measured.lock.count(b'\n"test_') == 300 - 5 - 5 - 6 - 6

    for arguments, environment in (
        (("-n", "4", "--dist", "loadscope"), {"SEED": "8"}),
        ((), {"SEED": "7"}),
    ):
        measured.path.unlink()
        done = measured.run(*UPDATE, *arguments, **environment)
        assert told(done.report) == told(alone.report), arguments
        assert (measured.path.read_bytes(), done.code) == (measured.lock, alone.code), arguments

    measured.path.unlink()
    flaky = tmp_path / "flaky"
    flaky.mkdir()
    done = measured.run(*UPDATE, "-n", "2", *RERUNS, "--reruns", "1", FLAKY=str(flaky))
    assert len(list(flaky.iterdir())) == 10
    assert told(done.report) == told(alone.report), "in two processes, with reruns"
    assert (measured.path.read_bytes(), done.code) == (measured.lock, alone.code)

    measured.path.unlink()
    for part in ("test_many or test_other", "not (test_many or test_other)"):
        done = measured.run(*UPDATE, "-k", part)
    assert measured.path.read_bytes() == measured.lock

    done = measured.run(*UPDATE, "-n", "2", KILL="1")
    tests, problems = told(done.report, KILLED)
    assert tests == told(alone.report, KILLED)[0]
    assert [(each["slug"], each["nodeid"]) for each in problems] == [("lost-worker", KILLED), ("lost-worker", None)]
    assert measured.path.read_bytes() == measured.lock
