"""Reports arrive whole or not at all, are announced, and bad targets are refused with a reason."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_querybudget.reports import registry
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.format import Format, ReportError
from pytest_querybudget.reports.json import load
from pytest_querybudget.reports.writer import Target, parse_target, write
from tests.reports.sample import report


class Plain:
    """A format of another plugin."""

    name = "plain"

    def render(self, report: Report) -> Iterator[str]:
        """Yield the mode, and a lone surrogate."""
        yield report.mode
        yield " \ud800\n"


class Broken:
    """A format that fails half-way."""

    name = "broken"

    def render(self, report: Report) -> Iterator[str]:
        """Yield something, then fail."""
        yield report.mode
        raise RuntimeError("half-way")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("json:out.json", Target("json", Path("out.json"))),
        (" html : a b/c.html ", Target("html", Path("a b/c.html"))),
        ("sarif:C:\\reports\\x.sarif", Target("sarif", Path("C:\\reports\\x.sarif"))),
        ("coverage:.coverage.queries", Target("coverage", Path(".coverage.queries"))),
    ],
)
def test_target_is_a_format_and_a_path(text: str, target: Target) -> None:
    """The path is what follows the first colon."""
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("json", "expected FORMAT:PATH with FORMAT one of json, html, markdown, sarif, gitlab, coverage; got 'json'"),
        ("json:", "expected FORMAT:PATH"),
        ("", "expected FORMAT:PATH"),
        ("pdf:x", "unknown report format 'pdf' in 'pdf:x'; there are json, html, markdown, sarif, gitlab, coverage"),
        ("JSON:x", "unknown report format 'JSON'"),
        (":x", "unknown report format ''"),
    ],
)
def test_bad_target_names_what_is_allowed(text: str, wanted: str) -> None:
    """The error says what was given and what there is."""
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        parse_target(text)
    assert wanted in str(caught.value)


def test_format_of_another_plugin_can_be_asked_for() -> None:
    """Its name is among those known, and it is found."""
    assert parse_target("plain:x", registry.names([Plain()])) == Target("plain", Path("x"))
    assert isinstance(registry.find("plain", rootdir=Path(), others=[Plain()]), Plain)


def test_unknown_format_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ReportError, match="unknown report format 'pdf'; there are json, html"):
        registry.find("pdf", rootdir=Path())


@pytest.mark.parametrize("name", registry.names())
def test_every_format_writes_the_hostile_sample_and_an_empty_report(name: str, tmp_path: Path) -> None:
    """No text in a report can keep it from being written."""
    if name == "coverage":
        pytest.importorskip("coverage")
    found: Format = registry.find(name, rootdir=tmp_path)
    assert found.name == name
    line = write(report(), found, tmp_path / "deep" / "folder" / f"report.{name}")
    assert line.startswith(f"{name} report: {tmp_path / 'deep'}")
    assert (tmp_path / "deep" / "folder" / f"report.{name}").stat().st_size > 0
    write(Report(mode="report"), found, tmp_path / f"empty.{name}")
    assert [each.name for each in (tmp_path / "deep" / "folder").iterdir()] == [f"report.{name}"]


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    """Whatever a format yields can be encoded."""
    write(Report(mode="report"), Plain(), tmp_path / "x")
    assert (tmp_path / "x").read_text("utf-8") == "report \ufffd\n"


def test_failing_format_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A half-written file is deleted."""
    (tmp_path / "x").write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        write(Report(mode="report"), Broken(), tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_permissions_are_those_of_the_umask(tmp_path: Path) -> None:
    """A report can be read by whoever may read other new files."""
    write(Report(mode="report"), Plain(), tmp_path / "x")
    (tmp_path / "y").write_text("")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "y").stat().st_mode)


def test_link_stays_a_link(tmp_path: Path) -> None:
    """The file behind it is replaced."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write(Report(mode="strict"), Plain(), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text("utf-8").startswith("strict")


def test_device_is_written_to() -> None:
    """What is no file, such as /dev/null, is not replaced."""
    if not Path("/dev/null").exists():
        pytest.skip("the system has no /dev/null")
    write(Report(mode="strict"), Plain(), Path("/dev/null"))
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("bad", ["folder", "file/below"])
def test_path_that_cannot_be_written_is_named(bad: str, tmp_path: Path) -> None:
    """A folder, or a path below a file: the error names the path and the format."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=r"cannot write the plain report: (Is a|Not a|File exists)") as caught:
        write(Report(mode="report"), Plain(), tmp_path / bad)
    assert str(tmp_path / bad) in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_a_path_that_ends_in_gz_is_compressed(tmp_path: Path) -> None:
    """A large report is a small artifact: equal reports are equal files, and the command reads them."""
    for name in ("one.json.gz", "other.json.gz", "plain.json"):
        write(report(), registry.find("json", rootdir=tmp_path), tmp_path / name)
    packed = (tmp_path / "one.json.gz").read_bytes()
    assert packed == (tmp_path / "other.json.gz").read_bytes()
    assert len(packed) < (tmp_path / "plain.json").stat().st_size / 4
    assert load(tmp_path / "one.json.gz") == load(tmp_path / "plain.json")


@pytest.mark.parametrize("damage", [lambda raw: raw[:50], lambda raw: raw[:2], lambda raw: raw[:-40] + b"x" * 40])
def test_a_damaged_compressed_report_is_said_to_be_one(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """An upload that was cut off ends in no traceback."""
    path = tmp_path / "report.json.gz"
    write(report(), registry.find("json", rootdir=tmp_path), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReportError, match="not a JSON report: the compressed file is damaged"):
        load(path)
