"""The lock file as text: TOML with one line a test and one line a debt, sorted, made for merges and for review.

Version 1:

    version = 1

    [debts]
    "RULE SUBJECT PATH::FUNCTION" = { since = DATE, owner = "…", until = DATE, reason = "…" }

    [tests]
    "NODE ID" = { select = 2, findings = { "RULE SUBJECT PATH::FUNCTION" = 50 }, statements = "1f0c22 a3b2e1*50" }

The writer is ours, as no TOML library keeps one entry on one line; the reader is the standard library's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from pytest_querybudget.lock.model import VERSION, Debt, Lock, TestLock, by_kind
from pytest_querybudget.reports.text import well_formed

_HEAD = f"""\
# What each test is known to send: statements by kind, and findings with the number of their statements.
# `pytest --querybudget-lock` fails on more; with `--querybudget-update` it writes what it measured.
# Known findings are debts: give them an owner, a reason and a date until which they are tolerated.
version = {VERSION}
"""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# What TOML forbids in a string, what an editor or a reviewer takes for the end of a line, and what cannot be seen.
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dumps(lock: Lock) -> str:
    """The lock file as text; equal locks give equal bytes, whatever the order in which they were made."""
    return "".join(f"{line}\n" for line in _lines(lock))


def _lines(lock: Lock) -> Iterator[str]:
    yield _HEAD
    if lock.debts:
        yield "[debts]"
        for name, debt in sorted(lock.debts.items()):
            yield f"{_string(name)} = {_debt(debt)}"
        yield ""
    yield "[tests]"
    for nodeid, test in sorted(lock.tests.items()):
        yield f"{_string(nodeid)} = {_test(test)}"


def _debt(debt: Debt) -> str:
    since = [f"since = {debt.since}"] if debt.since else []
    return _table([*since, *_person(debt.owner, debt.until, debt.reason)])


def _test(test: TestLock) -> str:
    items = [f"{_key(kind)} = {count}" for kind, count in by_kind(test.kinds).items()]
    items += _person(test.owner, test.until, test.reason)
    if test.findings:
        found = [f"{_string(name)} = {count}" for name, count in sorted(test.findings.items())]
        items.append(f"findings = {_table(found)}")
    if test.statements:
        sent = (name if count == 1 else f"{name}*{count}" for name, count in sorted(test.statements.items()))
        items.append(f'statements = "{" ".join(sent)}"')
    return _table(items)


def _person(owner: str | None, until: date | None, reason: str | None) -> Iterator[str]:
    if owner is not None:
        yield f"owner = {_string(owner)}"
    if until is not None:
        yield f"until = {until}"
    if reason is not None:
        yield f"reason = {_string(reason)}"


def _table(items: list[str]) -> str:
    return f"{{ {', '.join(items)} }}" if items else "{}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, well_formed(text))}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
