"""One run of a suite, and what two runs of it have in common."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

# What differs from run to run in any output: addresses, times, temporary folders, process and thread numbers.
_MOVING = re.compile(
    r"0x[0-9a-fA-F]+|\bat \d{6,}\b|\b\d{15}\b|\bid='\d+'|\d+\.\d+ ?s(econds)?\b|\d\d:\d\d:\d\d[.,\d]*|\b\d\d:\d\d\.\d+|\b\d+ ?ms\b|\bPID \d+|/tmp/[\w./-]+|\bsa_savepoint_\d+|\[(raw|cached since|generated in)[^\]]*\]"
)
# How often something happened is not what it is.
_COUNT = re.compile(r"\b\d+(?= (times|single-row)\b)")
_OWN_PROPERTY = "querybudget."


@dataclass(frozen=True, slots=True)
class Test:
    """How one test ended, and what it left in the JUnit file."""

    outcome: str
    text: str
    printed: str
    properties: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Outcome:
    """One run: its exit status, tests by name, warnings, and the processor time it took in seconds."""

    status: int
    seconds: float
    wall: float
    tests: dict[str, Test] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    output: str = ""


def run(command: Sequence[str], folder: Path, environment: dict[str, str], files: Path) -> Outcome:
    """Run pytest once; `files` is where the JUnit file and the output go, without a suffix."""
    junit, log = files.with_suffix(".xml"), files.with_suffix(".log")
    junit.unlink(missing_ok=True)
    with log.open("w") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"--junit-xml={junit}", "-o", "junit_logging=all"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    outcome = Outcome(process.returncode, usage.ru_utime + usage.ru_stime, time.perf_counter() - begun)
    outcome.output = log.read_text(errors="replace")
    outcome.warnings = sorted(_warnings(outcome.output))
    outcome.tests = dict(_tests(junit)) if junit.exists() else {}
    return outcome


def _tests(junit: Path) -> Iterator[tuple[str, Test]]:
    seen: dict[str, int] = {}
    for case in ET.parse(junit).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        yield name, _test(case)


def _test(case: ET.Element) -> Test:
    ends = [each for each in case if each.tag in ("failure", "error", "skipped")]
    properties = [(each.get("name", ""), each.get("value", "")) for each in case.iter("property")]
    return Test(
        outcome="+".join(each.tag for each in ends) or "passed",
        # Of several reasons to skip a test, SQLAlchemy's suite names any.
        text=normal("\n".join(f"{each.get('message')}\n{each.text}" for each in ends if each.tag != "skipped")),
        printed=normal("\n".join(each.text or "" for each in case if each.tag.startswith("system-"))),
        properties=tuple(each for each in properties if not each[0].startswith(_OWN_PROPERTY)),
    )


def normal(text: str) -> str:
    """Return a text without what differs from run to run."""
    return _MOVING.sub("*", text)


def _warnings(output: str) -> Iterator[str]:
    """Yield the lines of pytest's warnings summary that are not names of tests."""
    _, found, rest = output.partition(" warnings summary ")
    if not found:
        return
    for line in rest.splitlines()[1:]:
        if line.startswith(("-- Docs", "====")):
            return
        if line.startswith("  ") and line.strip():
            yield normal(line.strip())


def differences(one: Outcome, other: Outcome) -> dict[str, str]:
    """Return what differs between two runs, by the name of the test or of the figure."""
    found: dict[str, str] = {}
    if one.status != other.status:
        found["exit status"] = f"{one.status} -> {other.status}"
    for line in sorted({*one.warnings} ^ {*other.warnings}):
        found[f"warning: {line}"] = "only without" if line in one.warnings else "only with"
    for name in [*one.tests, *(each for each in other.tests if each not in one.tests)]:
        before, after = one.tests.get(name), other.tests.get(name)
        if before is None or after is None:
            found[name] = "only with" if before is None else "only without"
        else:
            # Each by itself: what is printed may differ in any two runs, and the outcome only in these.
            found.update((f"{name} {what}", text) for what, text in _changes(before, after))
    if [*one.tests] != [*other.tests] and {*one.tests} == {*other.tests}:
        found["order"] = "the tests ran in another order"
    return found


def _changes(before: Test, after: Test) -> Iterator[tuple[str, str]]:
    for what in ("outcome", "text", "printed", "properties"):
        old, new = getattr(before, what), getattr(after, what)
        if old != new:
            yield what, _where(str(old), str(new))


def _where(old: str, new: str) -> str:
    """Show two texts from a little before where they part."""
    same = next(
        (at for at, pair in enumerate(zip(old, new, strict=False)) if len({*pair}) > 1), min(len(old), len(new))
    )
    begin = max(0, same - 40)
    return f"{old[begin : same + 160]!r} -> {new[begin : same + 160]!r}"


def findings(report: Path) -> list[str]:
    """Return the findings of a JSON report, one line each, with the number of tests that have it."""
    if not report.exists():
        return []
    counts: dict[str, list[str]] = {}
    for test in json.loads(report.read_text())["tests"]:
        for each in test["findings"]:
            place = each["location"] or {}
            message = _COUNT.sub("N", each["message"])
            line = f"{each['rule']} {place.get('path')}:{place.get('line')} in {place.get('function')}: {message}"
            counts.setdefault(line, []).append(test["nodeid"])
    return [f"{line}  [{len(tests)} tests, first {tests[0]}]" for line, tests in sorted(counts.items())]


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
