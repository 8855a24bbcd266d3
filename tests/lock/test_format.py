"""The lock file as text: it comes back as it was, one line a test, sorted; what is wrong is named with its line."""

from __future__ import annotations

import string
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.model import KINDS, Debt, Lock, LockError, TestLock, by_kind
from pytest_querybudget.lock.parse import loads
from pytest_querybudget.lock.update import update
from tests.lock.pinned import assert_golden
from tests.lock.sample import entry, lean, wasteful

GOLDEN = Path(__file__).parent / "golden"

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
counts = st.integers(1, 10**9)
kinds = st.dictionaries(st.sampled_from(KINDS) | st.text(string.ascii_letters + " \"'=#.é", min_size=1), counts)
dates = st.none() | st.dates()
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
debts = st.builds(Debt, since=dates, reason=texts, owner=texts, until=dates)
digits = st.text("0123456789abcdef", min_size=6, max_size=6)
RESERVED = {"findings", "statements", "owner", "until", "reason"}
tests = st.builds(
    TestLock,
    kinds=kinds.map(lambda each: by_kind({key: count for key, count in each.items() if key not in RESERVED})),
    findings=st.dictionaries(names, counts, max_size=3),
    statements=st.dictionaries(digits, counts, max_size=3),
    reason=texts,
    owner=texts,
    until=dates,
)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """A lock in which each finding has its debt, as reading makes sure."""
    entries = draw(st.dictionaries(names, tests, max_size=4))
    found = {name for each in entries.values() for name in each.findings}
    return Lock(tests=entries, debts={name: draw(debts) for name in found})


@given(locks())
def test_a_lock_comes_back_as_it_was(lock: Lock) -> None:
    """Whatever stands in node ids, findings, owners and reasons."""
    assert loads(dumps(lock)) == lock


@given(locks())
def test_one_line_a_test_and_one_a_debt(lock: Lock) -> None:
    """No text can break a line, not even for editors that know more line ends than TOML does."""
    lines = dumps(lock).splitlines()
    entries = [line for line in lines if line.startswith('"')]
    assert len(entries) == len(lock.tests) + len(lock.debts)


@given(locks())
def test_the_order_of_making_leaves_no_trace(lock: Lock) -> None:
    """Equal locks are equal bytes."""
    turned = Lock(tests=dict(reversed(lock.tests.items())), debts=dict(reversed(lock.debts.items())))
    assert dumps(turned) == dumps(lock)


def test_the_file_reads_well() -> None:
    """The file as a reviewer sees it."""
    ran = [
        lean(),
        wasteful('tests/test_orders.py::test_page[a-\u20ac-"quoted"]'),
        entry("tests/test_money.py::test_rounding"),
    ]
    lock = update(Lock(), ran, today=date(2026, 11, 23)).lock
    assert_golden(GOLDEN / "lock.toml", dumps(lock), width=None)


HEAD = "version = 1\n\n[tests]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.lock:1: not a lock file: `version = 1` is missing"),
        ("version = 2\n", "x.lock:1: written in version 2, and this pytest-querybudget reads version 1: upgrade it"),
        ('version = "1"\n', "x.lock:1: the version is a number from 1, got '1'"),
        ("version = true\n", "x.lock:1: the version is a number from 1, got True"),
        ("version = 1\nspare = 1\n", "x.lock:2: unknown table 'spare'; there are version, debts, tests"),
        ("version = 1\ntests = 3\n", "x.lock:2: tests is a table, got 3"),
        (f'{HEAD}"a::b" = {{ select = one }}\n', "x.lock:4: not valid TOML: "),
        (f'{HEAD}"a::b" = {{ select = 1 }}\n"a::c\n', "x.lock:5: not valid TOML: "),
        (f'{HEAD}"a::b" = 3\n', "x.lock:4: 'a::b' is a table such as { select = 2 }, got 3"),
        (
            f'{HEAD}"a::a" = {{}}\n"a::b" = {{ select = "2" }}\n',
            "x.lock:5: 'select' of 'a::b' is a number from 0, got '2'",
        ),
        (f'{HEAD}"a::b" = {{ select = -1 }}\n', "x.lock:4: 'select' of 'a::b' is a number from 0, got -1"),
        (f'{HEAD}"a::b" = {{ select = true }}\n', "x.lock:4: 'select' of 'a::b' is a number from 0, got True"),
        (f'{HEAD}"a::b" = {{ findings = 1 }}\n', "x.lock:4: findings of 'a::b' is a table of counts, got 1"),
        (f'{HEAD}"a::b" = {{ findings = {{ "r t p" = "x" }} }}\n', "x.lock:4: 'r t p' of 'a::b' is a number from 0"),
        (f'{HEAD}"a::b" = {{ statements = "xyz" }}\n', "x.lock:4: statements of 'a::b' is text such as"),
        (
            f'{HEAD}"a::b" = {{ until = "soon" }}\n',
            "x.lock:4: until of 'a::b' is a date such as 2027-01-31, got 'soon'",
        ),
        (f'{HEAD}"a::b" = {{ until = 2027-01-31T10:00:00 }}\n', "x.lock:4: until of 'a::b' is a date such as"),
        (f'{HEAD}"a::b" = {{ owner = 3 }}\n', "x.lock:4: owner of 'a::b' is text, got 3"),
        ('version = 1\n[debts]\n"r t p" = { who = "me" }\n', "x.lock:3: unknown key 'who' of the debt 'r t p'"),
        (f'{HEAD}"a::b" = {{}}\n"a::c" = {{}}\n"a::b" = {{ select = 1 }}\n', "x.lock:6: 'a::b' is listed twice: "),
        (f'{HEAD}<<<<<<< HEAD\n"a::b" = {{}}\n=======\n', "x.lock:4: an unresolved merge conflict (<<<<<<< HEAD): "),
        (f"{HEAD}\r\n=======\r\n", "x.lock:5: an unresolved merge conflict (=======): "),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, said: str) -> None:
    """File, line, cause and, where there is one, the way out."""
    with pytest.raises(LockError) as error:
        loads(text, path="x.lock")
    assert str(error.value).startswith(said)


def test_a_truncated_file_is_an_error_at_every_length() -> None:
    """Half a lock holds nothing to less than the whole would: it must not be taken for a lock, or only between lines."""
    text = dumps(update(Lock(), [lean(), wasteful("a.py::b")], today=date(2026, 11, 23)).lock)
    whole = loads(text)
    for end in range(len(text)):
        try:
            part = loads(text[:end])
        except LockError as error:
            assert error.line
        else:
            assert part.tests.items() <= whole.tests.items()


def test_windows_line_ends_and_dates_as_text_are_read() -> None:
    """What an editor or git may have made of the file."""
    lock = loads(f'{HEAD}"a::b" = {{ select = 1, until = "2027-01-31" }}\n'.replace("\n", "\r\n"))
    assert lock.tests["a::b"].until == date(2027, 1, 31)


def test_a_finding_whose_debt_was_deleted_is_still_known() -> None:
    """Deleting the line of a debt only loses what a person wrote there."""
    assert loads(f'{HEAD}"a::b" = {{ findings = {{ "r t p" = 3 }} }}\n').debts == {"r t p": Debt()}
