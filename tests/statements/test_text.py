"""What a text is: kind, tables, columns, binds, and the text of its shape."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_querybudget.statements import Bind, from_text, literals, normalise

KINDS: list[tuple[str, str]] = [
    ("SELECT 1", "select"),
    ("  -- a comment\n/* and /* another */ */ select 1", "select"),
    ("((SELECT a FROM t))", "select"),
    ("(SELECT a FROM t) UNION ALL (SELECT b FROM u)", "select"),
    ("VALUES (1)", "select"),
    ("TABLE t", "select"),
    ("WITH c AS (SELECT 1) SELECT * FROM c", "select"),
    ("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c", "select"),
    ("WITH c AS (SELECT 1) INSERT INTO t SELECT * FROM c", "insert"),
    ("WITH c AS (SELECT 1) UPDATE t SET a = 1", "update"),
    ("WITH c AS (SELECT 1) DELETE FROM t", "delete"),
    ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "delete"),
    ("INSERT INTO t VALUES (1)", "insert"),
    ("INSERT OR REPLACE INTO t VALUES (1)", "insert"),
    ("REPLACE INTO t VALUES (1)", "insert"),
    ("UPDATE t SET a = 1", "update"),
    ("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = 1", "update"),
    ("DELETE FROM t", "delete"),
    ("CREATE TABLE t (id int)", "ddl"),
    ("DROP TABLE t", "ddl"),
    ("ALTER TABLE t ADD c int", "ddl"),
    ("TRUNCATE t", "ddl"),
    ("SELECT a INTO n FROM t", "ddl"),
    ("SELECT a INTO @v FROM t", "select"),
    ("SELECT 1; DELETE FROM t", "delete"),
    ("BEGIN; SELECT a FROM t; INSERT INTO t VALUES (1); UPDATE t SET a = 2", "insert"),
    ("SELECT 1; SELECT 2", "select"),
    ("SAVEPOINT s", "transaction"),
    ("RELEASE SAVEPOINT s", "transaction"),
    ("ROLLBACK TO SAVEPOINT s", "transaction"),
    ("BEGIN", "transaction"),
    ("BEGIN;", "transaction"),
    ("begin immediate", "transaction"),
    ("START TRANSACTION", "transaction"),
    ("COMMIT", "transaction"),
    ("ROLLBACK", "transaction"),
    ("EXPLAIN SELECT 1", "other"),
    ("PRAGMA foreign_keys = ON", "other"),
    ("SET search_path TO x", "other"),
    ("SHOW TABLES", "other"),
    ("CALL work()", "other"),
    ("VACUUM", "other"),
    ("DO $$ BEGIN DELETE FROM t; END $$", "other"),
    ("", "other"),
    ("\0", "other"),
    ("nonsense", "other"),
]


@pytest.mark.parametrize(("sql", "kind"), KINDS)
def test_the_kind_of_a_statement(sql: str, kind: str) -> None:
    """A comment, a parenthesis or the case of a word changes nothing."""
    assert from_text(sql).kind == kind
    assert from_text(f"/* {kind} */ {sql.lower()}").kind == kind


@pytest.mark.parametrize(
    ("sql", "opaque"),
    [
        ("CALL work()", True),
        ("DO $$ x $$", True),
        ("EXEC work", True),
        ("CREATE TABLE t (id int)", True),
        ("nonsense", True),
        ("EXPLAIN ANALYZE DELETE FROM t", True),
        ("EXPLAIN DELETE FROM t", False),
        ("SET x = 1", False),
        ("PRAGMA x", False),
        ("SAVEPOINT s", False),
        ("SELECT 1", False),
        ("INSERT INTO t VALUES (1)", False),
    ],
)
def test_what_writes_unknown_tables_is_opaque(sql: str, opaque: bool) -> None:
    """It must be treated as having written everything."""
    assert from_text(sql).opaque is opaque


TABLES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("SELECT * FROM a, b c JOIN d USING (x) LEFT JOIN s.e ON e.x = d.x", ("a", "b", "d", "s.e"), ()),
    ("SELECT * FROM a WHERE x IN (SELECT y FROM b WHERE EXISTS (SELECT 1 FROM c))", ("a", "b", "c"), ()),
    ("WITH x AS (SELECT * FROM a), y AS (SELECT * FROM x) SELECT * FROM y JOIN b ON true", ("a", "b"), ()),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", ("a",), ()),
    ('SELECT * FROM "my table" JOIN `other` ON 1 = 1', ("my table", "other"), ()),
    ("SELECT * FROM (a JOIN b ON a.x = b.x)", ("a", "b"), ()),
    ("SELECT * FROM LATERAL (SELECT * FROM a) x, ONLY b", ("a", "b"), ()),
    ("SELECT EXTRACT(year FROM a.d), trim(both from x), x IS DISTINCT FROM y FROM a", ("a",), ()),
    ("SELECT * FROM generate_series(1, 2) AS g(n)", (), ()),
    ("SELECT * FROM a USE INDEX (i) JOIN b ON b.x = a.x", ("a", "b"), ()),
    ("INSERT INTO t (a) SELECT b FROM s ON CONFLICT (a) DO UPDATE SET a = excluded.a", ("s",), ("t",)),
    ("INSERT INTO t SELECT * FROM t", ("t",), ("t",)),
    ("UPDATE t SET a = s.a FROM s WHERE s.id = t.id", ("s",), ("t",)),
    ("UPDATE t AS x SET a = (SELECT max(a) FROM u)", ("u",), ("t",)),
    ("UPDATE a JOIN b ON a.id = b.id SET a.x = b.x", ("b",), ("a",)),
    ("UPDATE x SET a = 1 FROM t AS x JOIN u ON u.id = x.id", ("u",), ("t",)),
    ("DELETE FROM t USING u WHERE u.id = t.id", ("u",), ("t",)),
    ("DELETE x FROM t AS x JOIN u ON u.id = x.id", ("u",), ("t",)),
    ("DELETE FROM t WHERE id IN (SELECT id FROM t)", ("t",), ("t",)),
    ("CREATE TABLE IF NOT EXISTS s.t (id int)", (), ("s.t",)),
    ("CREATE UNIQUE INDEX i ON t (a)", (), ("t",)),
    ("TRUNCATE TABLE t", (), ("t",)),
    ("SELECT 1 FROM a; DELETE FROM b;", ("a",), ("b",)),
]


@pytest.mark.parametrize(("sql", "reads", "writes"), TABLES)
def test_tables_that_are_read_and_written(sql: str, reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
    """Real tables by their real names: no aliases, no CTEs, no functions."""
    shape = from_text(sql)
    assert (shape.reads, shape.writes) == (reads, writes)


PATTERN_WORDS = (
    *("LIKE", "NOT LIKE", "ILIKE", "GLOB", "REGEXP", "RLIKE", "SIMILAR TO"),
    *("~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"),
)
BINDS: list[tuple[str, list[Bind]]] = [
    ("SELECT * FROM t WHERE id = 7", [Bind("0", "t.id", "equal")]),
    ("SELECT * FROM t WHERE 7 = id", [Bind("0", "t.id", "equal")]),
    ("SELECT * FROM t x WHERE x.id = :id", [Bind("id", "t.id", "equal")]),
    ("SELECT * FROM t WHERE a = %s AND b > %s", [Bind("0", "t.a", "equal"), Bind("1", "t.b", "range")]),
    ("SELECT * FROM t WHERE a = $2 AND b > $1", [Bind("1", "t.a", "equal"), Bind("0", "t.b", "range")]),
    ("SELECT * FROM t WHERE a = %(x)s::int", [Bind("x", "t.a", "equal")]),
    ("SELECT * FROM t, u WHERE a = ?", [Bind("0", "a", "equal")]),
    ("SELECT * FROM t WHERE a IN (1, 2)", [Bind("0", "t.a", "in"), Bind("1", "t.a", "in")]),
    ("SELECT * FROM t WHERE a = ANY(:ids)", [Bind("ids", "t.a", "in")]),
    ("SELECT * FROM t WHERE a BETWEEN ? AND ? AND b LIKE ?",
     [Bind("0", "t.a", "range"), Bind("1", "t.a", "range"), Bind("2", "t.b", "like")]),
    ("SELECT * FROM t WHERE (a, b) > (?, ?)", [Bind("0", "t.a", "range"), Bind("1", "t.b", "range")]),
    *((f"SELECT * FROM t WHERE a {each} ?", [Bind("0", "t.a", "like")]) for each in PATTERN_WORDS),
    ("SELECT * FROM t LIMIT 5 OFFSET 6", [Bind("0", None, "limit"), Bind("1", None, "offset")]),
    ("SELECT * FROM t LIMIT 6, 5", [Bind("0", None, "offset"), Bind("1", None, "limit")]),
    ("SELECT * FROM t OFFSET 6 ROWS FETCH NEXT 5 ROWS ONLY", [Bind("0", None, "offset"), Bind("1", None, "limit")]),
    ("INSERT INTO t (a, b) VALUES (?, ?)", [Bind("0", "t.a", "value"), Bind("1", "t.b", "value")]),
    ("UPDATE t SET a = ?, b = ? WHERE id = ?",
     [Bind("0", "t.a", "value"), Bind("1", "t.b", "value"), Bind("2", "t.id", "equal")]),
    ("UPDATE t SET (a, b) = (?, ?)", [Bind("0", "t.a", "value"), Bind("1", "t.b", "value")]),
    ("SELECT * FROM t WHERE data->>'k' = ?", [Bind("0", None, "other"), Bind("0", "t.data", "equal")]),
    ("SELECT * FROM t WHERE name LIKE ? ESCAPE '/'", [Bind("0", "t.name", "like"), Bind("0", None, "other")]),
    ("WITH w AS (SELECT ? AS id) SELECT t.a FROM t JOIN w ON w.id = t.id", [Bind("0", "t.id", "equal")]),
    ("WITH w AS (SELECT ? AS id), v AS (SELECT id FROM w) SELECT t.a FROM t JOIN v ON v.id = t.id",
     [Bind("0", "t.id", "equal")]),
    ("SELECT * FROM t WHERE a IS NOT DISTINCT FROM ?", [Bind("0", "t.a", "equal")]),
    ("SELECT * FROM t WHERE name COLLATE NOCASE IN (?, ?)", [Bind("0", "t.name", "in"), Bind("1", "t.name", "in")]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "binds"), BINDS)
def test_binds_of_a_text(sql: str, binds: list[Bind]) -> None:
    """Placeholders of every style and literals, with the column that they are compared with."""
    assert list(from_text(sql).binds) == binds


def test_a_question_mark_is_an_operator_of_postgresql() -> None:
    """No driver of PostgreSQL takes it for a placeholder."""
    shape = from_text("SELECT * FROM t WHERE data ? 'k' AND a = $1", "postgresql")
    assert Bind("0", "t.a", "equal") in shape.binds
    assert sum(not each.literal for each in shape.binds) == 1


COLUMNS: list[tuple[str, tuple[str, ...]]] = [
    ("SELECT a, x.b, c AS d FROM t x", ("t.a", "t.b", "t.c")),
    ("SELECT * FROM t", ("t.*",)),
    ("SELECT x.*, 1 AS one FROM t x JOIN u ON true", ("t.*", "one")),
    ("SELECT count(*), max(a) AS m FROM t", ("count(*)", "m")),
    ("SELECT s.n FROM (SELECT id AS n FROM t) s", ("t.id",)),
    ("SELECT * FROM (SELECT id AS n FROM t) s", ("t.id",)),
    ("SELECT a FROM t UNION SELECT b FROM u", ("t.a",)),
    ("WITH c (n) AS (SELECT id FROM t) SELECT n FROM c", ("t.id",)),
    ("SELECT DISTINCT a FROM t", ("t.a",)),
    ("SELECT DISTINCT ON (a, b) a, c FROM t", ("t.a", "t.c")),
    ("INSERT INTO t (a) VALUES (1) RETURNING id, a", ("t.id", "t.a")),
    ("DELETE FROM t", ()),
]


@pytest.mark.parametrize(("sql", "columns"), COLUMNS)
def test_columns_of_a_text(sql: str, columns: tuple[str, ...]) -> None:
    """Real columns where they can be known, labels elsewhere."""
    assert from_text(sql).columns == columns


SAME: list[tuple[str, ...]] = [
    ("SELECT a FROM t WHERE id = 7", "select  a\nfrom t where id=-8", "SELECT a FROM t -- x\nWHERE id = 'x';"),
    ("SELECT a FROM t WHERE id IN (1)", "SELECT a FROM t WHERE id IN (1, 2, 3)", "SELECT a FROM t WHERE id IN (%s,%s)"),
    ("INSERT INTO t(a, b) VALUES (1, 'x'), (2, NULL)", "insert into t (a,b) values (1, 2), (1, 2), (3, 4)"),
    ("SELECT $$a$$, E'it\\'s', 0x1F, 1e5", "SELECT $t$b$$c$t$, 'x', 1, .5"),
    ("SELECT COUNT(*) FROM t", "select count( * ) from t"),
    ("SELECT -1 FROM t WHERE a BETWEEN -2 AND +3 LIMIT -1", "SELECT 1 FROM t WHERE a BETWEEN 2 AND 3 LIMIT 1"),
    ("SELECT a /* one */ FROM t", "SELECT a /* two /* three */ */ FROM t"),
]  # fmt: skip


@pytest.mark.parametrize("texts", SAME)
def test_texts_that_differ_in_values_only_are_one_shape(texts: tuple[str, ...]) -> None:
    """Literals, white space, comments, the length of lists and the case of keywords make no difference."""
    assert len({normalise(text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a FROM t", "SELECT A FROM t"),
        ('SELECT "a" FROM t', 'SELECT "A" FROM t'),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE c = 1"),
        ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b > 1"),
        ("SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS NOT NULL"),
        ("SELECT a FROM t WHERE b IN (1)", "SELECT a FROM t WHERE b IN (SELECT 1)"),
        ("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1), (2)"),
    ],
)
def test_other_statements_are_other_shapes(one: str, other: str) -> None:
    """Names, their case, operators and subqueries make a difference."""
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    ("sql", "dialect", "expected"),
    [
        ("SELECT 'it\\'s' /* x */ FROM t", "mysql", "SELECT ? FROM t"),
        ('SELECT "secret" FROM `t` # x', "mysql", "SELECT ? FROM `t`"),
        ("SELECT [a b] FROM [t]", "mssql", "SELECT [a b] FROM [t]"),
        ("SELECT q'[it's]' FROM t", "oracle", "SELECT ? FROM t"),
        ("SELECT a FROM t WHERE b = 'never closed", "", "SELECT a FROM t WHERE b = ?"),
        ("SELECT a /* never closed", "", "SELECT a"),
        ("ALTER TABLE t ADD a varchar(10) NULL", "", "ALTER TABLE t ADD a varchar(?) NULL"),
        ("SELECT a::text, b->>'c' FROM t", "postgresql", "SELECT a::text, b ->> ? FROM t"),
    ],
)
def test_every_dialect_quotes_in_its_own_way(sql: str, dialect: str, expected: str) -> None:
    """No value is left, and no name is taken for one."""
    assert normalise(sql, dialect) == expected


def test_literals_are_listed_in_order() -> None:
    """To tell whether two executions had the same values."""
    assert literals("SELECT 1, 'x' FROM t WHERE a IN (-2, NULL)") == ("1", "'x'", "-2", "NULL")


@pytest.mark.parametrize(
    ("sql", "facts"),
    [
        ("SELECT a FROM t ORDER BY a LIMIT 3 FOR UPDATE", {"ordered": True, "limited": True, "locking": True}),
        ("SELECT a FROM t FOR NO KEY UPDATE", {"locking": True}),
        ("SELECT TOP 3 a FROM t", {"limited": True}),
        ("SELECT a FROM t LIMIT ALL", {"limited": False}),
        ("SELECT a FROM t LIMIT NULL OFFSET 3", {"limited": False}),
        ("SELECT DISTINCT a FROM t WHERE b IS DISTINCT FROM c", {"reads": ("t",), "limited": False}),
        ("SELECT array_agg(a ORDER BY b) FROM t", {"ordered": False, "aggregate": True}),
        ("SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t", {"ordered": False, "aggregate": False}),
        ("SELECT a FROM t WHERE d < now()", {"volatile": True}),
        ("SELECT a FROM t WHERE d < datetime('now')", {"volatile": True}),
        ("SELECT nextval('s')", {"volatile": True}),
        ("SELECT a, (random()) FROM t", {"volatile": True}),
        ("SELECT max(a), (min(b)) FROM t", {"aggregate": True}),
        ("SELECT a FROM t", {"volatile": False, "limited": False, "ordered": False, "locking": False, "unique": False}),
    ],
)
def test_flags_of_a_text(sql: str, facts: dict[str, Any]) -> None:
    """What limits, orders, locks, and what may answer differently each time."""
    shape = from_text(sql)
    assert {name: getattr(shape, name) for name in facts} == facts
