"""Run suites from PyPI without and with the plugin, and tell what differs.

    python -m tests.suites.run flask-sqlalchemy alembic

Exits with 1 when the plugin changed anything, or complained.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

from tests.suites.runs import Outcome, differences, findings, run, say
from tests.suites.table import SUITES, Suite

ROOT = Path(__file__).resolve().parents[2]
# The same order, nothing kept from an earlier run, and no second process.
_PLAIN = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist")
# Words with which the plugin tells that something went wrong in itself.
_COMPLAINTS = (
    "INTERNALERROR",
    "inside the plugin",
    "inside pytest-querybudget",
    "not recorded",
    "not measured",
    "stray",
)


def main() -> int:
    """Run the suites that the command line names."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    changed = False
    for name in options.suites:
        suite = SUITES[name]
        place = options.work / name
        python = _prepare(place, suite, options.plugin)
        changed |= _compare(name, suite, place, python, options)
    return int(changed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="+", choices=sorted(SUITES), metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".tox" / "suites-of-others", help="where sources and environments are kept"
    )
    parser.add_argument("--plugin", type=Path, default=ROOT, help="the checkout of the plugin that is tried")
    parser.add_argument("--only", nargs="+", metavar="PATH", help="run these files of the suite only")
    parser.add_argument(
        "--with", dest="extra", action="append", default=[], metavar="OPTION", help="an option of the plugin"
    )
    parser.add_argument(
        "--both",
        dest="shared",
        action="append",
        default=[],
        metavar="OPTION",
        help="an option of pytest, for both runs",
    )
    return parser.parse_args()


def _prepare(place: Path, suite: Suite, plugin: Path) -> Path:
    """Fetch the source and make an environment, unless both are there; return the interpreter."""
    python = place / "venv" / "bin" / "python"
    ready = place / "ready"
    if ready.exists():
        return python
    place.mkdir(parents=True, exist_ok=True)
    venv.create(place / "venv", with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-qq"]
    if not (place / "source").exists():
        archive = _fetch(pip, place, suite)
        with tarfile.open(archive) as packed:
            packed.extractall(place / "unpacked", filter="data")
        next((place / "unpacked").iterdir()).rename(place / "source")
    needs = [each.replace(".", str(place / "source"), 1) if each.startswith(".") else each for each in suite.needs]
    subprocess.run([*pip, "install", *needs, "-e", str(plugin)], check=True)
    ready.touch()
    return python


def _fetch(pip: list[str], place: Path, suite: Suite) -> Path:
    name = suite.sdist.partition("=")[0]
    fetch = [*pip, "download", "--no-deps", "--no-binary", name, "-d", str(place / "sdist"), suite.sdist]
    # The C extensions are not needed to look at the metadata.
    subprocess.run(fetch, check=True, env={**os.environ, "DISABLE_SQLALCHEMY_CEXT": "1"})
    return next((place / "sdist").glob("*.tar.gz"))


def _compare(name: str, suite: Suite, place: Path, python: Path, options: argparse.Namespace) -> bool:
    folder = place / "source" / suite.folder
    environment = {**dict(suite.environment), "PYTHONHASHSEED": "0", "COLUMNS": "200"}
    environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(python), "-m", "pytest", *_PLAIN, *options.shared, *_arguments(suite, options.only)]
    without = [*command, "-p", "no:querybudget"]
    report = place / "with.json"
    report.unlink(missing_ok=True)
    plain = run(without, folder, environment, place / "without")
    watched = run(
        [*command, f"--querybudget-report=json:{report}", *options.extra], folder, environment, place / "with"
    )
    found = differences(plain, watched)
    if found:
        # What differs between two runs without the plugin is not its doing.
        moving = differences(plain, run(without, folder, environment, place / "again"))
        found = {key: text for key, text in found.items() if key not in moving}
    complaints = [line for line in watched.output.splitlines() if any(each in line for each in _COMPLAINTS)]
    _tell(name, plain, watched, found, complaints, findings(report))
    return bool(found or complaints)


def _arguments(suite: Suite, only: list[str] | None) -> list[str]:
    if not only:
        return list(suite.arguments)
    return [*(each for each in suite.arguments if each.startswith("-")), *only]


def _tell(
    name: str, plain: Outcome, watched: Outcome, found: dict[str, str], complaints: list[str], judged: list[str]
) -> None:
    ratio = watched.seconds / plain.seconds if plain.seconds else 0
    say(f"## {name}: {len(plain.tests)} tests, {_counts(plain)}")
    say(
        f"processor time {plain.seconds:.1f} s -> {watched.seconds:.1f} s, {ratio:.2f} times; clock {plain.wall:.1f} s -> {watched.wall:.1f} s"
    )
    say(f"differences: {len(found)}")
    for key, text in found.items():
        say(f"- {key}: {text}")
    for line in complaints:
        say(f"! {line}")
    say(f"findings: {len(judged)}")
    for line in judged:
        say(f"  {line}")


def _counts(outcome: Outcome) -> str:
    counts: dict[str, int] = {}
    for each in outcome.tests.values():
        counts[each.outcome] = counts.get(each.outcome, 0) + 1
    return (
        ", ".join(f"{count} {each}" for each, count in sorted(counts.items())) + f"; {len(outcome.warnings)} warnings"
    )


if __name__ == "__main__":
    sys.exit(main())
