"""Texts that differ in literals alone are one shape, and no others are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from pytest_querybudget.capture.shapes import MOST_OUTLINES, ShapeEntry, Shapes

DIALECT = sqlite.dialect()


def find(shapes: Shapes, sql: str) -> ShapeEntry:
    """Find the shape of a text as SQLAlchemy compiles it: a colon would begin a parameter."""
    compiled = text(sql.replace(":", "")).compile(dialect=DIALECT)
    return shapes.find(compiled.string, compiled, "sqlite")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t WHERE id = 5", "SELECT a FROM t WHERE id = 7"),
        ("SELECT a FROM t WHERE id = 5", "SELECT a FROM t WHERE id = 1024"),
        ("SELECT a FROM t WHERE x = 1.5 LIMIT 10", "SELECT a FROM t WHERE x = 2.5 LIMIT 20"),
        ("SELECT a FROM t WHERE name = 'x1' AND id = 1", "SELECT a FROM t WHERE name = 'y2' AND id = 2"),
        ('SELECT "a" FROM t WHERE id = 5', 'SELECT "a" FROM t WHERE id = 7'),
    ],
)
def test_literals_make_no_difference(one: str, other: str) -> None:
    shapes = Shapes()
    # A text that is met again takes another way than one that is new.
    first = [find(shapes, each) for each in (one, other, one, other)]
    assert len(set(map(id, first))) == 1
    assert first[0].literal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t1 WHERE id = 5", "SELECT a FROM t2 WHERE id = 5"),
        ("SELECT a1 FROM t WHERE id = 5", "SELECT a2 FROM t WHERE id = 5"),
        ('SELECT "1" FROM t WHERE id = 5', 'SELECT "2" FROM t WHERE id = 5'),
        ("SELECT a FROM t WHERE id = 5", "SELECT a FROM t WHERE id > 5"),
        ("SELECT a FROM t -- 1\n WHERE id = 5", "SELECT a FROM t -- 1 WHERE id = 5"),
        ("SELECT 1 FROM t", "SELECT a FROM t"),
        ("DROP TABLE t1", "DROP TABLE t2"),
    ],
)
def test_names_do(one: str, other: str) -> None:
    shapes = Shapes()
    assert find(shapes, one) is not find(shapes, other)
    assert find(shapes, one) is not find(shapes, other)


WORDS = "SELECT a a1 t2 , FROM WHERE = 1 23 4.5 .5 1e5 0x1F 12ab 'x' 'a1' \"q1\" `m1` [x1] -- /* */ $1 $$ \\ # ( ) é ٣"
PIECES = st.sampled_from([*WORDS.split(), " ", "\n", "  "])


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.sampled_from("0123456789"), min_size=40, max_size=40))
@settings(max_examples=500, deadline=None)
def test_what_is_remembered_changes_nothing(sql: str, digits: list[str]) -> None:
    """Whatever was met before: a text has the shape that it has by itself."""
    others = iter(digits)
    other = re.sub("[0-9]", lambda found: next(others, found[0]), sql)
    shapes = Shapes()
    find(shapes, sql)
    assert find(shapes, other).masked == find(Shapes(), other).masked


def test_memory_is_bounded() -> None:
    shapes = Shapes()
    for number in range(MOST_OUTLINES + 10):
        find(shapes, f"SELECT {'a' * number} FROM t WHERE id = {number}")
    assert len(shapes.outlines) <= MOST_OUTLINES
    find(shapes, f"SELECT {'a' * 3000} FROM t WHERE id = 1")
    assert max(map(len, shapes.outlines)) < 3000


def test_a_raw_text_is_not_what_was_compiled() -> None:
    """Of one that was compiled more is known than its text."""
    shapes, sql = Shapes(), "SELECT a FROM t"
    raw = shapes.find(sql, None, "sqlite")
    compiled = find(shapes, sql)
    assert (raw.compiled, compiled.compiled) == (False, True)
    assert shapes.find(sql, None, "sqlite") is raw
    assert find(shapes, sql) is compiled
