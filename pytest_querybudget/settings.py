"""Command line and ini file as frozen values."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    import pytest

MODES = ("report", "strict", "off")
PREFIX = "querybudget_"
# The markers that are no rule: what they take, and what they are.
MARKERS = {
    "query_budget": "**rules): several budgets at once, each rule as a keyword",
    "allow_queries": '"rule", match="glob", reason="...", until="2027-01-31"): findings that do not fail',
}

# Name, type, default and help of each ini option that is not a rule.
INI: tuple[tuple[str, str, Any, str], ...] = (
    ("querybudget_mode", "string", "", "report, strict or off; the command line wins"),
    ("querybudget_source", "args", (), "packages or directories that are the application, also when installed"),
    (
        "querybudget_show_parameters",
        "bool",
        False,
        "show literals and parameters of statements in failures and reports",
    ),
    ("querybudget_top", "string", "5", "how many tests the summary lists"),
    ("querybudget_lock", "string", "", "path of the lock file that holds each test to what it is known to send"),
    ("querybudget_lock_strict", "bool", False, "fail when the lock file names tests that no longer exist"),
    ("querybudget_report", "linelist", (), "reports to write, one FORMAT:PATH a line"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user asked for. Paths are absolute."""

    mode: str
    rootdir: Path
    source: tuple[str, ...] = ()
    show_parameters: bool = False
    top: int = 5
    reports: tuple[str, ...] = ()
    explain: bool = False
    audit: bool = False
    prove: bool = False
    lock: Path | None = None
    update: bool = False
    lock_strict: bool = False
    write_markers: bool = False
    dry_run: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def switched(self) -> frozenset[str]:
        """The options without which some rules have nothing to look at, as far as they are given."""
        return frozenset({"--querybudget-audit"} if self.audit else ())


def add_options(parser: pytest.Parser, rules: Iterable[str]) -> None:
    """Declare the command-line options, and one ini option for each rule."""
    group = parser.getgroup("querybudget", "budgets for the SQL that tests send")
    add = group.addoption
    add(
        "--querybudget",
        choices=MODES,
        help="report what is found (default), fail on it (strict), or install nothing (off)",
    )
    add(
        "--querybudget-report",
        action="append",
        metavar="FORMAT:PATH",
        help="write a report; may be given several times",
    )
    add("--querybudget-top", type=int, metavar="N", help="how many tests the summary lists")
    add("--querybudget-explain", action="store_true", help="plan every statement, and judge the plans")
    add("--querybudget-audit", action="store_true", help="watch what is read of the objects and rows that are loaded")
    add(
        "--querybudget-prove",
        action="store_true",
        help="run each test with an N+1 once more with the loader option that cures it, and say what it then sends",
    )
    add(
        "--querybudget-lock",
        nargs="?",
        const=True,
        metavar="PATH",
        help="hold each test to what querybudget.lock (or PATH) knows that it sends",
    )
    add("--querybudget-update", action="store_true", help="write the lock file anew")
    add(
        "--querybudget-write-markers",
        action="store_true",
        help="write @pytest.mark.max_queries(n) into the source of tests that have no budget",
    )
    add(
        "--querybudget-dry-run",
        action="store_true",
        help="with --querybudget-write-markers: show the changes, write nothing; --dry-run for short",
    )
    for name, kind, default, text in INI:
        parser.addini(name, text, type=kind, default=default)  # type: ignore[arg-type]
    for rule in rules:
        parser.addini(PREFIX + rule, f"default of every test, as the marker {rule} takes it", default="")


def take_short_name(args: list[str], parser: pytest.Parser) -> None:
    """Hear `--dry-run` beside `--querybudget-write-markers`.

    It is no option of its own: a conftest or another plugin may have one of that name, and then hears it too.
    """
    if "--querybudget-write-markers" in args and "--dry-run" in args:
        position = args.index("--dry-run")
        unknown = parser.parse_known_and_unknown_args(args)[1]
        args[position : position + ("--dry-run" in unknown)] = ["--querybudget-dry-run"]


def read_settings(config: pytest.Config, rules: Iterable[str]) -> Settings:
    """Read what the user asked for.

    Raises `ValueError` that names the option, what it got and what it takes.
    """
    rules = tuple(rules)
    given = _given(config)
    _refuse_unknown(given, rules)
    option = config.getoption
    mode = option("querybudget") or config.getini("querybudget_mode") or "report"
    if mode not in MODES:
        raise ValueError(f"querybudget_mode got {mode!r}, but takes one of {', '.join(MODES)}")
    reports = (*config.getini("querybudget_report"), *(option("querybudget_report") or ()))
    return Settings(
        mode=mode,
        rootdir=config.rootpath,
        source=tuple(config.getini("querybudget_source")),
        show_parameters=config.getini("querybudget_show_parameters"),
        top=_top(config, given),
        reports=reports,
        explain=option("querybudget_explain"),
        audit=option("querybudget_audit"),
        prove=option("querybudget_prove"),
        lock=_lock_path(config),
        update=option("querybudget_update"),
        lock_strict=config.getini("querybudget_lock_strict"),
        write_markers=option("querybudget_write_markers"),
        dry_run=option("querybudget_dry_run"),
        defaults={rule: value for rule in rules if (value := _ini_value(config, given, PREFIX + rule)) != ""},
    )


def _lock_path(config: pytest.Config) -> Path | None:
    """Return where the lock is: a path of the command line is the shell's, one of the ini file the project's."""
    given = config.getoption("querybudget_lock")
    if given == "":
        raise ValueError("--querybudget-lock got an empty path; leave out the `=` for querybudget.lock")
    if isinstance(given, str):
        return Path(os.path.normpath(config.invocation_params.dir / given))
    configured = config.getini("querybudget_lock")
    if given or configured or config.getoption("querybudget_update"):
        return config.rootpath / (configured or "querybudget.lock")
    return None


def _top(config: pytest.Config, given: Mapping[str, Any]) -> int:
    option = config.getoption("querybudget_top")
    text = str(option if option is not None else _ini_value(config, given, "querybudget_top"))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"--querybudget-top got {text!r}, but takes a whole number from 0")
    return int(text)


def _given(config: pytest.Config) -> dict[str, Any]:
    """Return what the ini file and `-o` set, as it stands there."""
    with warnings.catch_warnings():
        # Deprecated, and the only way to see an option that nobody declared, or what TOML's own types say.
        warnings.simplefilter("ignore")
        given: dict[str, Any] = dict(config.inicfg)
    for each in config.getoption("override_ini") or ():
        name, _, value = each.partition("=")
        given[name.strip()] = value
    return given


def _ini_value(config: pytest.Config, given: Mapping[str, Any], name: str) -> Any:
    """Return an option as text, or as the number, truth value, list or table that a TOML file has there.

    pytest's own reading of `[tool.pytest]` would refuse all of them but text.
    """
    value = given.get(name)
    return config.getini(name).strip() if value is None or isinstance(value, str) else value


def _refuse_unknown(given: Iterable[str], rules: tuple[str, ...]) -> None:
    known = [name for name, *_ in INI] + [PREFIX + rule for rule in rules]
    for key in given:
        if key.startswith(PREFIX) and key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
            raise ValueError(f"unknown ini option {key!r}; {hint}")
