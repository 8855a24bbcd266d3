"""What code hosts, editors and CI services read: SARIF, GitLab, GitHub, JUnit and coverage."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_querybudget.reports import digest, github, junit, repository, rulebook
from pytest_querybudget.reports.coverage import CoverageFormat
from pytest_querybudget.reports.document import Allowance, FindingEntry, Location, Report, TestEntry, total
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.gitlab import GitlabFormat
from pytest_querybudget.reports.markdown import MarkdownFormat
from pytest_querybudget.reports.sarif import SarifFormat
from pytest_querybudget.rules.registry import all_rules
from tests.reports.sample import LAZY, REPEATED, report, statement

HERE = PurePosixPath()
SCHEMAS = Path(__file__).parent / "schemas"


def sarif(of: Report, prefix: str = ".") -> Any:
    """Read the SARIF log of a report."""
    return json.loads("".join(SarifFormat(PurePosixPath(prefix)).render(of)))


def gitlab(of: Report, prefix: str = ".") -> Any:
    """Read the GitLab issues of a report."""
    return json.loads("".join(GitlabFormat(PurePosixPath(prefix)).render(of)))


def of_findings(*entries: FindingEntry, nodeids: tuple[str, ...] = ("tests/test_a.py::test_a",)) -> Report:
    """Make a report of these findings in each of the tests."""
    tests = tuple(TestEntry(nodeid=nodeid, outcome="passed", findings=entries) for nodeid in nodeids)
    return Report(mode="report", tests=tests, totals=total(tests))


def many(number: int, *, failed: bool) -> tuple[FindingEntry, ...]:
    """Make findings that differ in their identity."""
    return tuple(replace(LAZY, identity=f"{index:016x}", failed=failed) for index in range(number))


# --- SARIF ---


@pytest.mark.parametrize(
    "of", [report(), Report(mode="report"), of_findings(replace(LAZY, location=None, origin=None, chain=()))]
)
def test_sarif_is_valid(of: Report) -> None:
    """The official schema accepts it."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.4.json").read_text("utf-8"))
    jsonschema.Draft4Validator(schema).validate(sarif(of))


def test_sarif_has_one_result_a_finding() -> None:
    """However many tests have it; the fingerprint is the finding's identity."""
    results = sarif(report())["runs"][0]["results"]
    identities = [each["partialFingerprints"]["querybudgetIdentity/v1"] for each in results]
    assert sorted(identities) == sorted({each.identity for test in report().tests for each in test.findings})
    assert next(each for each in results if each["ruleId"] == "no_n_plus_one")["properties"]["testCount"] == 2


def test_sarif_does_not_depend_on_the_order_of_tests() -> None:
    """Parallel runs give the same log."""
    assert sarif(report()) == sarif(replace(report(), tests=report().tests[::-1]))


def test_sarif_levels() -> None:
    """What fails is an error, what is allowed a suppressed note."""
    results = {each["ruleId"]: each for each in sarif(report())["runs"][0]["results"]}
    assert results["no_n_plus_one"]["level"] == "error"
    assert results["no_repeated_queries"]["level"] == "warning"
    assert results["no_write_loops"]["level"] == "note"
    assert results["no_write_loops"]["suppressions"][0]["justification"] == "the importer is rewritten in spring"


@pytest.mark.parametrize(
    ("source", "kind"), [("marker", "inSource"), ("app/orders.py:10", "inSource"), ("lock", "external")]
)
def test_sarif_says_where_a_finding_is_allowed(source: str, kind: str) -> None:
    """A marker and a comment stand in the source, the lock file beside it."""
    of = of_findings(replace(LAZY, failed=False, allowed=Allowance(reason="known", source=source)))
    assert sarif(of)["runs"][0]["results"][0]["suppressions"] == [{"kind": kind, "justification": "known"}]


