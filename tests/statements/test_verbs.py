"""What statements are called together, and which of them read a catalog."""

from __future__ import annotations

import pytest

from pytest_querybudget.statements import Shape, verb_of


@pytest.mark.parametrize(
    ("kind", "sql", "verb"),
    [
        ("ddl", "CREATE TABLE a(id INTEGER)", "CREATE TABLE"),
        ("ddl", "create temporary table a(id INTEGER)", "CREATE TEMPORARY TABLE"),
        ("ddl", "CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW"),
        ("ddl", "DROP INDEX ix", "DROP INDEX"),
        ("ddl", "TRUNCATE zz_a, table CASCADE", "TRUNCATE"),
        ("ddl", "CREATE DEFINER = `a` @ `b` SQL SECURITY DEFINER VIEW v AS SELECT 1", "CREATE VIEW"),
        ("ddl", "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=a@b VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW"),
        ("ddl", "CREATE DEFINER=`a b`@`%` VIEW v AS SELECT 1", "CREATE VIEW"),
        ("ddl", "CREATE LOGIN x WITH user", "CREATE LOGIN"),
        ("ddl", "CREATE OR ALTER VIEW v AS SELECT 1", "CREATE OR ALTER VIEW"),
        ("ddl", 'CREATE TABLE"t1" (x)', "CREATE TABLE"),
        ("ddl", "GRANT SELECT,INSERT ON a TO b", "GRANT"),
        ("ddl", "CREATE TABLE …", "CREATE TABLE"),
        ("other", "PRAGMA main.table_info(a)", "PRAGMA"),
        ("other", "CALL work()", ""),
        ("select", "SELECT 1", ""),
        ("ddl", "", ""),
    ],
)
def test_verbs(kind: str, sql: str, verb: str) -> None:
    """The kind of object belongs to it, its name does not."""
    assert verb_of(kind, sql) == verb


@pytest.mark.parametrize(
    ("reads", "dialect", "is_catalog"),
    [
        (("pg_catalog.pg_class",), "cockroachdb", True),
        (("INFORMATION_SCHEMA.TABLES",), "mssql", True),
        (("main.sqlite_master",), "sqlite", True),
        (("attached.sqlite_master", "attached.sqlite_temp_master"), "sqlite", True),
        (("sqlite_schema", "temp.sqlite_temp_schema"), "sqlite", True),
        (("[My Aux].[sqlite_master]",), "sqlite", True),
        (("sqlite_schema_versions",), "postgresql", False),
        (("sqlite_master.users",), "mysql", False),
        (("pg_class", "pg_namespace"), "postgresql", True),
        (("pg_class", "users"), "postgresql", False),
        (("pg_ratings",), "sqlite", False),
        (("mysql.user",), "mariadb", True),
        (("mysql.user",), "sqlite", False),
        (("performance_schema.threads",), "mysql", True),
        ((), "sqlite", False),
    ],
)
def test_catalogs(reads: tuple[str, ...], dialect: str, is_catalog: bool) -> None:
    """Some names are nobody else's, others are only on their database."""
    assert Shape("", "select", reads, dialect=dialect).asks_the_catalog is is_catalog
