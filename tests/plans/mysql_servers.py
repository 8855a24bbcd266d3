"""A MySQL or MariaDB server for tests, a raw link to it, and the tables of the corpus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

#: URLs of servers, tried in this order; `mysql://user:password@host:port`.
MARIADB = os.environ.get("QUERYBUDGET_TEST_MARIADB", "mysql://root@127.0.0.1:3306")
MYSQL = os.environ.get("QUERYBUDGET_TEST_MYSQL", "")


def arguments(url: str, database: str | None = None) -> dict[str, Any]:
    """Keyword arguments of `pymysql.connect`."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": database,
        "charset": "utf8mb4",
    }


@lru_cache
def unreachable(url: str) -> str | None:
    """Why there is no server at that URL, or None."""
    pymysql = pytest.importorskip("pymysql")
    if not url:
        return "QUERYBUDGET_TEST_MYSQL names no MySQL server"
    try:
        pymysql.connect(**arguments(url), connect_timeout=3).close()
    except pymysql.MySQLError as error:
        return f"no server answers: {error.args[0]}"
    return None


@dataclass
class Link:
    """What the plugin gives a reader, over a bare pymysql connection."""

    connection: Any
    keywords: dict[str, Any]
    dialect: str = "mysql"
    driver: str = "pymysql"
    paramstyle: str = "format"
    server_version: tuple[int, ...] = ()
    autocommit: bool = False
    log: list[str] = field(default_factory=list)

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Execute and fetch all."""
        from pymysql.cursors import Cursor

        self.log.append(sql)
        with self.connection.cursor(Cursor) as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    @contextmanager
    def aside(self) -> Iterator[Link]:
        """A second connection."""
        with connected(self.keywords) as other:
            yield other


@contextmanager
def connected(keywords: dict[str, Any]) -> Iterator[Link]:
    """A link that is closed at the end."""
    import pymysql

    connection = pymysql.connect(**keywords)
    try:
        yield Link(connection, keywords)
    finally:
        connection.close()


@contextmanager
def database(url: str, name: str) -> Iterator[dict[str, Any]]:
    """An empty database that is dropped at the end; yields the arguments to connect to it."""
    with connected(arguments(url)) as link:
        link.rows(f"DROP DATABASE IF EXISTS {name}")
        link.rows(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    try:
        yield arguments(url, name)
    finally:
        with connected(arguments(url)) as link:
            link.rows(f"DROP DATABASE IF EXISTS {name}")


SCHEMA = (
    """CREATE TABLE customers (
        id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(80) NOT NULL, code VARCHAR(20) COLLATE utf8mb4_bin,
        name VARCHAR(80), country CHAR(2), active TINYINT(1) NOT NULL, ref BINARY(16), data JSON, tenant_id INT,
        UNIQUE KEY uq_email (email), KEY ix_code (code), KEY ix_name (name(10)))""",
    """CREATE TABLE orders (
        id INT PRIMARY KEY AUTO_INCREMENT, customer_id INT NOT NULL, shop_id INT, status ENUM('new', 'paid', 'sent'),
        total DECIMAL(10, 2), created DATETIME, note VARCHAR(200), token BINARY(16), pos INT, parent_id INT,
        KEY ix_shop (shop_id, status, created), KEY ix_created (created), KEY ix_token (token), KEY ix_parent (parent_id))""",
    """CREATE TABLE items (
        id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, product_id INT, quantity INT, label VARCHAR(20),
        KEY ix_order (order_id))""",
    """CREATE TABLE `Größen` (`schlüssel` INT PRIMARY KEY AUTO_INCREMENT, `länge in cm` INT, `order` INT, KEY `ix größe` (`order`))""",
    """CREATE TABLE events (id INT, happened DATE, kind INT, KEY ix_kind (kind), PRIMARY KEY (id, happened))
        PARTITION BY RANGE (TO_DAYS(happened)) (
            PARTITION old VALUES LESS THAN (TO_DAYS('2024-06-01')), PARTITION new VALUES LESS THAN MAXVALUE)""",
    "CREATE VIEW open_orders AS SELECT id, customer_id, shop_id, total, created FROM orders WHERE status = 'new'",
)

#: Digits by cross joins: no sequence engine is needed.
_DIGITS = (
    "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5"
    " UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
)


def numbers(count: int) -> str:
    """A subquery of the numbers 1 to `count`, at most 100,000, as `n`."""
    joined = " CROSS JOIN ".join(f"{_DIGITS} AS d{place}" for place in range(5))
    total = " + ".join(f"d{place}.d * {10**place}" for place in range(5))
    return f"(SELECT {total} + 1 AS n FROM {joined} HAVING n <= {count}) AS numbers"


def create(link: Link) -> None:
    """Create the tables of the corpus."""
    for statement in SCHEMA:
        link.rows(statement)


def fill(link: Link, rows: int) -> None:
    """Fill all tables with that many rows, of the same kind at every size."""
    for statement in (
        (
            "INSERT INTO customers (email, code, name, country, active, ref, data, tenant_id) SELECT CONCAT('u', n, '@x.org'),"
            " CONCAT('c', n), CONCAT('Name ', n), ELT(1 + n MOD 5, 'DE', 'FR', 'US', 'AT', 'CH'), n MOD 50 = 0, UNHEX(MD5(n)),"
            " CONCAT('{\"tier\": ', n MOD 100, '}'), n MOD 200"
        ),
        (
            "INSERT INTO orders (customer_id, shop_id, status, total, created, note, token, pos, parent_id) SELECT n, n MOD 200,"
            " ELT(1 + n MOD 3, 'new', 'paid', 'sent'), n MOD 1000, '2024-01-01' + INTERVAL n MINUTE, CONCAT('note ', n),"
            " UNHEX(MD5(n)), n, n MOD 2000"
        ),
        "INSERT INTO items (order_id, product_id, quantity, label) SELECT n, n MOD 500, n MOD 7, CONCAT('label', n)",
        "INSERT INTO `Größen` (`länge in cm`, `order`) SELECT n MOD 300, n MOD 300",
        "INSERT INTO events SELECT n, '2024-01-01' + INTERVAL n MOD 365 DAY, n MOD 300",
    ):
        if rows:
            link.rows(f"{statement} FROM {numbers(rows)}")
    link.connection.commit()
    for table in ("customers", "orders", "items", "`Größen`", "events"):
        link.rows(f"ANALYZE TABLE {table}")
