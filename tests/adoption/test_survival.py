"""What a known finding survives, and what it does not, in whole runs: moved lines, another home, dates, selections."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.suites import Suite

pytest.importorskip("xdist")
pytest_plugins = ["pytester"]

LOCK = "querybudget.lock"
HOLD = "--querybudget-lock"
UPDATE = (HOLD, "--querybudget-update")
TESTS = """
import pytest
from depot.orders import names, single
{0}
def test_names():
    assert len(names()) == 5
{0}
def test_single():
    single()
"""
ORDERS = """
from depot.models import Customer, Order, Session, engine, select

def names():
    with Session(engine) as session:
        return [order.customer.name for order in session.scalars(select(Order))]

def single():
    with Session(engine) as session:
        return session.scalar(select(Order.id).where(Order.id == 1))
"""
MOVED = """
from depot.models import Customer, Order, Session, engine, select


def single():
    '''One.'''
    with Session(engine) as session:
        return session.scalar(select(Order.id).where(Order.id == 1))


def names():
    '''All.'''
    with Session(engine) as session:
        orders = session.scalars(select(Order)).all()
        return [
            order.customer.name
            for order in orders
        ]
"""


@pytest.fixture
def project(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """An application below `src`, its tests, and a lock file that knows its loop."""
    monkeypatch.chdir(suite.path)
    # Files change within a second and keep their size, which compiled ones do not notice.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    shutil.move(suite.path / "shop.py", suite.path / "models.txt")
    suite.write("src/depot/__init__.py", "")
    suite.write("src/depot/models.py", (suite.path / "models.txt").read_text("utf-8"))
    suite.write("src/depot/orders.py", ORDERS)
    suite.write("tests/test_orders.py", TESTS.format(""))
    at(suite, suite.path / "src")
    assert suite.run("", *UPDATE).code == 0
    assert "no_n_plus_one Order.customer depot/orders.py::names" in lock(suite)
    return suite


def at(suite: Suite, home: Path) -> None:
    """Let the application be imported from a directory, in workers too."""
    suite.write("pytest.ini", f"[pytest]\npythonpath = {home}\n")


def lock(suite: Suite) -> str:
    """The text of the lock file."""
    return (suite.path / LOCK).read_text("utf-8")


def edit(suite: Suite, old: str, new: str) -> None:
    """Change the lock file by hand, as a person would."""
    text = lock(suite)
    assert old in text
    (suite.path / LOCK).write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_moved_lines_a_new_column_and_reordered_tests_change_nothing(project: Suite, workers: str) -> None:
    """The next run holds, and the next update writes the same bytes."""
    before = lock(project)
    models = (project.path / "src/depot/models.py").read_text("utf-8")
    column = '    secret: Mapped[str] = mapped_column(default="")\n'
    assert column in models
    project.write("src/depot/models.py", "\n\n" + models.replace(column, column + column.replace("secret", "email")))
    project.write("src/depot/orders.py", MOVED)
    head, first, second = TESTS.split("{0}")
    project.write("tests/test_orders.py", head + second + "\n\n" + first)
    done = project.run("", HOLD, "-n", workers)
    assert done.counts == {"passed": 2}
    assert "lock" not in done.text.partition("= query budget =")[2]
    project.run("", *UPDATE, "-n", workers)
    assert lock(project) == before


def test_an_installed_application_is_the_one_in_the_checkout(project: Suite, tmp_path: Path) -> None:
    """As tox runs it: the same package, imported from site-packages. Places are named as in the checkout."""
    before, site = lock(project), tmp_path / "lib/site-packages"
    here = project.run("", HOLD)
    shutil.copytree(project.path / "src/depot", site / "depot")
    at(project, site)
    installed = project.run("", *UPDATE)
    assert lock(project) == before
    found = [each.report["tests"][0]["findings"] for each in (here, installed)]
    assert [each["location"]["path"] for findings in found for each in findings] == ["src/depot/orders.py"] * 2
    assert found[0][0]["identity"] == found[1][0]["identity"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_count_ratchets(project: Suite, workers: str) -> None:
    """A known finding that grows fails, with the place and the numbers; one that shrinks is a gain."""
    text = (project.path / "src/depot/models.py").read_text("utf-8")
    project.write("src/depot/models.py", text.replace("range(5)", "range(20)"))
    project.write("tests/test_orders.py", TESTS.format("").replace("== 5", "> 0"))
    done = project.run("", HOLD, "-n", workers)
    assert done.counts == {"passed": 1, "failed": 1}
    assert "6 locked,    21 sent  (+15)" in done.text
    assert "5 -> 20 statements  no_n_plus_one" in done.text
    assert "src/depot/orders.py:6 in names" in done.text
    assert done.found("test_names") == ["NO_N_PLUS_ONE"]
    assert "1 finding, 1 failing" in done.text
    project.write("src/depot/models.py", text.replace("range(5)", "range(3)"))
    less = project.run("", HOLD)
    assert less.counts == {"passed": 2}
    assert "1 test below the lock (2 statements fewer)" in less.text


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("since = ", 'until = 2020-01-31, owner = "ana", reason = "in spring", since = ', "tolerated until 2020-01-31"),
        ("findings = ", "until = 2020-01-31, findings = ", "This test was tolerated until 2020-01-31"),
    ],
    ids=["debt", "test"],
)
def test_a_date_that_is_over_fails(project: Suite, old: str, new: str, said: str, workers: str) -> None:
    """In a debt as in the entry of a test; with a date to come, the reason and the date stand in the report."""
    edit(project, old, new)
    late = project.run("", HOLD, "-n", workers)
    assert late.counts == {"passed": 1, "failed": 1}
    assert said in late.text
    edit(project, "2020-01-31", "2999-01-31")
    due = project.run("", HOLD)
    assert due.counts == {"passed": 2}
    allowed = [each["allowed"] for each in due.tests["test_names"]["findings"]]
    assert [(each["source"], each["until"]) for each in allowed] == [("lock", "2999-01-31")]
    project.run("", *UPDATE)
    assert lock(project).count("until = 2999-01-31") == 1
    assert lock(project).count("ana") == new.count("ana")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_allowance_holds_until_its_date(project: Suite, workers: str) -> None:
    """On the day after, what it silenced fails in strict mode, and the allowance is reported."""
    allow = '@pytest.mark.allow_queries("no_n_plus_one", reason="in spring", until="{}")'
    project.write("tests/test_orders.py", TESTS.format(allow.format("2999-01-31")))
    assert project.run("", "--querybudget=strict").code == 0
    project.write("tests/test_orders.py", TESTS.format(allow.format("2020-01-31")))
    late = project.run("", "--querybudget=strict", "-n", workers)
    assert late.counts == {"passed": 1, "failed": 1}
    assert any("ended on 2020-01-31" in each for each in late.problems)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_last_failed_leaves_the_others_alone(project: Suite, workers: str) -> None:
    """`--lf` runs a part: no entry is dropped, and none is called stale, though its test is gone."""
    project.write("tests/test_more.py", TESTS.format("") + "def test_fails():\n    single()\n    assert 0\n")
    project.run("", *UPDATE)
    before = lock(project)
    assert before.count('"tests/') == 4
    (project.path / "tests/test_orders.py").unlink()
    done = project.run("", *UPDATE, "--lf", "-n", workers)
    assert done.counts == {"failed": 1}
    assert lock(project) == before
    assert "without a test" not in project.run("", HOLD, "--lf").text
    assert "2 entries of the lock without a test" in project.run("", HOLD, "-n", workers).text


@pytest.mark.parametrize("workers", ["0", "2"])
def test_stale_entries_can_fail(project: Suite, workers: str) -> None:
    """They are named; with `querybudget_lock_strict` the run does not succeed, and a part of the suite still does."""
    project.write("tests/test_orders.py", TESTS.format("").replace("test_single", "test_renamed"))
    done = project.run("", HOLD)
    assert (done.code, "tests/test_orders.py::test_single" in done.text) == (0, True)
    strict = ("-o", "querybudget_lock_strict=true")
    failed = project.run("", HOLD, *strict, "-n", workers)
    assert (failed.code, failed.counts) == (1, {"passed": 2})
    assert "the lock file names tests that no longer exist" in failed.text
    assert project.run("", HOLD, *strict, "-k", "names").code == 0
    project.run("", *UPDATE, *strict)
    assert project.run("", HOLD, *strict).code == 0


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[tests]\n", "[tests]\n<<<<<<< HEAD\n", ":10: an unresolved merge conflict (<<<<<<< HEAD)"),
        ("[tests]\n", "[tests\n", ":9: not valid TOML"),
        ("version = 1", "version = 7", ":4: written in version 7"),
        ("{ select = 1", "{ select = many", ": not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_read_ends_the_run(project: Suite, old: str, new: str, said: str, workers: str) -> None:
    """Once, before any test, with the line and the way out; and an update does not overwrite it."""
    edit(project, old, new)
    before = lock(project)
    for arguments in ((HOLD,), UPDATE):
        done = project.run("", *arguments, "-n", workers)
        assert done.code == pytest.ExitCode.USAGE_ERROR
        assert said in done.text
        assert "Traceback" not in done.text
    assert lock(project) == before


def test_runs_at_the_same_time_lose_nothing(project: Suite) -> None:
    """Four runs of a test each, started together, leave the lock that one run of all writes."""
    names = [f"test_{number}" for number in range(4)]
    functions = "".join(f"def {each}():\n    single()\n" for each in names)
    project.write("tests/test_orders.py", "from depot.orders import single\n" + functions)
    project.run("", *UPDATE)
    wanted = lock(project)
    (project.path / LOCK).unlink()
    command = [sys.executable, "-m", "pytest", *project.arguments(*UPDATE), "-p", "no:cacheprovider"]
    started = [
        subprocess.Popen([*command, f"tests/test_orders.py::{each}"], cwd=project.path, stdout=subprocess.DEVNULL)
        for each in names
    ]
    assert [each.wait(120) for each in started] == [0] * 4
    assert lock(project) == wanted
