"""What a test does keeps its meaning: failures, skips, xfail, and what runs of a part of a suite do."""

from __future__ import annotations

import pytest

from .suites import Suite

pytest_plugins = ["pytester"]


def test_a_failing_test_keeps_its_own_failure(suite: Suite) -> None:
    """The budget says nothing then, and the findings are reported all the same."""
    done = suite.run(
        """
        @pytest.mark.max_queries(1)
        def test_fails():
            names()
            assert 1 == 2, "its own"
        @pytest.mark.max_queries(1)
        def test_skips():
            names()
            pytest.skip("its own")
        @pytest.fixture
        def broken():
            ask(1)
            raise OSError("its own setup")
        @pytest.mark.max_queries(1)
        def test_setup(broken):
            pass
        @pytest.fixture
        def broken_end():
            yield
            raise OSError("its own teardown")
        @pytest.mark.max_queries(1)
        def test_teardown(broken_end):
            ask(2)
        """,
        "--querybudget=strict",
    )
    outcomes = {name: each["outcome"] for name, each in done.tests.items()}
    assert outcomes == {
        "test_fails": "failed",
        "test_skips": "skipped",
        "test_setup": "error",
        "test_teardown": "error",
    }
    assert "AssertionError: its own" in done.text
    assert "its own setup" in done.text and "its own teardown" in done.text
    assert set(map(str.lower, done.found("test_fails"))) == {"max_queries", "no_n_plus_one"}
    assert done.text.count("max_queries: expected at most 1 query, got 2") >= 1
    assert "got 6" not in done.text.partition("= query budget =")[0]


