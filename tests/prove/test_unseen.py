"""Nobody sees the second run: the user's reports, other plugins, and the tests that come after it."""

from __future__ import annotations

import re

import pytest

from tests.plugin.suites import RERUNS, Suite

from .test_proofs import MODELS

TESTS = """
    import logging, sys, threading, warnings

    @pytest.mark.parametrize("number", [1, 2])
    def test_wasteful(session, tmp_path, monkeypatch, record_property, caplog, capsys, request, number):
        record_property("number", number)
        monkeypatch.setenv("CANARY", "sings")
        request.addfinalizer(lambda: print("finalized"))
        request.node.add_marker("canary")
        assert tmp_path.name.startswith(f"test_wasteful_{number}_")
        print("printed")
        assert capsys.readouterr().out == "printed\\n"
        warnings.warn("warned")
        logging.getLogger("app").warning("logged")
        assert caplog.messages == ["logged"]
        print("to the terminal")
        assert [len(each.items) for each in session.scalars(select(Order))] == [2] * 5

    def test_noisy(session):
        print("printed")
        print("shouted", file=sys.stderr)
        logging.getLogger("app").warning("logged")
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        assert [len(each.items) for each in session.scalars(select(Order))] == [2] * 5

    def test_directory(tmp_path):
        assert tmp_path.name == "test_directory0"

    class TestAfterwards:
        def test_wasteful_1_(self, tmp_path):
            assert tmp_path.name == "test_wasteful_1_1"

    def test_failing():
        print("said before it failed")
        assert False
"""

CONFTEST = """
    import pytest

    class Watcher:
        def pytest_runtest_setup(self, item):
            note("setup", item)
        def pytest_runtest_call(self, item):
            note("call", item)
        def pytest_runtest_teardown(self, item):
            note("teardown", item)
        def pytest_runtest_logreport(self, report):
            note(f"report {report.when}", report)
        def pytest_runtest_makereport(self, item, call):
            note("makereport", item)

    def note(what, whose):
        with open("seen.txt", "a") as seen:
            seen.write(f"{what} {whose.nodeid}\\n")

    def pytest_configure(config):
        config.pluginmanager.register(Watcher())
"""


def stable(text: str) -> str:
    """What is printed, without what differs from run to run, and without the section of this plugin."""
    text = re.sub(r"=+ query budget =+.*?(?=\n=+ )", "", text, flags=re.DOTALL)
    text = re.sub(r"\d+\.\d+s\b|0x[0-9a-f]+|pytest-\d+|Thread-\d+", "…", text)
    # The slowest are not the same each time: how many phases there are is what counts.
    text = re.sub(r"(?m)^… (setup|call|teardown) .*", "… a phase", text)
    return re.sub(r"(?m)^(running|rootdir|     in|cachedir|.*popen-gw).*\n|=+", "", text)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-v", "-rA", "--durations=0", "--durations-min=0"),
        ("-s",),
        ("--capture=tee-sys",),
        ("-o", "log_cli=true"),
        ("-n", "1", "-rA"),
        (*RERUNS, "--reruns", "1"),
        ("-x",),
    ],
    ids=lambda each: " ".join(each) or "plain",
)
def test_output_and_reports_are_the_same(suite: Suite, arguments: tuple[str, ...]) -> None:
    """Terminal, JUnit, and what another plugin sees of hooks and reports."""
    suite.write("conftest.py", CONFTEST)
    seen, printed, xml = [], [], []
    for options in ((), ("--querybudget-prove",)):
        given = [*arguments, *options, "--junit-xml=junit.xml", "-p", "no:cacheprovider"]
        outcome = suite.run(TESTS, *given, subprocess=True, head=MODELS)
        assert outcome.counts.get("passed") == 5, outcome.text
        file = suite.path / "seen.txt"
        # Under pytest-xdist two processes write at the same time.
        lines = file.read_text().splitlines()
        seen.append(sorted(lines) if "-n" in arguments else lines)
        file.unlink()
        printed.append(stable(outcome.text))
        xml.append(
            re.sub(
                r'time(stamp)?="[^"]*"|0x[0-9a-f]+|value="[0-9.e-]+"|runpytest-[0-9]+',
                "",
                (suite.path / "junit.xml").read_text(),
            )
        )
    found = [each["proof"] for test in outcome.report["tests"] for each in test["findings"]]
    live = "log_cli=true" in arguments
    assert [each["verdict"] for each in found] == ["proven", *(["untried"] * 2 if live else ["proven"] * 2)]
    assert seen[1] == seen[0]
    assert printed[1] == printed[0]
    assert xml[1] == xml[0]


def test_statements_and_budgets_are_those_of_the_first_run(suite: Suite) -> None:
    body = """
        @pytest.mark.max_queries(6)
        def test_work(session):
            [each.items for each in session.scalars(select(Order))]
    """
    entries = []
    for options in ((), ("--querybudget-prove",)):
        (entry,) = suite.run(body, *options, head=MODELS).tests.values()
        entries.append(
            {key: entry[key] for key in ("outcome", "budget")} | {"queries": entry["phases"]["call"]["queries"]}
        )
    assert entries[0] == entries[1]


def test_fixtures_of_the_function_are_made_anew_and_wider_ones_kept(suite: Suite) -> None:
    body = """
        made = []

        @pytest.fixture(scope="module")
        def wide():
            made.append("wide")
            yield connect()
            made.append("wide ends")

        @pytest.fixture
        def narrow(wide):
            made.append("narrow")
            with Session(wide) as session:
                yield session
            made.append("narrow ends")

        def test_work(narrow):
            [each.items for each in narrow.scalars(select(Order))]

        def test_made(wide):
            assert made == ["wide", "narrow", "narrow ends", "narrow", "narrow ends"]
    """
    outcome = suite.run(body, "--querybudget-prove", head=MODELS)
    assert outcome.counts == {"passed": 2}, outcome.text
    assert "(proven)" in outcome.text


def test_hooks_of_the_suite_take_part(suite: Suite) -> None:
    """What a conftest does before each test is a part of the test."""
    suite.write(
        "conftest.py",
        """
        import pytest
        def pytest_runtest_setup(item):
            item.ready = True
        def pytest_runtest_teardown(item):
            item.ready = False
        """,
    )
    body = """
        def test_work(session, request):
            assert request.node.ready
            [each.items for each in session.scalars(select(Order))]
    """
    assert "(proven)" in suite.run(body, "--querybudget-prove", head=MODELS).text
