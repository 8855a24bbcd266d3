"""The JSON report: it keeps everything, its schema says so, and what is no report is refused with a reason."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pytest_querybudget.reports import document
from pytest_querybudget.reports.document import Report, to_plain
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.json import dumps, load, loads
from pytest_querybudget.reports.text import well_formed
from tests.reports.sample import report

SCHEMA = json.loads(files("pytest_querybudget").joinpath("report.schema.json").read_text("utf-8"))
ENTRIES = {
    "location": document.Location,
    "allowance": document.Allowance,
    "proof": document.ProofEntry,
    "finding": document.FindingEntry,
    "statement": document.StatementEntry,
    "phase": document.PhaseEntry,
    "budget": document.BudgetEntry,
    "test": document.TestEntry,
    "problem": document.Problem,
}


def validator() -> Any:
    """Make a validator of the packaged schema, which is a valid schema itself."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def test_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Reading what was written gives the same values; only lone surrogates become U+FFFD."""
    path = tmp_path / "report.json"
    path.write_text(dumps(report()), "utf-8")
    assert load(path) == _with_well_formed_text(report())


def _with_well_formed_text(value: Report) -> Report:
    def mend(plain: Any) -> Any:
        if isinstance(plain, str):
            return well_formed(plain)
        if isinstance(plain, dict):
            return {mend(key): mend(each) for key, each in plain.items()}
        return [mend(each) for each in plain] if isinstance(plain, list) else plain

    return document.from_plain(Report, mend(to_plain(value)))


def test_schema_accepts_the_sample() -> None:
    """The hostile sample is valid."""
    validator().validate(json.loads(dumps(report())))


def test_schema_accepts_the_smallest_report_of_the_contract() -> None:
    """Fields with a default may be missing, and unknown ones may be there."""
    validator().validate({"version": 1, "mode": "report", "tests": [], "later": {"field": 1}})
    assert loads('{"version": 1, "mode": "report", "tests": [], "later": 1}').tests == ()


@pytest.mark.parametrize("name", ENTRIES)
def test_schema_describes_every_field(name: str) -> None:
    """The schema and the data classes have the same fields, and require the same ones."""
    entry, described = ENTRIES[name], SCHEMA["$defs"][name]
    required = [each.name for each in fields(entry) if each.default is MISSING and each.default_factory is MISSING]
    assert set(described["properties"]) == {each.name for each in fields(entry)}
    assert sorted(described["required"]) == sorted(required)


def test_schema_describes_the_report_itself() -> None:
    """So does the top level."""
    assert set(SCHEMA["properties"]) == {each.name for each in fields(Report)}
    for name, entry in (("tool", document.Tool), ("totals", document.Totals)):
        assert set(SCHEMA["properties"][name]["properties"]) == {each.name for each in fields(entry)}


def test_one_line_a_test() -> None:
    """Two reports can be compared line by line."""
    lines = dumps(report()).splitlines()
    assert len([line for line in lines if '"nodeid"' in line and '"statements"' in line]) == len(report().tests)


def test_empty_report_is_valid() -> None:
    """A run without tests still gives a document."""
    empty = Report(mode="report")
    assert loads(dumps(empty)) == empty
    validator().validate(json.loads(dumps(empty)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{", "r.json:1: not valid JSON"),
        ("", "r.json:1: not valid JSON"),
        ("[]", "r.json: not a querybudget report (write one with"),
        ('{"version": 1}', "r.json: not a querybudget report (write one with"),
        ('{"version": "1", "tests": []}', "the version of a report is a number from 1, got '1'"),
        ('{"version": true, "tests": []}', "the version of a report is a number from 1, got True"),
        ('{"version": 2, "tests": []}', "written in version 2 of the report format, and this pytest-querybudget reads"),
        ('{"version": 1, "mode": "report", "tests": {}}', "Report.tests: expected list or tuple, got dict"),
        ('{"version": 1, "mode": "report", "tests": [{"outcome": "passed"}]}', "Report.tests[0]: "),
        ('{"version": 1, "mode": "report", "tests": [{"nodeid": 1, "outcome": "passed"}]}', "expected str, got int"),
        ("[" * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(text: str, wanted: str) -> None:
    """The error names the file, the field and what was expected."""
    with pytest.raises(ReportError) as caught:
        loads(text, name="r.json")
    assert wanted in str(caught.value)
    assert str(caught.value).startswith("r.json:")


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is an error of the user's, said with the path."""
    with pytest.raises(ReportError, match=r"none\.json: cannot read the report: No such file"):
        load(tmp_path / "none.json")


def test_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """So is a file of bytes."""
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match=r"x\.json: not a JSON report"):
        load(tmp_path / "x.json")


def test_byte_order_mark_is_stepped_over(tmp_path: Path) -> None:
    """An editor on Windows may have added one."""
    (tmp_path / "x.json").write_text("\ufeff" + dumps(Report(mode="report")), "utf-8")
    assert load(tmp_path / "x.json") == Report(mode="report")


def test_unknown_fields_of_a_later_version_are_dropped() -> None:
    """Fields may be added within a version."""
    plain = to_plain(replace(report(), problems=()))
    plain["tests"][0]["statements"][0]["later"] = [1]
    assert loads(json.dumps(plain)).tests[0].statements[0] == report().tests[0].statements[0]
