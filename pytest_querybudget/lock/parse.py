"""From the text of a lock file to its values; whatever is wrong is an error that names the line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NoReturn

from pytest_querybudget.lock.model import VERSION, Debt, Lock, LockError, TestLock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?\r?$", re.MULTILINE)
_POSITION = re.compile(r"\s*\((?:at line (\d+), column \d+|at end of document)\)$")
_STATEMENT = re.compile(r"([0-9a-f]{6})(?:\*([1-9][0-9]*))?")
_TOP = ("version", "debts", "tests")
_PERSON = ("owner", "until", "reason")
_REWRITE = "write the file anew with `pytest --querybudget-lock --querybudget-update`"
_RESOLVE = "`querybudget lock resolve` keeps the higher figures"


def loads(text: str, *, path: object = "querybudget.lock") -> Lock:
    """Read a lock file; `path` is what errors call it. Raises `LockError`."""
    conflict = _CONFLICT.search(text)
    if conflict:
        raise LockError(
            path,
            f"an unresolved merge conflict ({conflict[0].strip()}): {_RESOLVE}",
            _line_at(text, conflict.start()),
        )
    return _Reader(text, path).lock()


class _Reader:
    """One reading: the text is kept to find the line of what is wrong."""

    def __init__(self, text: str, path: object) -> None:
        self.text, self.path = text, path

    def lock(self) -> Lock:
        plain = self._toml()
        self._version(plain)
        for name in plain:
            if name not in _TOP:
                self._fail(f"unknown table {name!r}; there are {', '.join(_TOP)}", name)
        debts = {name: self._debt(name, each) for name, each in self._table(plain, "debts").items()}
        tests = {nodeid: self._test(nodeid, each) for nodeid, each in self._table(plain, "tests").items()}
        # A line that was taken out by hand only loses what a person wrote there.
        for test in tests.values():
            for name in test.findings:
                debts.setdefault(name, Debt())
        return Lock(tests=tests, debts=debts)

    def _toml(self) -> dict[str, Any]:
        try:
            plain: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            duplicate = _duplicate(self.text)
            if duplicate:
                line, name = duplicate
                raise LockError(self.path, f"{name!r} is listed twice: {_RESOLVE}", line) from None
            position = _POSITION.search(str(error))
            cause = _POSITION.sub("", str(error))
            line = int(position[1]) if position and position[1] else self.text.count("\n") + 1
            raise LockError(self.path, f"not valid TOML: {cause}; {_REWRITE}", line) from None
        except RecursionError:
            raise LockError(self.path, f"not a lock file: nested too deeply; {_REWRITE}") from None
        return plain

    def _version(self, plain: Mapping[str, Any]) -> None:
        version = plain.get("version")
        if version is None:
            raise LockError(self.path, f"not a lock file: `version = {VERSION}` is missing; {_REWRITE}", 1)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            self._fail(f"the version is a number from 1, got {version!r}", "version")
        if version > VERSION:
            text = f"written in version {version}, and this pytest-querybudget reads version {VERSION}: upgrade it"
            self._fail(text, "version")

    def _table(self, plain: Mapping[str, Any], name: str) -> dict[str, Any]:
        table = plain.get(name, {})
        if not isinstance(table, dict):
            self._fail(f"{name} is a table, got {_kind(table)}", name)
        return table

    def _debt(self, name: str, plain: Any) -> Debt:
        self._entry(name, plain)
        for key in plain:
            if key not in ("since", *_PERSON):
                self._fail(f"unknown key {key!r} of the debt {name!r}; there are since, {', '.join(_PERSON)}", name)
        return Debt(since=self._date(name, plain, "since"), **self._person(name, plain))

    def _test(self, nodeid: str, plain: Any) -> TestLock:
        self._entry(nodeid, plain)
        kinds = {key: each for key, each in plain.items() if key not in ("findings", "statements", *_PERSON)}
        findings = plain.get("findings", {})
        if not isinstance(findings, dict):
            self._fail(f"findings of {nodeid!r} is a table of counts, got {_kind(findings)}", nodeid)
        for key, each in (*kinds.items(), *findings.items()):
            if not isinstance(each, int) or isinstance(each, bool) or each < 0:
                self._fail(f"{key!r} of {nodeid!r} is a number from 0, got {each!r}", nodeid)
        return TestLock(
            kinds=kinds, findings=findings, statements=self._statements(nodeid, plain), **self._person(nodeid, plain)
        )

    def _statements(self, nodeid: str, plain: Mapping[str, Any]) -> dict[str, int]:
        text = plain.get("statements", "")
        words = text.split() if isinstance(text, str) else [repr(text)]
        counts: dict[str, int] = {}
        for word in words:
            match = _STATEMENT.fullmatch(word)
            if not match:
                self._fail(f"statements of {nodeid!r} is text such as '1f0c22 a3b2e1*50', got {word}", nodeid)
            counts[match[1]] = counts.get(match[1], 0) + int(match[2] or 1)
        return counts

    def _person(self, name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
        for key in ("reason", "owner"):
            if not isinstance(plain.get(key, ""), str):
                self._fail(f"{key} of {name!r} is text, got {plain[key]!r}", name)
        return {
            "reason": plain.get("reason"),
            "owner": plain.get("owner"),
            "until": self._date(name, plain, "until"),
        }

    def _date(self, name: str, plain: Mapping[str, Any], key: str) -> date | None:
        value = plain.get(key)
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self._fail(f"{key} of {name!r} is a date such as 2027-01-31, got {value!r}", name)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            self._fail(f"{key} of {name!r} is a date such as 2027-01-31, got {value}", name)
        return value

    def _entry(self, name: str, plain: Any) -> None:
        if not isinstance(plain, dict):
            self._fail(f"{name!r} is a table such as {{ select = 2 }}, got {_kind(plain)}", name)

    def _fail(self, text: str, name: str) -> NoReturn:
        line = next((number for number, key in keys(self.text) if key == name), None)
        raise LockError(self.path, text, line)


def keys(text: str) -> Iterator[tuple[int, str]]:
    """Each line that is an entry by itself, with its number from 1 and its key; `[table]` gives the table's name."""
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            plain = tomllib.loads(line.strip())
        except tomllib.TOMLDecodeError:
            continue
        yield from ((number, key) for key in plain)


def _duplicate(text: str) -> tuple[int, str] | None:
    table, seen = "", set()
    for number, key in keys(text):
        if key in _TOP:
            table = key
        if (table, key) in seen:
            return number, key
        seen.add((table, key))
    return None


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return repr(value)