def test_sarif_rules_are_those_of_its_results() -> None:
    """Each result points to the rule that it names."""
    run = sarif(report())["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize(
    ("path", "prefix", "uri"),
    [
        ("app/a.py", ".", "app/a.py"),
        ("app/a.py", "services/shop", "services/shop/app/a.py"),
        ("app/monthly totals#1.py", ".", "app/monthly%20totals%231.py"),
        ("a:b.py", ".", "a%3Ab.py"),
        ("/usr/lib/x.py", "services", "file:///usr/lib/x.py"),
        ("C:\\lib\\x.py", ".", "file:///C:/lib/x.py"),
    ],
)
def test_sarif_paths_are_uris_from_the_root_of_the_repository(path: str, prefix: str, uri: str) -> None:
    """Also when the project is a folder of a larger repository."""
    of = of_findings(replace(LAZY, location=Location(path=path, line=1, function="f")))
    location = sarif(of, prefix)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == uri
    assert ("uriBaseId" in location) is not uri.startswith("file:")


def test_finding_without_a_place_stands_in_its_test() -> None:
    """Services drop what has no location."""
    of = of_findings(replace(REPEATED, location=None, origin=None))
    assert gitlab(of)[0]["location"] == {"path": "tests/test_a.py", "lines": {"begin": 1}}


# --- GitLab ---


def test_gitlab_has_what_gitlab_requires() -> None:
    """Five fields, a severity that it knows, fingerprints without a duplicate, paths without a leading dot."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((SCHEMAS / "gitlab-code-quality.json").read_text("utf-8"))
    issues = gitlab(report())
    jsonschema.Draft202012Validator(schema).validate(issues)
    assert len({each["fingerprint"] for each in issues}) == len(issues) == 5


def test_gitlab_severities() -> None:
    """By what a finding does to its test."""
    severities = {each["check_name"]: each["severity"] for each in gitlab(report())}
    assert severities["no_n_plus_one"] == "major"
    assert severities["no_repeated_queries"] == "minor"
    assert severities["no_write_loops"] == "info"


# --- GitHub ---


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Read a workflow command as the runner does."""
    match = re.fullmatch(r"::(\w+) ([^\r\n]*?)::([^\r\n]*)", line)
    assert match, line

    def decoded(text: str) -> str:
        for code, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(each.split("=", 1) for each in match[2].split(","))
    return match[1], {name: decoded(value) for name, value in properties.items()}, decoded(match[3])


def test_annotations_are_on_lines_of_the_application() -> None:
    """One for each finding that is not allowed, errors first."""
    lines = [parsed(line) for line in github.annotate(report(), HERE)]
    assert [(level, each["title"], each["line"]) for level, each, _ in lines] == [
        ("error", "no_n_plus_one", "10"),
        ("error", "no_antipatterns", "3"),
        ("warning", "no_repeated_queries", "5"),
        ("warning", "no_full_scans", "88"),
    ]
    assert lines[1][1]["file"] == "app/weird,name:100%<b>|.py"


def test_annotations_cannot_be_broken_out_of() -> None:
    """Hostile text is no second command, whatever line it starts."""
    text = "\n".join(github.annotate(report(), HERE))
    assert len(re.findall(r"(?m)^\s*::", text)) == 4
    assert "##[" not in text.replace("\\x23#[", "")


@pytest.mark.parametrize(("number", "shown", "last"), [(10, 10, "Seen in 1 test."), (25, 10, "16 more findings; see")])
@pytest.mark.parametrize("failed", [True, False])
def test_annotations_keep_within_what_github_shows(number: int, shown: int, last: str, failed: bool) -> None:
    """Ten of a level; the tenth says how many are missing."""
    lines = list(github.annotate(of_findings(*many(number, failed=failed)), HERE))
    assert len(lines) == shown
    assert last in lines[-1]


def test_annotations_name_paths_from_the_root_of_the_repository() -> None:
    """GitHub finds the file also when the project is a folder of it."""
    assert "file=backend/app/orders.py,line=10," in next(iter(github.annotate(report(), PurePosixPath("backend"))))


