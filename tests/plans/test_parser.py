"""SQL is read without ever raising anything but `NotUnderstood`, and in linear time."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.parser import parse_expression, parse_statement
from pytest_querybudget.plans.tokens import mask, tokenize
from tests.plans.corpus import CASES

WORDS = """SELECT FROM WHERE AND OR NOT ( ) , . = <> < IN LIKE BETWEEN IS NULL EXISTS JOIN LEFT ON USING GROUP BY ORDER LIMIT
UNION ALL WITH AS CASE WHEN THEN END CAST :: ->> @> ? %s :p $1 'x' "q" t a b 1 * + - COLLATE UPDATE SET DELETE INSERT INTO VALUES
OVER PARTITION ARRAY [ ] -- /* */ $$ ' \" ; \x00""".split()


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_word_salad(sql: str) -> None:
    """Any order of words."""
    for parse in (parse_statement, parse_expression):
        with contextlib.suppress(NotUnderstood):
            parse(sql)


@given(st.text(max_size=200))
def test_any_text(sql: str) -> None:
    """Any characters; masking twice changes nothing."""
    tokenize(sql)
    assert mask(mask(sql)) == mask(sql)
    with contextlib.suppress(NotUnderstood):
        parse_statement(f"SELECT * FROM t WHERE {sql}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_corpus_is_understood(case: object) -> None:
    """Every statement of the corpus, also cut off anywhere."""
    sql = case.sql  # type: ignore[attr-defined]
    parse_statement(sql)
    for end in range(len(sql)):
        with contextlib.suppress(NotUnderstood):
            parse_statement(sql[:end])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT * FROM t WHERE " + "NOT " * 5000 + "a",
        "SELECT " * 3000,
        "SELECT * FROM t WHERE " + " AND ".join(f"c{i} = {i}" for i in range(20000)),
        "SELECT * FROM t WHERE a IN (" + "?, " * 20000 + "?)",
        "SELECT '" + "x" * 1_000_000,
        "/*" * 100_000,
        "SELECT * FROM " + "(SELECT * FROM " * 200 + "t" + ")" * 200,
    ],
    ids=lambda sql: sql[:30],
)
def test_huge_and_deep(sql: str) -> None:
    """No recursion error, and no more than a second or two."""
    start = time.thread_time()
    with contextlib.suppress(NotUnderstood):
        parse_statement(sql)
    assert time.thread_time() - start < 5


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("(status = 'open'::text)", "(status = ?::text)"),
        ("(name = 'it''s' AND id = 5)", "(name = ? AND id = ?)"),
        ("(price > 1.5e3)", "(price > ?)"),
        ("(NOT (hashed SubPlan 1))", "(NOT (hashed SubPlan 1))"),
        ("(col1 = E'a\\nb')", "(col1 = ?)"),
        ("(x = $$secret$$)", "(x = ?)"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    """No literal is left, and names are."""
    assert mask(text) == masked
