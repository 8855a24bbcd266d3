"""The `querybudget` command, as a user calls it: what it prints at 80 columns, and its exit status."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

import pytest_querybudget
from pytest_querybudget.cli import main, parser
from pytest_querybudget.cli.console import Console, UsageError
from pytest_querybudget.cli.ruling import catalogue, folded, page
from pytest_querybudget.lock.store import read, update_file
from pytest_querybudget.reports.document import Problem, Report
from pytest_querybudget.reports.json import dumps, load
from tests.lock.pinned import assert_golden
from tests.lock.sample import entry, finding, lean, report, statement, wasteful

GOLDEN = Path(__file__).parent / "golden"
TODAY = date(2026, 11, 23)
Run = Callable[..., tuple[int, str, str]]

HOSTILE = entry(
    "tests/test_hostile.py::test_[|`<b>\x1b[31m]",
    statement(sql="SELECT '\x1b[2J|`</details>' FROM orders " + "x" * 300, count=3),
)
BASE = report(
    lean(),
    wasteful("tests/test_orders.py::test_page", 40),
    wasteful("tests/test_export.py::test_export", 3),
    lean("tests/test_old.py::test_gone"),
    lean("tests/test_orders.py::test_flaky"),
    replace(HOSTILE, statements=(), phases={}),
)
HEAD = report(
    replace(wasteful(), findings=(finding(rule="no_repeated_queries", relationship=None, fix="keep the value"),)),
    lean("tests/test_orders.py::test_page"),
    wasteful("tests/test_export.py::test_export", 4),
    lean("tests/test_new.py::test_new"),
    lean("tests/test_orders.py::test_flaky", outcome="failed"),
    HOSTILE,
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(arguments, today=TODAY)
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def save(name: str, value: Report) -> str:
    Path(name).write_text(dumps(value), "utf-8")
    return name


def test_compare_as_a_table(run: Run) -> None:
    """Totals, tests, places, statements, findings; 1 on a regression."""
    status, out, err = run("compare", save("base.json", BASE), save("head.json", HEAD), "--tolerance", "5%")
    assert (status, err) == (1, "")
    assert_golden(GOLDEN / "compare.txt", out)


def test_compare_as_markdown(run: Run) -> None:
    """For a comment: no markup of a statement gets through."""
    status, out, _ = run("compare", save("base.json", BASE), save("head.json", HEAD), "--format=markdown")
    assert status == 1
    assert_golden(GOLDEN / "compare.md", out, width=None)
    assert "\x1b" not in out


def test_compare_as_json(run: Run) -> None:
    """Everything, for programs."""
    status, out, _ = run("compare", save("base.json", BASE), save("head.json", HEAD), "--format=json")
    plain = json.loads(out)
    assert status == 1
    assert plain["regressions"] == 4
    assert plain["totals"]["queries"]["percent"] == pytest.approx(28.57, abs=0.01)
    assert (plain["totals"]["queries"]["base"], plain["totals"]["queries"]["head"]) == (49, 63)
    assert plain["added"] == ["tests/test_new.py::test_new"]


def test_compare_of_equal_runs(run: Run) -> None:
    """Nothing to say, and 0."""
    name = save("base.json", report(lean()))
    status, out, _ = run("compare", name, name)
    assert status == 0
    assert_golden(GOLDEN / "compare_equal.txt", out)


def test_compare_shows_the_largest_growth_and_the_largest_gain(run: Run) -> None:
    """A long list of growth does not hide a gain."""
    base = report(*(entry(f"t::{n:02}", statement(count=1000 if n == 7 else 10)) for n in range(30)))
    head = report(*(entry(f"t::{n:02}", statement(count=1 if n == 7 else 11 + n)) for n in range(30)))
    _, out, _ = run("compare", save("base.json", base), save("head.json", head), "--top=3")
    assert "t::07" in out
    assert "… and 27 more (--top=0 shows all)" in out
    _, out, _ = run("compare", "base.json", "head.json", "--top=0")
    assert "t::01" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "querybudget: error: base.json: cannot read the report: No such file or directory"),
        ("{", "querybudget: error: base.json:1: not valid JSON: "),
        ("[]", "querybudget: error: base.json: not a querybudget report"),
        ('{"version": 9, "tests": []}', "querybudget: error: base.json: written in version 9"),
    ],
)
def test_a_report_that_cannot_be_read_is_an_error(run: Run, content: str | None, said: str) -> None:
    """One line, 2, and nothing on the output."""
    if content is not None:
        Path("base.json").write_text(content, "utf-8")
    status, out, err = run("compare", "base.json", "base.json")
    assert (status, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("compare", "a.json"), "the following arguments are required: HEAD.json"),
        (("compare", "a", "b", "--tolerance", "much"), "expected percent, queries or both, such as 5%, 3 or 5%,3"),
        (("compare", "a", "b", "--top", "-1"), "expected a number from 0, got '-1'"),
        (("lock",), "the following arguments are required: ACTION"),
        (("nonsense",), "invalid choice: 'nonsense'"),
    ],
)
def test_wrong_use_is_an_error(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """It says what was wrong and what is allowed."""
    status, _, err = run(*arguments)
    assert status == 2
    assert said in err


@pytest.mark.parametrize(
    "arguments",
    [(), ("compare",), ("report",), ("merge",), ("rules",), ("lock",)]
    + [("lock", each) for each in ("check", "update", "prune", "debts", "resolve")],
    ids=" ".join,
)
def test_help_fits_on_the_screen(run: Run, arguments: tuple[str, ...]) -> None:
    """And comes without an error."""
    status, out, _ = run(*arguments, "--help")
    assert status == 0
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_report_prints_and_writes(run: Run) -> None:
    """Markdown by default; any format to a file or to the output."""
    name = save("run.json", HEAD)
    status, out, _ = run("report", name)
    assert (status, out.startswith("## ")) == (0, True)
    status, out, _ = run("report", name, "json:again.json", "html:out/page.html")
    assert status == 0
    assert out.splitlines()[0].startswith("json report: again.json (")
    assert load("again.json") == load(name)
    assert "<html" in Path("out/page.html").read_text("utf-8")
    assert run("report", name, "json:-")[1] == Path(name).read_text("utf-8")


@pytest.mark.parametrize("target", ["word:x.doc", "word", "word:-"])
def test_report_of_an_unknown_format(run: Run, target: str) -> None:
    """It lists the formats and writes nothing, not even those that it knows."""
    name = save("run.json", HEAD)
    status, out, err = run("report", name, "json:again.json", target)
    assert (status, out) == (2, "")
    assert "json, html, markdown, sarif, gitlab, coverage" in err
    assert not Path("again.json").exists()


def test_merge_is_one_report_one_summary_one_lock_check(run: Run) -> None:
    """Each test counted once."""
    update_file(Path("querybudget.lock"), BASE.tests, today=TODAY)
    shards = [save("a.json", replace(HEAD, tests=HEAD.tests[:4])), save("b.json", replace(HEAD, tests=HEAD.tests[2:]))]
    status, out, _ = run("merge", *shards, "--output", "all.json", "--lock", "--full")
    assert status == 1
    assert len(load("all.json").tests) == len(HEAD.tests)
    assert_golden(GOLDEN / "merge.txt", "\n".join(out.splitlines()[1:]) + "\n")


def test_lock_check(run: Run) -> None:
    """0 for the run that wrote it, 1 for a worse one, 2 without a file."""
    name = save("base.json", BASE)
    assert run("lock", "check", name)[0] == 2
    status, out, _ = run("lock", "update", name)
    assert (status, out) == (0, "querybudget.lock: 6 added (6 tests)\n")
    assert run("lock", "check", name) == (0, "querybudget.lock: 6 tests held, 0 failed\n", "")
    assert run("lock", "check") == (0, "querybudget.lock: 6 tests, 1 known finding\n", "")
    assert run("lock", "check", save("head.json", HEAD))[0] == 1


def test_lock_check_names_stale_entries_and_fails_when_asked(run: Run) -> None:
    """A test that is gone is no failure by itself."""
    run("lock", "update", save("base.json", BASE))
    part = save("part.json", report(*BASE.tests[1:]))
    assert run("lock", "check", part)[:2] == (0, "querybudget.lock: 5 tests held, 0 failed\n")
    status, out, _ = run("lock", "check", part, "--full")
    assert (status, "tests/test_orders.py::test_list" in out) == (0, True)
    assert run("lock", "check", part, "--strict-stale")[0] == 1


def test_lock_prune(run: Run) -> None:
    """First to look at, then in earnest."""
    run("lock", "update", save("base.json", BASE))
    part = save("part.json", report(*BASE.tests[1:]))
    before = Path("querybudget.lock").read_bytes()
    status, out, _ = run("lock", "prune", part, "--dry-run")
    assert (status, Path("querybudget.lock").read_bytes()) == (0, before)
    assert out == "tests/test_orders.py::test_list\nquerybudget.lock: 1 would be dropped (5 tests left)\n"
    assert run("lock", "prune", part)[1].endswith("querybudget.lock: 1 dropped (5 tests left)\n")
    assert len(read(Path("querybudget.lock")).tests) == 5


def test_lock_debts(run: Run) -> None:
    """The oldest first, of one owner if asked; overdue ones fail the check."""
    Path("querybudget.lock").write_text(
        'version = 1\n[debts]\n"r a p" = { since = 2025-01-01, owner = "bi", until = 2026-01-01, reason = "v2" }\n'
        '"r b p" = { since = 2024-01-01 }\n[tests]\n"t::a" = { findings = { "r a p" = 3, "r b p" = 9 } }\n',
        "utf-8",
    )
    status, out, _ = run("lock", "debts")
    assert status == 0
    assert_golden(GOLDEN / "debts.txt", out)
    assert run("lock", "debts", "--top=1")[1].startswith("r b p\n")
    assert run("lock", "debts", "--owner=bi")[1].startswith("r a p\n")
    assert run("lock", "debts", "--owner=ops")[1] == "querybudget.lock: no debts of ops\n"
    status, out, _ = run("lock", "check")
    assert (status, "1 overdue:" in out) == (1, True)


def test_lock_resolve(run: Run) -> None:
    """The conflict that `check` names is mended by the command that it names."""
    Path("querybudget.lock").write_text(
        'version = 1\n[tests]\n<<<<<<< HEAD\n"t::a" = { select = 3 }\n=======\n"t::a" = { select = 2 }\n>>>>>>> b\n',
        "utf-8",
    )
    status, _, err = run("lock", "check")
    assert status == 2
    assert "querybudget.lock:3: an unresolved merge conflict (<<<<<<< HEAD): `querybudget lock resolve`" in err
    assert run("lock", "resolve")[0] == 0
    assert read(Path("querybudget.lock")).tests["t::a"].kinds == {"select": 3}


class Rule:
    """A rule as the catalogue sees it."""

    name = "no_n_plus_one"
    summary = "One query per row of an earlier result: lazy loads,\n    and single selects in a loop, of whatever kind they are."
    documentation = "\n## What it does\n\nFinds loops.\n"


def test_a_page_is_folded_to_the_terminal_but_for_its_code() -> None:
    prose = "A sentence that has more words than one line of a terminal takes, and so has to go on in the next one."
    item = "- `per=`: an option whose text goes on\n  in the next line, and then is folded once more with all of it."
    code = f"```python\nx = {'1 + ' * 30}1\n```"
    table = f"| {'cell | ' * 20}|"
    made = folded(f"## Title\n\n{prose}\n{item}\n- two\n\n{code}\n\n{table}", 60)
    assert made.startswith(
        "## Title\n\n"
        "A sentence that has more words than one line of a terminal\n"
        "takes, and so has to go on in the next one.\n"
        "- `per=`: an option whose text goes on in the next line, and\n"
        "  then is folded once more with all of it.\n"
        "- two\n\n```python\n"
    )
    assert made.endswith(f"{code}\n\n{table}")


def test_the_version_is_said(run: Run) -> None:
    """That of the package."""
    status, out, _ = run("--version")
    assert (status, out) == (0, f"querybudget {version('pytest-querybudget')}\n")


def test_rules_are_listed_and_explained() -> None:
    """In columns, with a hint for a name that is nearly right."""
    assert list(catalogue([Rule()])) == [
        "no_n_plus_one  One query per row of an earlier result: lazy loads, and single",
        "               selects in a loop, of whatever kind they are.",
    ]
    assert page([Rule()], "no-n-plus-one").startswith("no_n_plus_one\n=============\n\n## What it does")
    with pytest.raises(UsageError, match=r"no rule 'n_plus_one': did you mean no_n_plus_one\?"):
        page([Rule()], "n_plus_one")
    with pytest.raises(UsageError, match="`querybudget rules` lists them"):
        page([Rule()], "zzz")


def test_the_catalogue_is_that_of_the_package(run: Run) -> None:
    """Every rule has a line that fits on the screen and a page of its own."""
    status, out, _ = run("rules")
    assert status == 0
    assert [line for line in out.splitlines() if len(line) > 80] == []
    for name in [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]:
        explained = run("rules", name)[1]
        assert "## What it does" in explained
        code = explained.split("```")[::2]
        assert [each for part in code for each in part.splitlines() if len(each) > 80] == []
    status, out, err = run("rules", "no_n_plus_on")
    assert (status, out) == (2, "")
    assert err == "querybudget: error: there is no rule 'no_n_plus_on': did you mean no_n_plus_one?\n"


def test_progress_is_for_a_person_only() -> None:
    """On a terminal it says what is being read, and wipes it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    quiet, watched = io.StringIO(), Terminal()
    for stream in (quiet, watched):
        console = Console(io.StringIO(), stream)
        console.progress("reading 1 of 2: a.json")
        console.progress("")
    assert quiet.getvalue() == ""
    assert watched.getvalue() == "\r\x1b[Kreading 1 of 2: a.json\r\x1b[K"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`querybudget … | head` ends quietly; the command needs neither pytest nor SQLAlchemy."""
    path = tmp_path / "run.json"
    path.write_text(dumps(report(*(wasteful(f"t::{n}", n) for n in range(2000)))), "utf-8")
    code = (
        "import sys\nfrom pytest_querybudget.cli import main\n"
        f"status = main(['report', {str(path)!r}, 'json'])\n"
        "assert not {'sqlalchemy', 'pytest', 'libcst'} & set(sys.modules)\nsys.exit(status)\n"
    )
    root = Path(pytest_querybudget.__file__).parents[1]
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (0, "")


def test_an_interrupt_ends_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a traceback, and with the status that shells know."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_querybudget.cli.ruling.catalogue", interrupted)
    assert run("rules") == (130, "", "querybudget: interrupted\n")


def test_the_command_runs_as_a_module(tmp_path: Path) -> None:
    """Where its script is not on the path."""
    command = [sys.executable, "-m", "pytest_querybudget.cli", "lock", "check"]
    environment = {**os.environ, "PYTHONPATH": str(Path(pytest_querybudget.__file__).parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("querybudget: error: querybudget.lock: no such file: write it with")


def test_a_format_that_is_no_text_is_not_printed(run: Run) -> None:
    """A coverage file is binary."""
    pytest.importorskip("coverage")
    status, _, err = run("report", save("run.json", HEAD), "coverage")
    assert status == 2
    assert "coverage is no text to print: give it a path, coverage:PATH" in err


def test_a_merge_without_lock_only_sums_up(run: Run) -> None:
    """With what was not measured, and with a long list cut."""
    many = [replace(finding(), rule=f"rule_{n}", identity=str(n)) for n in range(12)]
    failing = replace(finding(), failed=True)
    odd = report(
        replace(lean(), findings=(*many, failing)), problems=(Problem(slug="x", text="a listener was\x1b[0m removed"),)
    )
    status, out, _ = run("merge", save("a.json", odd))
    assert status == 0
    assert_golden(GOLDEN / "merge_alone.txt", out)


def test_a_long_comparison_is_cut_in_a_comment(run: Run) -> None:
    """What is left out is counted."""
    base = report(*(entry(f"t::{n:02}", statement(at=None)) for n in range(30)))
    worse = finding(location=None, fix=None)
    head = report(*(replace(entry(f"t::{n:02}", statement(at=None, count=3)), findings=(worse,)) for n in range(30)))
    _, out, _ = run("compare", save("base.json", base), save("head.json", head), "--format=markdown", "--top=4")
    assert "… and 26 more" in out
    assert "(no place)" in out
    _, out, _ = run("compare", "base.json", "head.json")
    assert "(no place)" in out


def test_every_command_has_help() -> None:
    """The overview names each with a line of its own."""
    text = parser().format_help()
    for name in ("compare", "report", "merge", "lock", "rules"):
        assert f"    {name} " in text
