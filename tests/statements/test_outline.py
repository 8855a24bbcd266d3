"""How a SELECT is put together, read from any text: never an exception, and in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_querybudget.recording.structure import Structure
from pytest_querybudget.statements.outline import structure_of

PIECES = st.sampled_from(
    """
    select SELECT from where WITH recursive as values join left cross natural lateral on using in IN not NOT exists
    and or between case when end is distinct group by having order limit offset fetch union all any like escape for
    t a.b "q" t.* * . , ; ( ) (( )) :: ? $1 :x %(x)s 1 '%x' 'x' = < > <> || over filter date( count( random( cast(
    """.split()
)


@given(st.lists(PIECES, max_size=40).map(" ".join), st.sampled_from(["", "postgresql", "mysql", "sqlite"]))
@settings(max_examples=400, deadline=None)
def test_any_text_has_a_structure(sql: str, dialect: str) -> None:
    """And each number in it is that of a query, or of a relation."""
    found = structure_of(f"SELECT {sql}", dialect)
    assert isinstance(found, Structure)
    for query in found.queries:
        assert all(0 <= each < len(found.queries) for each in query.parts)
        assert all(each.query is None or 0 <= each.query < len(found.queries) for each in query.relations)
        used = [each for factor in query.factors for each in factor.relations]
        assert all(-2 <= each < len(query.relations) for each in used)


@pytest.mark.parametrize(
    "piece",
    [
        "SELECT a FROM t WHERE x = 1 AND (y = 2 OR z IN (1, 2))",
        "SELECT a FROM (SELECT a FROM t WHERE b IN (SELECT c FROM u)) AS s",
    ],
)
def test_time_grows_with_the_length(piece: str) -> None:
    """Ten times the text takes no hundred times as long, of the processor's time: a busy machine changes nothing."""
    texts = [" UNION ALL ".join([piece] * count) for count in (20, 200)]
    took = []
    for each in texts:
        start = time.thread_time()
        assert structure_of(each).top is not None
        took.append(time.thread_time() - start)
    assert took[1] < 40 * took[0] + 0.2


@pytest.mark.parametrize(
    "sql", ["SELECT " + "(" * 200 + "1" + ")" * 200, "SELECT 1; SELECT 2", "UPDATE t SET a = 1", ""]
)
def test_what_is_not_taken_apart_has_no_top(sql: str) -> None:
    """Too deep, several at once, or no SELECT."""
    assert structure_of(sql).top is None


@pytest.mark.parametrize(
    "condition",
    [
        "t.a BETWEEN %(a)s::TIMESTAMP WITHOUT TIME ZONE AND %(b)s::TIMESTAMP WITHOUT TIME ZONE",
        "t.a BETWEEN %(a)s::TIMESTAMP WITH TIME ZONE AND now()",
        "t.a > CAST(%(a)s AS DOUBLE PRECISION)",
        "t.a = %(a)s::CHARACTER VARYING(20)",
        "t.a > now() AT TIME ZONE 'UTC'",
    ],
)
def test_words_of_types_are_no_columns(condition: str) -> None:
    """What PostgreSQL casts a parameter to names no column of a table."""
    top = structure_of(f"SELECT t.b FROM t WHERE {condition}", "postgresql").top
    assert top is not None
    assert [(each.left.column.name if each.left.column else "", each.right.is_value) for each in top.conditions] == [
        ("a", True)
    ]


def test_a_column_at_a_time_zone_is_a_function_of_it() -> None:
    """An index on the column does not serve it."""
    top = structure_of("SELECT t.b FROM t WHERE t.a AT TIME ZONE 'UTC' > %(a)s", "postgresql").top
    assert top is not None
    assert [(each.left.function, each.left.columns == (each.left.column,)) for each in top.conditions] == [
        ("timezone", True)
    ]


@pytest.mark.parametrize(
    ("source", "dialect"),
    [
        ("t USE INDEX (i)", "mysql"),
        ("t FORCE INDEX FOR ORDER BY (i)", "mysql"),
        ("t IGNORE KEY FOR JOIN (i, j)", "mysql"),
        ("t PARTITION (p0)", "mysql"),
        ("t TABLESAMPLE BERNOULLI (%(part)s)", "postgresql"),
        ("t TABLESAMPLE BERNOULLI (10) REPEATABLE (5)", "postgresql"),
        ("t PARTITION (p0) AS s", "mysql"),
        ("t WITH (NOLOCK)", "mssql"),
    ],
)
def test_a_hint_is_no_relation(source: str, dialect: str) -> None:
    """Neither its words nor what it names, and what comes after it is joined."""
    top = structure_of(f"SELECT t.a FROM {source} JOIN u ON u.a = t.a, v", dialect).top
    assert top is not None
    assert [(each.table, each.function, each.join) for each in top.relations] == [
        ("t", False, ""),
        ("u", False, "inner"),
        ("v", False, ","),
    ]


def test_an_alias_stands_behind_a_hint() -> None:
    """As MySQL has it: what has that name is a column of the table."""
    top = structure_of("SELECT s.a FROM t PARTITION (p0) AS s, u WHERE s.a = u.a", "mysql").top
    assert top is not None
    assert [(each.table, each.label) for each in top.relations] == [("t", "s"), ("u", "u")]


@pytest.mark.parametrize(
    ("side", "text"),
    [
        ("lower(t.a)", "lower(t.a)"),
        ("round((t.a + 1) * 2, 1)", "round((t.a + ?) * ?, ?)"),
        ("(SELECT max(u.a) FROM u)", "(SELECT ...)"),
        (" + ".join(["t.a"] * 40), "..."),
        (f"concat({', '.join(['t.a'] * 40)})", "..."),
    ],
)
def test_the_text_of_one_side(side: str, text: str) -> None:
    """As the shape has it, unless it is too long for a person."""
    top = structure_of(f"SELECT t.b FROM t WHERE {side} = 3 AND 3 = {side}").top
    assert top is not None
    assert [(each.left.text, each.right.text) for each in top.conditions] == [(text, "?"), ("?", text)]
