"""A lock file that two branches changed: the higher figure of each line, which the next update lowers again."""

from __future__ import annotations

import re

from pytest_querybudget.lock.model import VERSION, Debt, Lock
from pytest_querybudget.lock.parse import keys, loads
from pytest_querybudget.lock.update import highest

_MARKER = re.compile(r"^(?:<{7}|={7}|>{7})(?: .*)?$")
_BASE = re.compile(r"^\|{7}(?: [^\n]*)?$.*?(?=^={7}$)", re.MULTILINE | re.DOTALL)


def resolve(text: str, *, path: object = "querybudget.lock") -> Lock:
    """Read a lock file with conflict markers, or with entries that stand there twice.

    Raises `LockError` when a line is wrong in itself.
    """
    # The common past of both sides goes, its lines stay: they are counted in errors.
    lines = _BASE.sub(lambda base: "\n" * base[0].count("\n"), text.replace("\r\n", "\n")).split("\n")
    lines = ["" if _MARKER.match(line) else line for line in lines]
    known = dict(keys("\n".join(lines)))
    lock, table = Lock(), ""
    for number, line in enumerate(lines, start=1):
        key = known.get(number)
        if key in ("debts", "tests") and line.strip().startswith("["):
            table = key
        elif key is not None and key != "version":
            lock = _joined(lock, loads(f"version = {VERSION}\n[{table}]\n{line}\n", path=path))
        elif key is None and line.strip() and not line.strip().startswith("#"):
            loads("\n" * (number - 1) + line, path=path)
    return lock


def _joined(one: Lock, other: Lock) -> Lock:
    tests, debts = one.tests, one.debts
    for name, entry in other.tests.items():
        tests[name] = highest(tests[name], entry) if name in tests else entry
    for name, debt in other.debts.items():
        debts[name] = _elder(debts[name], debt) if name in debts else debt
    return Lock(tests=tests, debts=debts)


def _elder(one: Debt, other: Debt) -> Debt:
    since = min((each.since for each in (one, other) if each.since), default=None)
    return Debt(
        since=since,
        reason=one.reason or other.reason,
        owner=one.owner or other.owner,
        until=one.until or other.until,
    )
