"""What goes wrong around the plugin: full disks, interrupted runs, killed workers, forks, lost connections, others' faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .suites import Suite

pytest_plugins = ["pytester"]

TWO = "def test_one():\n    ask(1)\ndef test_two():\n    names()\n"


@pytest.fixture
def full(tmp_path: Path) -> str:
    """A path that can be opened and not written: the device that is always full."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - no path of a file
        pytest.skip("this system has no /dev/full")
    return "/dev/full"


@pytest.mark.parametrize("name", ["json", "html", "markdown", "sarif", "gitlab", "coverage"])
def test_a_report_on_a_full_disk(suite: Suite, full: str, name: str) -> None:
    """Tests end as they would, the other reports are written, the text names the file, and the session fails."""
    done = suite.run(TWO, f"--querybudget-report={name}:{full}")
    assert done.counts == {"passed": 2}
    assert done.code == pytest.ExitCode.TESTS_FAILED
    wanted = f"{full}: cannot write the {name} report: No space left on device"
    assert wanted in done.text
    assert list(done.tests) == ["test_one", "test_two"]


LIMITED = """
import resource
import signal
import pytest

# The innermost wrapper, for the output of pytest itself must still get through.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish():
    # Files of this process may not grow from here on, as on a disk that is full.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        return (yield)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
"""


def test_a_disk_that_fills_up(suite: Suite) -> None:
    """The old lock and the old report stay as they were, nothing is left beside them, and both are named."""
    pytest.importorskip("resource")
    options = ("--querybudget-lock=some.lock", "--querybudget-report=html:some.html")
    assert suite.run(TWO, *options, "--querybudget-update", subprocess=True).code == 0
    before = {name: (suite.path / name).read_bytes() for name in ("some.lock", "some.html", "report.json")}
    suite.write("conftest.py", LIMITED)
    suite.write("test_it.py", "import pytest\nfrom shop import *\n" + TWO + "def test_three():\n    ask(3)\n")
    result = suite.pytester.runpytest_subprocess(
        *suite.arguments(*options, "--querybudget-update"), "-p", "no:cacheprovider"
    )
    assert result.parseoutcomes() == {"passed": 3}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    for name in ("some.lock", "some.html", "report.json"):
        assert (suite.path / name).read_bytes() == before[name]
        assert any(
            name in line and ("cannot write" in line or "cannot be written" in line) for line in text.splitlines()
        ), name
    assert not list(suite.path.glob(".*.part"))


def test_a_directory_that_cannot_be_written(suite: Suite) -> None:
    """Neither a report nor the lock: both are named, and no test changes."""
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - no directory of this project
        pytest.skip("no directory here refuses the superuser too")
    done = suite.run(
        TWO, "--querybudget-report=html:/proc/some.html", "--querybudget-lock=/proc/some.lock", "--querybudget-update"
    )
    assert done.counts == {"passed": 2}
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert "/proc/some.html: cannot write the html report" in done.text
    assert "/proc/some.lock: cannot be written" in done.text


INTERRUPTED = """
import os, signal
def test_one():
    ask(1)
@pytest.mark.max_queries(1)
def test_two():
    ask(2)
    {how}
def test_three():
    ask(3)
"""
WAYS = {
    "ctrl-c": "os.kill(os.getpid(), signal.SIGINT)\n    ask(1)",
    "raised": "raise KeyboardInterrupt",
    "pytest.exit": "pytest.exit('enough')",
    "in a statement": "event.listen(engine, 'before_cursor_execute', lambda *_: signal.raise_signal(signal.SIGINT))\n    ask(1)",
}


