"""A lock file that two branches changed."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import Debt, Lock, LockError
from pytest_querybudget.lock.resolve import resolve
from pytest_querybudget.lock.update import update
from tests.lock.sample import lean, wasteful

DAY = date(2026, 11, 23)
CUSTOMER = "no_n_plus_one Order.customer app/orders.py::list_orders"
CONFLICT = f"""\
version = 1

[debts]
<<<<<<< HEAD
"{CUSTOMER}" = {{ since = 2026-11-23, owner = "billing" }}
||||||| 1234567
=======
"{CUSTOMER}" = {{ since = 2026-10-01 }}
>>>>>>> feature

[tests]
"a.py::same" = {{ select = 1 }}
<<<<<<< HEAD
"b.py::both" = {{ select = 3, insert = 1, findings = {{ "{CUSTOMER}" = 2 }} }}
||||||| 1234567
"b.py::both" = {{ select = 90 }}
=======
"b.py::both" = {{ select = 2, update = 4 }}
"c.py::theirs" = {{ select = 7 }}
>>>>>>> feature
"""


@pytest.mark.parametrize("text", [CONFLICT, CONFLICT.replace("\n", "\r\n")], ids=["unix", "windows"])
def test_each_figure_is_the_higher_one(text: str) -> None:
    """Of the two sides, not of their common past; the older debt's day, and what either side wrote."""
    lock = resolve(text)
    assert {name: each.kinds for name, each in lock.tests.items()} == {
        "a.py::same": {"select": 1},
        "b.py::both": {"select": 3, "insert": 1, "update": 4},
        "c.py::theirs": {"select": 7},
    }
    assert lock.tests["b.py::both"].findings == {CUSTOMER: 2}
    assert lock.debts == {CUSTOMER: Debt(since=date(2026, 10, 1), owner="billing")}


def test_lines_of_a_union_merge_are_joined() -> None:
    """`merge=union` keeps both lines of a test."""
    one, other = (dumps(update(Lock(), [test], today=DAY).lock) for test in (lean(), wasteful()))
    lock = resolve(one + "".join(line + "\n" for line in other.splitlines() if line.startswith('"tests/')))
    assert lock.tests[lean().nodeid].queries == 52


def test_a_file_without_conflict_stays_as_it_is() -> None:
    """Resolving changes nothing that is whole."""
    lock = update(Lock(), [lean(), wasteful("t::a")], today=DAY).lock
    assert resolve(dumps(lock)) == lock


def test_a_line_that_is_wrong_in_itself_is_an_error() -> None:
    """With the line, as ever."""
    with pytest.raises(LockError, match=r":3: not valid TOML"):
        resolve('version = 1\n[tests]\n"a = { select = 1\n')