def test_what_does_not_fail_the_test_counts_as_failing_nowhere(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expected failure, and a test that skips itself in the end, leave the run green: no report has an error."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    source = """
        @pytest.mark.xfail
        @pytest.mark.max_queries(1)
        def test_expected(): ask(2)
        @pytest.mark.max_queries(1)
        def test_skips():
            ask(2)
            pytest.skip("late")
        @pytest.mark.xfail
        @pytest.mark.max_queries(1, phase="setup")
        def test_expected_setup(arranged): pass
        @pytest.fixture
        def arranged(): ask(2)
        """
    done = suite.run(source)
    assert done.counts == {"xfailed": 2, "skipped": 1}
    assert [done.found(name) for name in done.tests] == [["max_queries"]] * 3
    assert done.report["totals"]["failed"] == 0
    assert "::error" not in done.text and "::warning" in done.text
    run = suite.run(source, "--runxfail", "--querybudget=strict")
    assert [name for name in run.tests if run.found(name) == ["MAX_QUERIES"]] == [
        "test_expected",
        "test_expected_setup",
    ]


def test_xfail_keeps_its_meaning(suite: Suite) -> None:
    """An exceeded budget is an expected failure; a strict xfail that passes and keeps its budget fails."""
    done = suite.run(
        """
        @pytest.mark.xfail
        @pytest.mark.max_queries(1)
        def test_exceeded():
            ask(2)
        @pytest.mark.xfail(strict=True)
        @pytest.mark.max_queries(1)
        def test_exceeded_strictly():
            ask(2)
        @pytest.mark.xfail(strict=True, raises=AssertionError)
        @pytest.mark.max_queries(1)
        def test_exceeded_as_an_assertion():
            ask(2)
        @pytest.mark.xfail(strict=True)
        @pytest.mark.max_queries(2)
        def test_kept():
            ask(2)
        @pytest.mark.xfail(strict=True)
        def test_found_but_not_declared():
            names()
        @pytest.mark.xfail(raises=KeyError)
        @pytest.mark.max_queries(1)
        def test_other_reason():
            ask(2)
        """
    )
    assert {name: each["outcome"] for name, each in done.tests.items()} == {
        "test_exceeded": "xfailed",
        "test_exceeded_strictly": "xfailed",
        "test_exceeded_as_an_assertion": "xfailed",
        "test_kept": "failed",
        "test_found_but_not_declared": "failed",
        "test_other_reason": "failed",
    }
    assert "[XPASS(strict)]" in done.text


MODES = """
def test_loop():
    names()
@pytest.mark.max_queries(1)
def test_declared():
    ask(2)
def test_clean():
    ask(2)
@pytest.mark.no_n_plus_one
def test_declared_loop():
    names()
"""


def test_modes(suite: Suite) -> None:
    """`report` fails what is declared, `strict` what is found as well, and `off` nothing."""
    suite.write("test_it.py", "import pytest\nfrom shop import *\n" + MODES)
    assert suite.run().counts == {"passed": 2, "failed": 2}
    assert suite.run("", "--querybudget=report").counts == {"passed": 2, "failed": 2}
    strict = suite.run("", "--querybudget=strict")
    assert strict.counts == {"passed": 1, "failed": 3}
    assert strict.found("test_loop") == ["NO_N_PLUS_ONE"]
    off = suite.run("", "--querybudget=off", "--strict-markers")
    assert (off.counts, off.report, "query budget" in off.text) == ({"passed": 4}, {}, False)
    suite.write("pytest.ini", "[pytest]\nquerybudget_mode = strict\n")
    assert suite.run().counts == {"passed": 1, "failed": 3}
    assert suite.run("", "--querybudget=report").counts == {"passed": 2, "failed": 2}


def test_a_run_that_stops_early(suite: Suite) -> None:
    """`-x` stops at an exceeded budget, `--lf` runs it again, and the report holds what was run."""
    suite.write("test_it.py", "import pytest\nfrom shop import *\n" + MODES)
    done = suite.run("", "-x")
    assert done.counts == {"passed": 1, "failed": 1}
    assert list(done.tests) == ["test_declared", "test_loop"]
    done = suite.run("", "--lf")
    assert list(done.tests) == ["test_declared"]
    assert done.counts == {"failed": 1}


def test_without_the_plugin(suite: Suite) -> None:
    """`-p no:` leaves nothing behind but markers that pytest does not know."""
    done = suite.run("def test_it():\n    names()\n    assert list(engine.dialect.dispatch.do_execute) == []\n")
    assert done.counts == {"failed": 1}, "the listener is there when the plugin is"
    name = (
        "querybudget"
        if suite.arguments()[0] == "-p" and "pytest_querybudget.plugin" not in suite.arguments()
        else "pytest_querybudget.plugin"
    )
    # In a process of its own, for the run around this one may listen as well.
    result = suite.pytester.runpytest_subprocess("-p", f"no:{name}")
    result.assert_outcomes(passed=1)


def test_without_the_terminal(suite: Suite) -> None:
    """`-p no:terminal` prints nothing, and reports and exit codes are the same."""
    done = suite.run("@pytest.mark.max_queries(1)\ndef test_it():\n    ask(2)\n", "-p", "no:terminal")
    assert done.code == pytest.ExitCode.TESTS_FAILED
    assert done.found("test_it") == ["MAX_QUERIES"]


def test_several_engines(suite: Suite) -> None:
    """Statements of every engine of the process count, of one that is made in the test as well."""
    done = suite.run(
        """
        other = connect()
        @pytest.mark.max_queries(3, exact=True)
        def test_it():
            ask(1)
            third = connect()
            for each in (other, third):
                with each.connect() as connection:
                    connection.execute(text("SELECT 1"))
        """
    )
    assert done.counts == {"passed": 1}


ALLOWED = """
import service

@pytest.mark.allow_queries("no_n_plus_one", reason="one page", until="2999-01-31")
def test_marker():
    names()
@pytest.mark.allow_queries("no_n_plus_one", until="2020-01-31")
def test_past():
    names()
@pytest.mark.allow_queries("no_n_plus_one", match="*shop.py:*")
def test_match():
    names()
@pytest.mark.allow_queries("no_n_plus_one", match="orders")
def test_other_match():
    names()
@pytest.mark.allow_queries("*")
def test_all():
    names()
@pytest.mark.allow_queries("max_queries")
@pytest.mark.max_queries(1)
def test_budget():
    ask(2)

@pytest.mark.allow_queries("no_n_plus_one")
class TestClass:
    def test_used(self):
        names()
    def test_not_used(self):
        ask(1)

@pytest.mark.allow_queries("max_rows")
class TestStale:
    def test_one(self):
        ask(1)
    def test_two(self):
        ask(1)

@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.allow_queries("no_n_plus_one")
def test_parameters(n):
    names() if n == 1 else ask(1)
@pytest.mark.allow_queries("no_n_plus_one")
def test_that_fails():
    assert 0

@pytest.mark.parametrize("name", ["line", "definition", "statement", "several", "future", "past", "other", "starred", "badly", "unused"])
def test_comment(name):
    getattr(service, name)()
"""
SERVICE = """
from shop import *

def rows():
    return Session(engine).scalars(select(Order)).all()
def line():
    return [
        each.customer.name  # querybudget: allow[no_n_plus_one] one page only
        for each in rows()
    ]
def definition():  # querybudget: allow[no_n_plus_one]
    for each in rows():
        each.customer.name
def statement():
    for each in rows():
        str(
            each.customer.name
        )  # querybudget: allow[no_n_plus_one]
def several():
    for each in rows():
        each.customer.name  # querybudget: allow[no_repeated_queries, no_n_plus_one] both
def future():
    for each in rows():
        each.customer.name  # querybudget: allow[no_n_plus_one] until 2999-01-31
def past():
    for each in rows():
        each.customer.name  # querybudget: allow[no_n_plus_one] until=2020-01-31
def other():
    for each in rows():
        each.customer.name  # querybudget: allow[no_write_loops]
def starred():
    for each in rows():
        each.customer.name  # querybudget: allow[*]
def badly():
    for each in rows():
        each.customer.name  # querybudget: allow[no_n_plus_on] until 2020-13-41
def unused():
    return rows()  # querybudget: allow[no_n_plus_one] nothing any more
def never_called():
    for each in rows():
        each.customer.name  # querybudget: allow[no_n_plus_one]
"""
FAILS = {
    "test_past",
    "test_other_match",
    "test_that_fails",
    "test_comment[past]",
    "test_comment[other]",
    "test_comment[badly]",
}


def comment(function: str) -> str:
    """The place of the comment in a function of the service."""
    lines = SERVICE.splitlines()
    start = lines.index(f"def {function}():")
    return f"service.py:{next(number for number in range(start, len(lines)) if '# querybudget' in lines[number]) + 1}"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_allowances(suite: Suite, workers: str) -> None:
    """Markers and comments silence what they name until their end, and are stale when they silence nothing at all."""
    suite.write("service.py", SERVICE)
    done = suite.run(ALLOWED, "--querybudget=strict", *(["-n", workers] if workers != "0" else []))
    assert {name for name, each in done.tests.items() if each["outcome"] != "passed"} == FAILS, done.text
    allowed = done.tests["test_marker"]["findings"][0]["allowed"]
    assert allowed == {"reason": "one page", "source": "marker", "until": "2999-01-31"}
    allowed = done.tests["test_comment[line]"]["findings"][0]["allowed"]
    assert (allowed["reason"], allowed["source"]) == ("one page only", comment("line"))
    assert sorted(done.problems) == sorted(
        f"stale-allowance: {each}"
        for each in (
            'allow_queries("no_n_plus_one") at test_it.py::test_past ended on 2020-01-31',
            'allow_queries("no_n_plus_one", match="orders") at test_it.py::test_other_match silences nothing',
            'allow_queries("max_rows") at test_it.py::TestStale silences nothing',
            f"allow[no_n_plus_one] at {comment('past')} ended on 2020-01-31",
            f"allow[no_write_loops] at {comment('other')} silences nothing",
            f"{comment('badly')} allow[no_n_plus_on] names no rule",
            f"{comment('badly')} 2020-13-41 is no date",
            f"allow[no_n_plus_one] at {comment('unused')} silences nothing",
        )
    )


def test_switched_off_it_imports_no_rule(pytester: pytest.Pytester) -> None:
    """`--querybudget=off` costs nothing: neither rules nor capture nor SQLAlchemy are imported."""
    pytester.makepyfile(
        """
        import sys
        import pytest
        @pytest.mark.max_queries(1)
        @pytest.mark.allow_queries("no_n_plus_one", reason="known")
        def test_it():
            ours = {each for each in sys.modules if each.startswith("pytest_querybudget.")}
            rooms = {each.split(".")[1] for each in ours - {"pytest_querybudget.rules.registry"}}
            assert rooms <= {"plugin", "start", "settings", "errors", "hookspecs", "rules", "values"}
            assert not any(each.startswith("pytest_querybudget.rules.") for each in ours - {"pytest_querybudget.rules.registry"})
            assert "sqlalchemy" not in sys.modules
        """
    )
    done = pytester.runpytest_subprocess("--querybudget=off", "--strict-markers", "-p", "no:randomly")
    done.assert_outcomes(passed=1)


def test_pytest_is_passed_by_once(pytester: pytest.Pytester) -> None:
    """Its modules are found without pytest, which would parse each of them; a suite that reloads it changes nothing."""
    pytester.makepyfile(
        """
        import importlib, subprocess, sys
        import pytest_querybudget
        COUNT = "sum(getattr(each, '__module__', '') == 'pytest_querybudget' for each in sys.meta_path)"
        def test_it():
            importlib.reload(pytest_querybudget)
            assert eval(COUNT) == 1
            from pytest_querybudget import compare
            assert type(compare.__loader__).__name__ == "SourceFileLoader"
            alone = [sys.executable, "-c", f"import sys, pytest_querybudget; sys.exit({COUNT})"]
            assert subprocess.run(alone).returncode == 0
        """
    )
    done = pytester.runpytest_subprocess("-p", "no:randomly")
    done.assert_outcomes(passed=1)


def test_an_error_of_the_application_is_left_as_it_is(suite: Suite) -> None:
    """Whatever an application's own error calls `exceptions`: it is no group, and asking it may do anything."""
    done = suite.run(
        """
        class Number(Exception):
            exceptions = 3
        class Words(Exception):
            exceptions = ("not", "errors")
        class Rude(Exception):
            @property
            def exceptions(self):
                raise RuntimeError("do not ask")
        @pytest.mark.parametrize("error", [Number, Words, Rude])
        def test_it(error):
            raise error("its own")
        """,
        head="import pytest\n",
    )
    assert done.counts == {"failed": 3}
    assert done.text.count(": its own") >= 3
    assert done.problems == []