@pytest.mark.parametrize(("way", "workers"), [*((way, "") for way in WAYS), ("ctrl-c", "-n1"), ("pytest.exit", "-n1")])
def test_an_interrupted_run(suite: Suite, way: str, workers: str) -> None:
    """Reports are whole and say that the run was interrupted; the lock loses nothing of what was not run."""
    options = ("--querybudget-lock=some.lock", "--querybudget-update", *filter(None, [workers]))
    suite.run(INTERRUPTED.format(how="pass"), *options, subprocess=True)
    lock = (suite.path / "some.lock").read_text("utf-8")
    assert "test_three" in lock
    html = "--querybudget-report=html:some.html"
    done = suite.run(INTERRUPTED.format(how=WAYS[way]), *options, html, subprocess=True)
    assert done.code == pytest.ExitCode.INTERRUPTED, done.text
    assert "INTERNALERROR" not in done.text
    assert "inside pytest-querybudget" not in done.text
    assert "test_one" in done.tests
    told = [each for each in done.report["problems"] if each["slug"] == "interrupted"]
    assert [each["text"] for each in told] == ["the run was interrupted: 2 of 3 tests are missing"]
    assert "the run was interrupted: 2 of 3 tests are missing" in done.text
    assert (suite.path / "some.html").read_text("utf-8").rstrip().endswith("</html>")
    assert (suite.path / "some.lock").read_text("utf-8") == lock
    assert not list(suite.path.glob(".*.part"))


def test_a_run_that_is_not_interrupted_says_nothing(suite: Suite) -> None:
    """Neither when it stops at the first failure, as it was told."""
    done = suite.run("def test_one():\n    raise OSError\ndef test_two():\n    ask(1)\n", "-x")
    assert done.problems == []


def test_a_killed_worker(suite: Suite) -> None:
    """The session goes on with another worker, the lost test is named, and the lock keeps its entry."""
    options = ("--querybudget-lock=some.lock", "--querybudget-update", "-n1")
    source = "import os, signal\ndef test_one():\n    ask(1)\ndef test_two():\n    ask(2)\n    {}\ndef test_three():\n    ask(3)\n"
    suite.run(source.format("pass"), *options, subprocess=True)
    lock = (suite.path / "some.lock").read_text("utf-8")
    done = suite.run(source.format("os.kill(os.getpid(), signal.SIGKILL)"), *options, subprocess=True)
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert {"test_one", "test_three"} <= set(done.tests)
    assert any(each["nodeid"] == "test_it.py::test_two" for each in done.report["problems"])
    assert "test_two" in (suite.path / "some.lock").read_text("utf-8")
    assert (suite.path / "some.lock").read_text("utf-8") == lock


FORKS = """
import multiprocessing, os, sys
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

def in_child(what):
    child = os.fork()
    if not child:
        code = 1
        try:
            what()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

@pytest.mark.max_queries(2, exact=True)
def test_fork():
    ask(1)
    in_child(lambda: ask(3))
    ask(1, "orders")

@pytest.mark.max_queries(1, exact=True)
def test_block_in_a_child(query_budget):
    def child():
        with query_budget(max_queries=3):
            ask(3)
    in_child(child)
    ask(1)

@pytest.mark.max_queries(1, exact=True)
def test_multiprocessing():
    ask(1)
    process = multiprocessing.get_context("fork").Process(target=ask, args=(3,))
    process.start()
    process.join()
    assert process.exitcode == 0

@pytest.mark.max_queries(1, exact=True)
def test_a_child_that_leaves_through_pytest():
    ask(1)
    child = os.fork()
    if not child:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        raise SystemExit
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork on this system")
def test_forks(suite: Suite) -> None:
    """A child's statements are its own; a child that leaves through pytest writes over no report of its parent."""
    done = suite.run(FORKS, subprocess=True)
    assert done.counts == {"passed": 4}, done.text
    assert done.problems == []
    assert [done.queries(name)[1] for name in sorted(done.tests)] == [1, 1, 2, 1]