def test_everything_is_published_on_github(tmp_path: Path) -> None:
    """Annotations with paths from the root of the repository, and the summary."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "backend").mkdir()
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    lines = list(github.publish(report(), rootdir=tmp_path / "backend", environ=environ))
    assert len(lines) == 4
    assert lines[0].startswith("::error file=backend/app/orders.py,line=10,")
    assert "Queries of the test suite" in (tmp_path / "summary.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("of", "environ"),
    [
        (report(), {}),
        (report(), {"GITHUB_ACTIONS": "false"}),
        (Report(mode="report"), {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "/dev/null/none"}),
    ],
)
def test_nothing_is_published_elsewhere_or_without_a_database(of: Report, environ: dict[str, str]) -> None:
    """Not a line, not a file."""
    assert list(github.publish(of, rootdir=Path("/"), environ=environ)) == []


def test_summary_is_appended(tmp_path: Path) -> None:
    """What earlier steps wrote stays."""
    path = tmp_path / "summary.md"
    path.write_text("earlier", "utf-8")
    github.append_summary(report(), path)
    text = path.read_text("utf-8")
    assert text.startswith("earlier\n")
    assert "## ❌ Queries of the test suite" in text


@pytest.mark.parametrize("taken", [0, 500_000, 1_040_000, 1_048_576, 2_000_000])
def test_summary_keeps_within_what_github_takes(taken: int, tmp_path: Path) -> None:
    """More than a mebibyte, and GitHub would show nothing."""
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * taken)
    long = replace(LAZY, message="ü" * 100_000, sql="漢" * 100_000, fix="\U0001f40d" * 100_000)
    of = of_findings(*(replace(long, identity=f"{index:016x}") for index in range(400)))
    github.append_summary(of, path)
    assert path.stat().st_size <= max(taken, github.SUMMARY_BYTES)


def test_summary_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ReportError, match="cannot append to the job summary"):
        github.append_summary(report(), tmp_path / "none" / "summary.md")


# --- JUnit ---


def test_junit_properties_are_the_figures_of_the_test() -> None:
    """Those of its fixtures stand apart."""
    found = dict(junit.properties(report().tests[0]))
    assert found["querybudget.queries"] == "54"
    assert found["querybudget.db_time"] == "0.022400"
    assert found["querybudget.setup.queries"] == "50"
    assert found["querybudget.budget.max_queries"] == "2"
    assert found["querybudget.findings"] == "2"


def test_junit_leaves_tests_without_a_database_alone() -> None:
    """They get no properties."""
    assert junit.properties(report().tests[5]) == []


def test_junit_values_fit_into_xml() -> None:
    """No value holds what XML cannot."""
    for test in report().tests:
        for name, value in junit.properties(test):
            element = ET.Element("property", name=name, value=value)
            assert ET.fromstring(ET.tostring(element, "utf-8")).get("value") == value


# --- coverage ---


def test_coverage_reads_the_file_itself(tmp_path: Path) -> None:
    """Lines are the places that send queries, contexts the tests."""
    coverage = pytest.importorskip("coverage")
    path = tmp_path / "data"
    path.write_bytes(b"".join(CoverageFormat(tmp_path).render(report())))
    data = coverage.CoverageData(basename=str(path))
    data.read()
    orders = str(tmp_path / "app" / "orders.py")
    assert sorted(data.lines(orders)) == [8, 10]
    assert sorted(data.contexts_by_lineno(orders)[10]) == [
        "tests/test_orders.py::test_list_orders", "tests/test_orders.py::test_list_orders_again[2-x]",
    ]  # fmt: skip


def test_coverage_html_shows_the_contexts(tmp_path: Path) -> None:
    """`coverage html --show-contexts` works on the file."""
    coverage = pytest.importorskip("coverage")
    (tmp_path / "app.py").write_text("def load(session):\n    return session.query()\n")
    one = statement("SELECT 1", location=Location(path="app.py", line=2, function="load"))
    odd = statement("SELECT 2", location=Location(path="<string>", line=1, function="f"))
    test = TestEntry(nodeid="test_app.py::test_load", outcome="passed", statements=(one, odd))
    (tmp_path / "data").write_bytes(b"".join(CoverageFormat(tmp_path).render(Report(mode="report", tests=(test,)))))
    runner = coverage.Coverage(data_file=str(tmp_path / "data"), config_file=False)
    runner.load()
    runner.html_report(directory=str(tmp_path / "html"), show_contexts=True)
    pages = [each.read_text("utf-8") for each in (tmp_path / "html").glob("*app_py.html")]
    assert len(pages) == 1
    assert "test_app.py::test_load" in pages[0]


# --- shared ---


def test_repository_prefix(tmp_path: Path) -> None:
    """The way from the folder with `.git` to the project; nothing where there is none."""
    project = tmp_path / "backend" / "shop"
    project.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert repository.prefix(project) == PurePosixPath("backend/shop")
    assert repository.prefix(tmp_path) == PurePosixPath()


def test_worst_sighting_is_shown() -> None:
    """A finding that fails one test and is reported in another fails; its tests are counted once."""
    group = next(each for each in digest.findings(report()) if each.finding.rule == "no_n_plus_one")
    assert group.failed
    assert len(group.tests) == 2
    assert group.total == 100


@pytest.mark.parametrize("rule", [each.name for each in all_rules()])
def test_every_rule_has_a_sentence(rule: str) -> None:
    """A catalogue without gaps."""
    assert rule in rulebook.SENTENCES


def test_rule_of_another_plugin_has_a_sentence() -> None:
    """Made from its name."""
    assert rulebook.sentence("no_cartesian_joins") == "No cartesian joins."


# --- Markdown ---


def markdown(of: Report, limit: int = 60_000) -> str:
    """Render a report."""
    return "".join(MarkdownFormat(limit).render(of))


def test_markdown_tables_hold_whatever_is_in_them() -> None:
    """Every row of a table has as many cells as its head."""
    width = 0
    for line in markdown(report()).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if not line.startswith("| "):
            width = 0 if not line.startswith("|") else width
            continue
        width = width or cells
        assert cells == width, line


def test_markdown_has_no_markup_but_its_own() -> None:
    """Text outside of fences holds no tag that the format did not write."""
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", markdown(report()))
    outside = re.sub(r"`[^`\n]*`", "", outside)
    assert set(re.findall(r"<(/?\w+)", outside)) <= {"details", "/details", "summary", "/summary", "code", "/code"}
    assert "](javascript" not in outside


def test_markdown_fence_is_longer_than_any_in_the_text() -> None:
    """A text with a fence does not end the block."""
    assert "````\n\\x1b[31m**not bold**" in markdown(report())


def test_markdown_parses_as_intended() -> None:
    """A Markdown library finds the tables, and no markup in them."""
    library = pytest.importorskip("markdown_it")
    tokens = library.MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(report()))
    assert sum(token.type == "table_open" for token in tokens) == 3
    inner = [child for token in tokens for child in token.children or ()]
    plain = {"text", "text_special", "softbreak", "code_inline", "html_inline"}
    assert {child.type for child in inner} <= plain | {"strong_open", "strong_close", "em_open", "em_close"}
    assert {child.content for child in inner if child.type == "html_inline"} <= {"<code>", "</code>"}


@pytest.mark.parametrize("limit", [500, 5_000, 60_000])
def test_markdown_keeps_within_its_limit(limit: int) -> None:
    """What does not fit is counted."""
    entries = tuple(
        replace(LAZY, identity=f"{index:016x}", sql="x" * 1_000_000, message="| " * 5_000) for index in range(200)
    )
    text = markdown(of_findings(*entries), limit)
    assert len(text) <= limit
    assert "did not fit" in text


def test_markdown_of_a_clean_run_is_short() -> None:
    """One line that says that all is well."""
    text = markdown(Report(mode="report"))
    assert text.startswith("## ✅ Queries of the test suite")
    assert len(text.splitlines()) == 3
