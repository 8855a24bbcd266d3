"""Fill the blocks of the tour: code from the sources, failure texts from a run of the wasteful version.

`python examples/update_tour.py` writes `examples/journeys/README.md`; with `--check` it only tells whether it differs.
A block follows a comment that says what it shows: `<!-- code: FILE::FUNCTION -->`, or `<!-- failure: TEST -->` where
TEST is `FILE::NAME`, and may end with the options that the run needs (`<!-- failure: TEST --querybudget-audit -->`);
`<!-- findings: TEST -->` shows what the summary then says of it.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

EXAMPLE = Path(__file__).parent / "journeys"
TOUR = EXAMPLE / "README.md"
BLOCK = re.compile(r"(?P<comment><!-- (?P<kind>code|failure|findings): (?P<what>.+?) -->)\n```\w*\n.*?\n```", re.DOTALL)
REPORT = re.compile(
    r"^=+ (?:FAILURES|ERRORS) =+\n_+ .+ _+\n(?P<text>.*?)\n(?:-+ Captured|=+ )", re.DOTALL | re.MULTILINE
)
FINDINGS = re.compile(r"^\d+ findings?\b.*\n(?P<text>(?:[F-] .*\n(?: {4}.*\n)*)+)", re.MULTILINE)
NOT_YET = "(the text that this budget prints)"


def main() -> int:
    """Write or check the tour; 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when the tour differs")
    parser.add_argument("--code-only", action="store_true", help="leave the failure texts as they are")
    arguments = parser.parse_args()
    before = TOUR.read_text(encoding="utf-8")
    after = BLOCK.sub(lambda block: _filled(block, code_only=arguments.code_only), before)
    if not arguments.check:
        TOUR.write_text(after, encoding="utf-8")
    return int(arguments.check and before != after)


def _filled(block: re.Match[str], *, code_only: bool) -> str:
    if block["kind"] == "code":
        return f"{block['comment']}\n```python\n{_source(block['what'])}\n```"
    if code_only:
        return block[0]
    text = _failure(block["what"]) if block["kind"] == "failure" else _findings(block["what"])
    return f"{block['comment']}\n```text\n{text}\n```"


def _source(what: str) -> str:
    """The source of a function or a test, without its docstring."""
    path, _, name = what.partition("::")
    source = (EXAMPLE / path).read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            opening = node.body[0]
            hidden = range(opening.lineno, (opening.end_lineno or 0) + 1) if ast.get_docstring(node) else ()
            numbers = range(first, (node.end_lineno or 0) + 1)
            return "\n".join(lines[number - 1] for number in numbers if number not in hidden)
    message = f"{path} has no function {name}"
    raise SystemExit(message)


def _failure(what: str) -> str:
    """What pytest prints about a test of the wasteful version."""
    found = REPORT.search(_printed(what))
    return _said(found["text"].strip("\n")) if found else NOT_YET


def _findings(what: str) -> str:
    """What the summary says of a test of the wasteful version."""
    found = FINDINGS.search(_printed(what))
    return found["text"].strip("\n") if found else NOT_YET


def _printed(what: str) -> str:
    """What pytest prints, in 80 columns and without colour."""
    test, *options = what.split(" ")
    command = [sys.executable, "-m", "pytest", "--show-wasteful", "--color=no", "-p", "no:cacheprovider"]
    environment = {**os.environ, "COLUMNS": "80"}
    run = subprocess.run(
        [*command, *options, test], cwd=EXAMPLE, env=environment, capture_output=True, text=True, check=False
    )
    return run.stdout


def _said(text: str) -> str:
    """What an error of a fixture says, without the source and the values that pytest shows around it."""
    lines = [line[1:].rstrip() for line in text.splitlines() if line.startswith("E  ")]
    return textwrap.dedent("\n".join(lines)) if lines else text


if __name__ == "__main__":
    sys.exit(main())
