"""What is said of the flushes of a loop."""

from __future__ import annotations

import pytest

from tests.plugin.suites import HEAD, Suite

HELPERS = """
from sqlalchemy import func
from shop import Customer, Order

def save(session, *names):
    session.add_all([Customer(name=func.lower(each)) for each in names])
    session.flush()

def save_all(session, names):
    for each in names:
        save(session, each)

def save_twins(session, names):
    for each in names:
        save(session, each, f"{each} again")

def save_batches(session, batches):
    for each in batches:
        save(session, *each)

def rename_twins(session, customers):
    customers = iter(customers)
    for one, other in zip(customers, customers):
        one.name = other.name = func.upper(Customer.name)
        session.flush()
"""
IN_SAVE = "called in a loop at app/helpers.py:{} in {}"
ONCE = "Flush or commit once, after the loop: "
ADDED = " (session.add_all(...) before it)."


@pytest.mark.parametrize(
    ("body", "message", "fix"),
    [
        (
            "save_all(session, 'abcd')",
            "4 single-row INSERT statements on customer, flushed one by one, " + IN_SAVE.format(11, "save_all"),
            ONCE + "the unit of work then sends the rows together" + ADDED,
        ),
        (
            "save_twins(session, 'abcd')",
            "8 single-row INSERT statements on customer, sent by 4 flushes, " + IN_SAVE.format(15, "save_twins"),
            ONCE + "one flush then writes all rows" + ADDED,
        ),
        (
            "rename_twins(session, session.scalars(select(Customer).limit(4)).all())",
            "4 single-row UPDATE statements on customer, sent by 2 flushes, called by test_it.py:6 in test_it",
            ONCE + "one flush then writes all rows.",
        ),
        ("save_batches(session, ['abc', 'def', 'g'])", None, None),
        ("save(session, *'abcd')", None, None),
    ],
)
def test_what_flushes_of_a_loop_send(suite: Suite, body: str, message: str | None, fix: str | None) -> None:
    """A flush for each object sends one by one, and one of a few rows does not."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        f"def test_it():\n    with Session(engine) as session:\n        {body}\n",
        head=HEAD + "from app.helpers import *\n",
    )
    found = done.tests["test_it"]["findings"]
    assert [(each["message"], each["fix"]) for each in found] == ([(message, fix)] if message else [])