CONNECTIONS = """
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

@pytest.fixture
def own(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path}/own.db", poolclass=QueuePool, pool_size=1, max_overflow=0)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    yield made
    made.dispose()

@pytest.mark.max_queries(3, exact=True)
def test_disposed(own):
    with own.connect() as connection:
        connection.exec_driver_sql("SELECT a FROM t")
        own.dispose()
        connection.exec_driver_sql("SELECT a, 2 FROM t")
    own.dispose()
    with own.connect() as connection:
        connection.exec_driver_sql("SELECT a, 3 FROM t")

@pytest.mark.max_queries(2, exact=True)
def test_invalidated(own):
    with own.connect() as connection:
        connection.exec_driver_sql("SELECT a FROM t")
        connection.invalidate()
        connection.rollback()
        connection.exec_driver_sql("SELECT a, 2 FROM t")

@pytest.mark.max_queries(1, exact=True)
def test_lost(own):
    with own.connect() as connection:
        connection.exec_driver_sql("SELECT a FROM t")
        connection.connection.dbapi_connection.close()
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT a, 2 FROM t")

@pytest.mark.max_queries(1, exact=True)
def test_invalidated_while_rows_are_read(own):
    connection = own.connect()
    rows = connection.execution_options(stream_results=True).execute(text("SELECT 1 AS b"))
    connection.invalidate()
    connection.close()
"""


def test_engines_disposed_and_connections_lost(suite: Suite) -> None:
    """Each statement counts once, errors are the application's own."""
    done = suite.run(CONNECTIONS)
    assert done.counts == {"passed": 4}, done.text
    assert done.problems == []


RECURSION = """
@pytest.fixture
def mine():
    made = connect()
    Base.metadata.create_all(made)
    return made

@pytest.mark.max_queries(4, exact=True)
def test_before_each_statement(mine):
    @event.listens_for(mine, "before_cursor_execute")
    def audit(connection, cursor, statement, parameters, context, executemany):
        if "audit" not in statement:
            connection.exec_driver_sql("SELECT 'audit'")
    with mine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        assert connection.execute(text("SELECT 1 + 1")).scalar() == 2

@pytest.mark.max_queries(4, exact=True)
def test_after_each_statement(mine):
    @event.listens_for(mine, "after_cursor_execute")
    def audit(connection, cursor, statement, parameters, context, executemany):
        if "audit" not in statement:
            with mine.connect() as other:
                assert other.execute(text("SELECT 'audit'")).scalar() == "audit"
    with mine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        assert connection.execute(text("SELECT 1 + 1")).scalar() == 2

@pytest.mark.max_queries(3, exact=True)
def test_in_place_of_a_statement(mine):
    @event.listens_for(mine, "do_execute")
    def instead(cursor, statement, parameters, context):
        if "nested" in statement:
            return None
        with mine.connect() as other:
            assert other.execute(text("SELECT 7 AS nested")).scalar() == 7
        if "twice" in statement:
            cursor.execute("SELECT 3")
            return True
    with mine.connect() as connection:
        assert connection.execute(text("SELECT 1 AS twice")).scalar() == 3
        connection.execute(text("SELECT 1 AS nested"))

@pytest.mark.max_queries(17, exact=True)
def test_loads_in_events_of_the_orm(mine):
    with Session(mine) as session:
        session.add_all([Customer(name=f"c{each}") for each in range(5)])
        session.flush()
        @event.listens_for(session, "do_orm_execute")
        def look(state):
            if state.is_select and not state.execution_options.get("inner"):
                session.execute(text("SELECT count(*) FROM customer"), execution_options={"inner": True}).scalar()
        @event.listens_for(Customer, "load")
        def load(customer, context):
            context.session.execute(text("SELECT max(id) FROM customer"), execution_options={"inner": True}).scalar()
        try:
            assert len(session.scalars(select(Customer).execution_options(populate_existing=True)).all()) == 5
            session.expunge_all()
            session.scalars(select(Customer).where(Customer.id < 4)).all()
        finally:
            event.remove(Customer, "load", load)

def test_a_listener_that_raises(mine):
    class Own(Exception):
        pass
    for name in ("before_cursor_execute", "after_cursor_execute"):
        def fail(*_):
            raise Own
        event.listen(mine, name, fail)
        with mine.connect() as connection, pytest.raises(Own):
            connection.execute(text("SELECT 1"))
        event.remove(mine, name, fail)
    def instead(cursor, statement, parameters, context):
        raise Own
    event.listen(mine, "do_execute", instead)
    with mine.connect() as connection, pytest.raises(Own):
        connection.execute(text("SELECT 1"))
"""


