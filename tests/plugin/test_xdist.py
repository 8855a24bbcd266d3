"""With workers of pytest-xdist: the same report, the same summary, the same exit code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .suites import Outcome, Suite

pytest_plugins = ["pytester"]
pytest.importorskip("xdist")

SOURCE = """
@pytest.fixture(scope="module")
def shared():
    ask(1)
class TestOne:
    @pytest.mark.parametrize("n", range(4))
    def test_many(self, n):
        ask(n)
    @pytest.mark.max_queries(1)
    def test_budget(self):
        ask(2)
class TestTwo:
    def test_loop(self):
        names()
    def test_loop_again(self):
        names()
    @pytest.mark.max_queries(9)
    def test_slack(self):
        ask(1)
    @pytest.mark.allow_queries("max_rows")
    def test_stale(self):
        ask(1)
    def test_fails(self):
        ask(1)
        assert 0
"""


def told(done: Outcome) -> Any:
    """What must be the same, whoever ran the tests: all but times."""
    report = re.sub(r'"(time|max_time|first|last|db_time|duration)": [\d.e-]+', "", str(done.report).replace("'", '"'))
    summary = re.sub(
        r"[\d.,]+ (µs|ms|s|kB)", "TIME", done.text.partition("= query budget =")[2].partition("short test")[0]
    )
    lines = [each for each in summary.splitlines() if "test_it.py::" not in each or "TIME" not in each]
    return report, [" ".join(each.split()).strip("= ") for each in lines], done.code, done.counts


@pytest.mark.parametrize("arguments", [("-n", "2"), ("-n", "2", "--dist", "loadscope"), ("-n", "0")], ids=" ".join)
def test_workers_report_the_same(suite: Suite, arguments: tuple[str, ...]) -> None:
    """Totals, tests, findings, problems, summary and exit code do not depend on who ran the tests."""
    alone = suite.run(SOURCE, "--querybudget=strict")
    assert told(suite.run("", "--querybudget=strict", *arguments)) == told(alone)
    assert alone.report["totals"]["tests"] == 10
    assert alone.report["totals"]["queries"] == 6 + 2 + 12 + 3


def test_a_lost_worker_is_named(suite: Suite) -> None:
    """A worker that dies is named with its test, and the session does not succeed."""
    done = suite.run(
        """
        import os
        def test_first():
            ask(1)
        def test_dies():
            os._exit(3)
        def test_last():
            ask(1)
        """,
        "-n",
        "1",
    )
    assert done.code == pytest.ExitCode.TESTS_FAILED
    lost = [each for each in done.report["problems"] if each["slug"] == "lost-worker"]
    assert [(each["nodeid"], each["text"]) for each in lost] == [
        ("test_it.py::test_dies", "ran when its worker was lost, and was not measured"),
        (None, "worker gw0 was lost: what it had not handed over is missing"),
    ]
    assert "lost worker: 2" in done.text
    assert {"test_first", "test_last"} <= set(done.tests)


def test_the_name_of_a_lost_test_is_never_cut(suite: Suite) -> None:
    """However long it is, it can be copied from the summary."""
    name = "test_" + "dies_" * 30
    done = suite.run(f"import os\ndef {name}():\n    os._exit(3)\n", "-n", "1")
    said = done.text.partition("= query budget =")[2].partition("short test")[0]
    assert f"\n    test_it.py::{name}\n" in said


def test_what_a_worker_has_left_arrives(suite: Suite) -> None:
    """Left-over threads are named by the process that the user started."""
    done = suite.run(
        """
        go, done = threading.Event(), threading.Event()
        def late():
            go.wait(5)
            ask(1)
            done.set()
        def test_leaves():
            threading.Thread(target=late, name="late", daemon=True).start()
        def test_next():
            go.set()
            assert done.wait(5)
        """,
        "-n",
        "1",
    )
    assert done.counts == {"passed": 2}
    assert [each.partition(":")[0] for each in done.problems] == ["stray-thread"]
