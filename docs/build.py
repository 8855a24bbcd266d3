"""Write what the documentation has from the code: pages of rules, and texts that a run prints.

`python docs/build.py` writes `docs/rules/` from the docstrings of the rules, and the output blocks of the README from a
run of the project that stands above them; `--check` writes nothing and exits with 1 when something differs.

A block of a page belongs to a small project when a comment before it says so: `<!-- file: shop.py -->` holds a file,
and `<!-- output: pytest -->` what pytest prints about it from its failures on, in 80 columns and without colour.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_querybudget.rules.base import Rule
from pytest_querybudget.rules.registry import all_rules

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "rules"
GENERATED = "<!-- Written by docs/build.py from the docstring of the rule: change it there. -->"
BLOCK = re.compile(r"<!-- (?P<kind>file|output): (?P<what>.+?) -->\n+```\w*\n(?P<text>.*?)```", re.DOTALL)
#: What differs from run to run.
TIMES = re.compile(r" *\b\d+(?:\.\d+)? (?:s|ms|µs)\b| \d+\.\d+s =+")


def main() -> int:
    """Write or check; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when a page differs")
    check = parser.parse_args().check
    differing = dict(outdated())
    for path, text in differing.items():
        print(("differs: " if check else "wrote ") + str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
    return int(check and bool(differing))


def outdated() -> Iterator[tuple[Path, str]]:
    """Each file that differs from what it should be, and that."""
    for name, text in {**pages(all_rules()), README: with_output(README.read_text("utf-8"))}.items():
        if not name.is_file() or name.read_text("utf-8") != text:
            yield name, text


def pages(rules: tuple[Rule, ...]) -> dict[Path, str]:
    """The page of each rule, and the list of all."""
    found = {PAGES / f"{rule.name}.md": page(rule) for rule in rules}
    found[PAGES / "README.md"] = "\n".join(index(rules)) + "\n"
    return found


def index(rules: tuple[Rule, ...]) -> Iterator[str]:
    """The lines of the list."""
    yield from ("# The rules", "", GENERATED, "")
    yield "One name each: of the marker, of the keyword of `query_budget`, of the ini option, and in every report."
    yield from ("", "| rule | takes | |", "|---|---|---|")
    for rule in rules:
        yield f"| [`{rule.name}`]({rule.name}.md) | {_takes(rule)} | {rule.summary} |"


def page(rule: Rule) -> str:
    """One rule: how it is declared, and its docstring."""
    _, _, rest = rule.documentation.partition("\n")
    example = {"threshold=": "threshold=2"}.get(rule.takes, rule.takes)
    lines = [
        *(f"# {rule.name}", "", GENERATED, "", rule.summary, ""),
        *("| as | |", "|---|---|"),
        f"| marker | `@pytest.mark.{rule.name}({_cell(example)})` |",
        f"| fixture, context manager | `with query_budget({rule.name}=...):` |",
        f"| default of every test | `querybudget_{rule.name} = ...` |",
        f"| when nobody declares it | {_undeclared(rule)} |",
    ]
    return "\n".join(lines) + "\n\n" + rest.strip() + "\n"


def _takes(rule: Rule) -> str:
    return f"`{_cell(rule.takes)}`" if rule.takes else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _undeclared(rule: Rule) -> str:
    if rule.default:
        return "found and reported; fails with `--querybudget=strict`"
    return f"nothing, unless the run has `{rule.needs}`" if rule.needs else "nothing"


def with_output(text: str) -> str:
    """A page with its output blocks filled by runs."""
    files: dict[str, str] = {}

    def filled(block: re.Match[str]) -> str:
        if block["kind"] == "file":
            files[block["what"]] = block["text"]
            return block[0]
        found = run(files, block["what"])
        # Only times differ: the text stays as it was, so that nothing changes from run to run.
        same = TIMES.sub("*", found) == TIMES.sub("*", block["text"])
        before, after = block.start("text") - block.start(), block.end("text") - block.start()
        return block[0] if same else block[0][:before] + found + block[0][after:]

    return BLOCK.sub(filled, text)


def run(files: Mapping[str, str], command: str) -> str:
    """What pytest prints in a project of these files, from its failures on."""
    program, *arguments = command.split()
    assert program == "pytest", f"{program} is not a program whose output can be shown"  # noqa: S101
    with tempfile.TemporaryDirectory(prefix="docs_") as folder:
        for name, source in files.items():
            (Path(folder) / name).write_text(source, "utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
        environment |= {"COLUMNS": "80", "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        options = ["--color=no", "-p", "no:cacheprovider", "-p", "pytest_querybudget.plugin"]
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest itself failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    failures = re.search(r"^=+ FAILURES =+$", done.stdout, re.MULTILINE)
    return done.stdout[failures.start() :] if failures else done.stdout


if __name__ == "__main__":
    sys.exit(main())