def test_listeners_that_send_statements_themselves(suite: Suite) -> None:
    """What they send counts like all else, once, and rows go to the statement that fetched them."""
    done = suite.run(RECURSION)
    assert done.counts == {"passed": 5}, done.text
    assert done.problems == []


HOOKS = {
    "pytest_runtest_setup(item)": "error",
    "pytest_runtest_teardown(item)": "error",
    "pytest_runtest_makereport(item)": "internal",
    "pytest_runtest_logreport(report)": "internal",
    "pytest_collection_modifyitems(items)": "internal",
    "pytest_sessionfinish(session)": "raised",
    "pytest_terminal_summary(terminalreporter)": "raised",
    "pytest_querybudget_reports()": "refused",
    "pytest_querybudget_plan_readers()": "refused",
}


@pytest.mark.parametrize("hook", HOOKS)
def test_another_plugin_that_fails_in_its_hooks(suite: Suite, hook: str) -> None:
    """It fails as it does without this one: same outcomes, same exit code, and its own error is shown."""
    suite.write("conftest.py", f"def {hook}:\n    raise RuntimeError('another plugin')\n")
    done = suite.run(TWO, subprocess=True)
    without = suite.pytester.runpytest_subprocess("-p", "no:querybudget", "-p", "no:pytest_querybudget.plugin")
    assert "RuntimeError: another plugin" in done.text
    if HOOKS[hook] == "refused":
        return
    assert done.code == without.ret
    assert _ends(done.result) == _ends(without)
    assert "inside the plugin" not in done.text


RENAMES = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    report = yield
    report.nodeid = report.nodeid.upper()
    return report
"""


def test_another_plugin_that_renames_reports(suite: Suite) -> None:
    """What a test sent is in the report all the same."""
    suite.write("conftest.py", RENAMES)
    done = suite.run(TWO)
    assert done.counts == {"passed": 2}
    assert [test["phases"]["call"]["queries"] > 0 for test in done.tests.values()] == [True, True]


TWICE = """
import os
import pytest

os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
for _ in range(2):
    assert pytest.main(["-W", "error", "-p", "pytest_querybudget.plugin", "test_nothing.py"]) == 0
"""


def test_two_runs_in_one_process(pytester: pytest.Pytester) -> None:
    """The second does not warn that the plugin was imported before it."""
    pytester.makepyfile(test_nothing="def test_nothing():\n    pass\n", twice=TWICE)
    done = pytester.runpython("twice.py")
    assert done.ret == 0


def _ends(result: pytest.RunResult) -> dict[str, int] | None:
    """What the last line counts, warnings left out; None where the run did not get as far as that line."""
    try:
        counts: dict[str, int] = result.parseoutcomes()
    except ValueError:
        return None
    return {name.rstrip("s"): number for name, number in counts.items() if not name.startswith("warning")}


def test_an_interrupt_while_reports_are_written(suite: Suite) -> None:
    """The file is as it was, and nothing is left beside it."""
    suite.write(
        "conftest.py",
        """
        import signal

        def pytest_querybudget_reports():
            return [Slow()]

        class Slow:
            name = "slow"
            def render(self, report):
                yield "half"
                signal.raise_signal(signal.SIGINT)
                yield "whole"
        """,
    )
    (suite.path / "some.slow").write_text("before")
    done = suite.run(TWO, "--querybudget-report=slow:some.slow", subprocess=True)
    assert done.code != pytest.ExitCode.OK
    assert (suite.path / "some.slow").read_text() == "before"
    assert not list(suite.path.glob(".*.part"))
