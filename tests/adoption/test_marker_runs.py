"""Budgets that a whole run writes into the source of its tests."""

from __future__ import annotations

import sys

import pytest

from tests.plugin.suites import HEAD, Suite

pytest.importorskip("libcst")
pytest.importorskip("xdist")
pytest_plugins = ["pytester"]

WRITE = "--querybudget-write-markers"
BARE = """
def test_bare():  # no budget yet
    ask(2)


@pytest.mark.max_queries(9)  # generous
def test_slack():
    ask(1)


@pytest.mark.max_queries(3, exact=True)
def test_exact():
    ask(3)


@pytest.mark.parametrize("n", [1, 2])
def test_same(n):
    ask(3)


@pytest.mark.parametrize("n", [1, 5])
def test_differs(n):
    ask(n)


@pytest.mark.max_queries(4)
class TestClass:
    def test_in_class(self):
        ask(2)

    @pytest.mark.max_queries(8)
    def test_own(self):
        ask(6)


def test_fails():
    ask(1)
    assert 0


def test_over_later():
    ask(0)
"""
MODULE = """
pytestmark = pytest.mark.max_queries(7)


def test_of_module():
    ask(2)
"""


@pytest.fixture
def bare(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite with and without budgets, on functions, a class and a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    suite.write("test_bare.py", HEAD + BARE)
    suite.write("test_module.py", HEAD + MODULE)
    return suite


def sources(suite: Suite) -> str:
    """The files of the suite, one after the other, without their heads."""
    return "".join(
        (suite.path / f"test_{each}.py").read_text("utf-8").removeprefix(HEAD) for each in ("bare", "module")
    )


def test_a_dry_run_of_another_plugin_stays_its_own(suite: Suite) -> None:
    """Its option is no conflict, and beside `--querybudget-write-markers` both hear it."""
    source = "def test_one(pytestconfig):\n    ask(1)\n    print('dry:', pytestconfig.getoption('dry_run'))\n"
    suite.write(
        "conftest.py", "def pytest_addoption(parser):\n    parser.addoption('--dry-run', action='store_true')\n"
    )
    assert "dry: False" in suite.run(source, "-s").text
    alone = suite.run(source, "-s", "--dry-run").text
    assert "dry: True" in alone
    assert "max_queries markers" not in alone
    both = suite.run(source, "-s", WRITE, "--dry-run").text
    assert "dry: True" in both
    assert "+@pytest.mark.max_queries(1)" in both
    assert "max_queries(1)" not in (suite.path / "test_it.py").read_text("utf-8")


def test_a_dry_run_of_nothing_is_an_error(suite: Suite) -> None:
    """The option has no meaning by itself."""
    assert "unrecognized arguments: --dry-run" in suite.run("def test_one(): pass", "--dry-run").text


@pytest.mark.parametrize("workers", ["0", "2"])
def test_budgets_are_written(bare: Suite, workers: str) -> None:
    """Where none holds; slack is taken away, of classes and modules too; comments stay, a second run changes nothing."""
    shown = bare.run("", WRITE, "--dry-run", "-n", workers)
    assert sources(bare) == BARE + MODULE
    assert "+@pytest.mark.max_queries(2)" in shown.text
    done = bare.run("", WRITE, "-n", workers)
    assert done.counts == shown.counts
    written = sources(bare)
    for said in (
        "@pytest.mark.max_queries(2)\ndef test_bare():  # no budget yet\n",
        "@pytest.mark.max_queries(1)  # generous\ndef test_slack():\n",
        "@pytest.mark.max_queries(3, exact=True)\ndef test_exact():\n",
        "@pytest.mark.max_queries(6)\n    def test_own(self):\n",
        "@pytest.mark.max_queries(2)\nclass TestClass:\n",
        "\ndef test_fails():\n",
        "pytestmark = pytest.mark.max_queries(2)\n",
    ):
        assert said in written
    assert "pytest.param(1, marks=pytest.mark.max_queries(1))" in written
    assert "pytest.param(5, marks=pytest.mark.max_queries(5))" in written
    again = bare.run("", WRITE, "-n", workers)
    assert again.counts == done.counts
    assert sources(bare) == written


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_budget_that_is_exceeded_is_not_raised(bare: Suite, workers: str) -> None:
    """The test fails, and its marker stays as it is; so it is where a part of the suite runs."""
    bare.write("test_bare.py", HEAD + "@pytest.mark.max_queries(1)\ndef test_over():\n    ask(3)\n")
    bare.run("", WRITE, "-k", "over", "-n", workers)
    assert sources(bare) == "@pytest.mark.max_queries(1)\ndef test_over():\n    ask(3)\n" + MODULE
