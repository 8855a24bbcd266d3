"""The recorders that are compared, and how each is switched on."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Says which modules and distributions an interpreter has; it may be another one than ours.
_PROBE = """
import importlib.metadata as metadata, importlib.util as util, json, sys
answer = {}
for module, distribution in json.loads(sys.argv[1]):
    try:
        if util.find_spec(module) is not None:
            answer[module] = "source"
            answer[module] = metadata.version(distribution)
    except (ModuleNotFoundError, metadata.PackageNotFoundError):
        pass
print(json.dumps(answer))
"""


@dataclass(frozen=True)
class Recorder:
    """One column of the tables.

    `plugin` is the module that pytest loads with `-p`, and only it: entry points are off. `arguments`
    make it record every test and let every test pass; `{folder}` is a scratch folder. `call_sites` says
    for which statements it finds the line of the application: all, those a Session executes, or none.
    """

    name: str
    label: str
    plugin: str | None = None
    distribution: str = ""
    arguments: tuple[str, ...] = ()
    call_sites: Literal["all", "session", "none"] = "none"

    def pytest_arguments(self, folder: str) -> list[str]:
        """What comes after `python -m pytest` to switch this recorder on."""
        plugin = ["-p", self.plugin] if self.plugin else []
        return plugin + [argument.format(folder=folder) for argument in self.arguments]

    def has_call_site(self, *, through_session: bool) -> bool:
        """Whether a statement's line is found, and so whether the comparison is one of equals."""
        return self.call_sites == "all" or (self.call_sites == "session" and through_session)


NONE = Recorder("none", "none")
EMPTY = Recorder("empty", "two empty listeners", "empty_listeners")
OURS = Recorder("querybudget", "querybudget", "pytest_querybudget.plugin", "pytest-querybudget", call_sites="all")
RIVALS = (
    Recorder(
        "queryguard",
        "queryguard",
        "pytest_queryguard.plugin",
        "pytest-queryguard",
        ("--queryguard-mode=warn",),
        call_sites="all",
    ),
    Recorder(
        "queryspy",
        "queryspy",
        "queryspy.pytest_plugin",
        "queryspy",
        # A report makes it record every test without failing one.
        ("--queryspy-report={folder}/queryspy.json",),
        call_sites="session",
    ),
    Recorder("querycount", "querycount", "pytest_querycount.plugin", "pytest-querycount", call_sites="all"),
    Recorder(
        "perf-report",
        "perf-report",
        "pytest_perf_report.plugin",
        "pytest-perf-report",
        ("--perf-report={folder}/perf.html",),
    ),
)
ALL = (NONE, EMPTY, OURS, *RIVALS)


def off() -> Recorder:
    """The plugin of this project, installed and switched off."""
    return Recorder("off", "querybudget off", OURS.plugin, OURS.distribution, ("--querybudget=off",))


def versions(python: str, recorders: tuple[Recorder, ...], environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The installed version for each recorder's name; a recorder that is not installed is left out."""
    asked = [(r.plugin, r.distribution) for r in recorders if r.plugin and r.distribution]
    command = [python, "-c", _PROBE, json.dumps(asked)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder)
    answer = json.loads(ended.stdout)
    found = {r.name: answer.get(r.plugin or "", "") for r in recorders if r.distribution}
    return {r.name: found.get(r.name, "-") for r in recorders if found.get(r.name, "-")}
