"""Any text at all is read without an exception, in linear time, and the same way twice."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_querybudget.statements import Shape, from_text, literals, normalise

PIECES = st.sampled_from(
    [
        *"""
    select SELECT from where WITH recursive as insert into values VALUES update set delete join left on using in IN
    ARRAY any between and or not null NULL true case when then end order by group having limit offset union
    returning conflict do for lateral exists distinct is like escape begin explain merge top over
    t a.b "q" "q""r" `m` [x] t.* * . .. ... , ; ( ) (( )) [ ] { } ' " ` '' "" $$ $t$ $1 ? ?1 ?| :x :1 :: : := %(x)s %s %
    @v @@ # ## -- /* */ /*! \\ 1 -1 - + 1.5 .5 1e5 0x1F 12ab e'x' E'\\'' n'x' q'[ x'00' q'[a]' = < > <> != <= -> ->>
    || | & ~ ~* !~ __ _ __[POSTCOMPILE_a_1] __[SCHEMA_x].t __[ POSTCOMPILE_x] now( count( COUNT é \x00 \ud800
    """.split(),
        *(" ", "\n", "\t", "-- x\n", "/* x */"),
    ]
)
DIALECTS = st.sampled_from(["", "postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle"])
LISTS = st.lists(PIECES, max_size=30)
TEXTS = st.one_of(st.text(max_size=60), LISTS.map(" ".join), LISTS.map("".join))


@given(TEXTS, DIALECTS)
@settings(max_examples=400, deadline=None)
def test_normalising_twice_changes_nothing(sql: str, dialect: str) -> None:
    """The text of a shape is its own shape."""
    once = normalise(sql, dialect)
    assert normalise(once, dialect) == once


@given(TEXTS, DIALECTS)
@settings(max_examples=400, deadline=None)
def test_any_text_has_a_shape(sql: str, dialect: str) -> None:
    """Never an exception, and always one of the known words."""
    shape = from_text(sql, dialect)
    assert isinstance(shape, Shape)
    assert shape.sql == normalise(sql, dialect)
    assert shape.kind in {"select", "insert", "update", "delete", "ddl", "transaction", "other"}
    roles = {"equal", "in", "range", "like", "limit", "offset", "value", "other"}
    assert {each.role for each in shape.binds} <= roles
    assert all(isinstance(each, str) for each in literals(sql, dialect))


VALUE = st.one_of(
    st.integers().map(str),
    st.floats(0, 1e9, allow_nan=False).map(repr),
    st.text(st.characters(exclude_characters="'\\", exclude_categories=["Cs"])).map(lambda text: f"'{text}'"),
)
SPACE = st.sampled_from([" ", "\n", "  \t", " /* c */ ", " -- c\n"])


@given(st.lists(VALUE, min_size=1, max_size=5), VALUE, VALUE, st.lists(SPACE, min_size=9, max_size=9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_equal_statements_have_equal_shapes(
    values: list[str], one: str, other: str, spaces: list[str], upper: bool
) -> None:
    """Values, white space, comments, the length of a list and the case of keywords make no difference."""
    words = ["SELECT", "a.B", "FROM", '"T x"', "a", "WHERE", "b IN"]
    words = [word if upper or word[0].islower() or word[0] == '"' else word.lower() for word in words]
    text = "".join(word + space for word, space in zip(words, spaces, strict=False))
    text += f"({','.join(values)}){spaces[7]}AND c ={spaces[8]}{one} LIMIT {other}"
    assert normalise(text) == 'SELECT a.B FROM "T x" a WHERE b IN (...) AND c = ? LIMIT ?'
    assert literals(text) == (*values, one, other)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4), st.sampled_from(["=", "<", "LIKE"]))
@settings(deadline=None)
def test_each_comparison_keeps_its_column(columns: list[str], operator: str) -> None:
    """However many there are, and however deep in parentheses."""
    deep = "(" * len(columns) + " AND ".join(f"t.{each} {operator} ?" for each in columns) + ")" * len(columns)
    shape = from_text(f"SELECT 1 FROM t WHERE {deep}")
    assert [each.column for each in shape.binds if not each.literal] == [f"t.{each}" for each in columns]


MILLION = {
    "quotes": "'" * 10**6,
    "names": '"' * 999_999,
    "comments": "/*" * 500_000,
    "closed comments": "/* */" * 200_000,
    "dollars": "$a$ $b$" * 150_000,
    "parentheses": "(" * 10**6,
    "subqueries": "(SELECT a FROM " * 65_000,
    "in": "IN (1," * 170_000,
    "values": "VALUES (" * 120_000,
    "digits": "1" * 10**6,
    "words": "a" * 10**6,
    "dots": "a." * 500_000,
    "marks": "__[POSTCOMPILE_" * 66_000,
    "formats": "%(" * 500_000,
    "spaces": " \0" * 500_000,
    "rows": "INSERT INTO t (a, b) VALUES (1, 'x')" + ", (2, 'yy')" * 90_000,
    "list": "SELECT a FROM t WHERE id IN (1" + ", 22" * 250_000 + ")",
    "columns": "SELECT a" + ", b" * 330_000 + " FROM t, u",
    "joins": "SELECT * FROM a" + " JOIN b ON x = y" * 60_000,
    "ors": "SELECT a FROM t WHERE a = 1" + " OR a = 2" * 110_000,
    "unions": "SELECT a FROM t" + " UNION SELECT a FROM t" * 45_000,
    "ctes": "WITH a AS (SELECT 1)" + ", b AS (SELECT 1)" * 58_000 + " SELECT 1",
    "cases": "SELECT " + "CASE WHEN a = 1 THEN " * 47_000,
    "statements": "SELECT 1;" * 110_000,
}


@pytest.mark.parametrize("name", MILLION)
def test_half_a_megabyte_takes_ten_times_as_long_as_a_tenth(name: str) -> None:
    """Linear: what grows with the square would take a hundred times as long, and minutes."""
    text = MILLION[name][:500_000]
    small = _seconds(text[: len(text) // 10])
    assert _seconds(text) < 40 * small + 1.5


def _seconds(text: str) -> float:
    start = time.thread_time()
    normalise(from_text(text).sql)
    return time.thread_time() - start


def test_two_hundred_levels_are_taken_apart() -> None:
    """The innermost table is still found."""
    text = "SELECT * FROM (" * 200 + "SELECT * FROM deep" + ") x" * 200
    assert from_text(text).reads == ("deep",)
