"""EXPLAIN leaves nothing behind on MySQL and MariaDB: no lock, snapshot, setting, warning, row, or database."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pytest_querybudget.plans.mysql import MySQLReader
from pytest_querybudget.plans.proof import prove
from pytest_querybudget.plans.reader import CannotPlan, Question
from tests.plans.mysql_servers import MARIADB, MYSQL, Link, connected, create, database, fill, unreachable

pytest.importorskip("pymysql")


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def keywords(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A database with small tables, stored functions and a sequence."""
    url = MARIADB if request.param == "mariadb" else MYSQL
    reason = unreachable(url)
    if reason:
        pytest.skip(reason)
    with database(url, f"querybudget_safety_{os.getpid()}") as found, connected(found) as link:
        create(link)
        fill(link, 9)
        link.rows("CREATE TABLE calls (n INT)")
        link.rows(
            "CREATE FUNCTION noted(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA"
            " BEGIN INSERT INTO calls VALUES (n); RETURN n; END"
        )
        link.rows("CREATE VIEW noting AS SELECT * FROM orders WHERE id = noted(1)")
        yield found


@pytest.fixture
def link(keywords: dict[str, Any]) -> Iterator[Link]:
    with connected(keywords) as found:
        yield found


def ask(statement: str, *parameters: object) -> Question:
    return Question(statement=statement, parameters=parameters, kind=statement.split(maxsplit=1)[0].lower())


LOCKING = (
    ("SELECT * FROM orders WHERE id = 3 FOR UPDATE", "orders"),
    ("SELECT * FROM orders WHERE id = 3 LOCK IN SHARE MODE", "orders"),
    ("UPDATE orders SET total = 1 WHERE id = 3", "orders"),
    ("UPDATE orders SET total = 1 WHERE id = (SELECT MAX(id) FROM customers)", "customers"),
    ("UPDATE orders o JOIN customers c ON c.id = o.customer_id SET o.total = 1 WHERE c.id = 3", "customers"),
    ("DELETE FROM items WHERE order_id IN (SELECT id FROM orders WHERE id = 3)", "orders"),
    ("DELETE i FROM items i JOIN orders o ON o.id = i.order_id WHERE o.id = 3", "orders"),
    ("INSERT INTO items (order_id) SELECT id FROM orders WHERE id = 3", "orders"),
)


@pytest.mark.parametrize(("statement", "table"), LOCKING)
def test_no_lock_is_taken_and_none_waited_for(link: Link, statement: str, table: str) -> None:
    """Rows that the statement would lock stay free, and rows that another transaction holds do not stop the plan."""
    with link.aside() as other:
        other.rows("SET innodb_lock_wait_timeout = 1")
        other.rows(f"SELECT * FROM {table} WHERE id > 0 FOR UPDATE")
        assert MySQLReader().explain(link, ask(statement)).root
        other.connection.rollback()
        other.rows(f"SELECT * FROM {table} WHERE id > 0 FOR UPDATE")
        other.rows(f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0")
        other.connection.rollback()


@pytest.mark.parametrize(("statement", "table"), LOCKING)
def test_no_snapshot_is_opened_before_a_locking_statement(link: Link, statement: str, table: str) -> None:
    """What another transaction commits after the plan is seen, as it would be without it."""
    link.connection.rollback()
    MySQLReader().explain(link, ask(statement))
    with link.aside() as other:
        other.rows("INSERT INTO calls VALUES (77)")
        other.connection.commit()
        try:
            assert link.rows("SELECT COUNT(*) FROM calls WHERE n = 77")[0][0] == 1
        finally:
            other.rows("DELETE FROM calls")
            other.connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders WHERE id = noted(3)",
        "SELECT * FROM (SELECT noted(4) AS x) d",
        "UPDATE orders SET total = 1 WHERE id = noted(5)",
        "SELECT * FROM noting",
        "SELECT * FROM noting n JOIN orders o ON o.id = n.id",
        "SELECT * FROM orders WHERE id = `noted`(3)",
    ],
)
def test_stored_functions_are_not_called(link: Link, statement: str) -> None:
    """MariaDB executes a constant call while it plans: such a statement is not planned."""
    with pytest.raises(CannotPlan, match="stored function noted"):
        MySQLReader().explain(link, ask(statement))
    assert link.rows("SELECT COUNT(*) FROM calls")[0][0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders WHERE id = SLEEP(5)",
        "SELECT GET_LOCK('a', 0)",
        "SELECT FOUND_ROWS()",
        "SELECT ROW_COUNT()",
        "SELECT @@warning_count",
        "SELECT * FROM orders WHERE id = LAST_INSERT_ID(7)",
        "SELECT @x := 5",
        "SELECT id INTO @x FROM orders WHERE id = 1",
        "SELECT id FROM orders WHERE id = 1 INTO OUTFILE '/nowhere/x'",
    ],
)
def test_what_acts_or_asks_for_the_session_is_refused(link: Link, statement: str) -> None:
    """Waiting, user locks, the state of the statement before, variables and files."""
    with pytest.raises(CannotPlan):
        MySQLReader().explain(link, ask(statement))


def test_writes_are_not_executed_and_settings_stay(link: Link) -> None:
    """Rows, session variables, LAST_INSERT_ID and open transactions are what they were."""
    variables = "SHOW SESSION VARIABLES"
    before = dict(link.rows(variables))
    link.rows("INSERT INTO items (order_id) VALUES (1)")
    last = link.rows("SELECT LAST_INSERT_ID()")
    for statement in ("UPDATE orders SET total = 99 WHERE customer_id = 3", "DELETE FROM orders WHERE customer_id = 3"):
        plan = MySQLReader().explain(link, ask(statement))
        prove(plan, MySQLReader.traits, lambda advice, each=statement: MySQLReader().replan(link, ask(each), advice))  # type: ignore[misc]
    assert link.rows("SELECT LAST_INSERT_ID()") == last
    assert link.rows("SELECT COUNT(*) FROM items")[0][0] == 10
    link.connection.rollback()
    assert link.rows("SELECT COUNT(*) FROM items")[0][0] == 9, "nothing was committed"
    assert link.rows("SELECT COUNT(*) FROM orders WHERE total = 99")[0][0] == 0
    after = dict(link.rows(variables))
    moving = {"timestamp", "rand_seed1", "rand_seed2", "last_insert_id", "identity", "pseudo_thread_id", "insert_id", "gtid_seq_no",
              "last_gtid", "warning_count", "error_count", "in_transaction"}  # fmt: skip
    assert {name: value for name, value in after.items() if before[name] != value and name not in moving} == {}


def test_scratch_database_is_dropped_also_after_a_refusal(link: Link) -> None:
    """Neither a proof nor an index that the server refuses leaves a database behind."""
    reader = MySQLReader()
    question = ask("SELECT * FROM orders WHERE customer_id = 3")
    (advice,) = [
        each
        for each in prove(reader.explain(link, question), reader.traits, lambda a: reader.replan(link, question, a))
        if each.ddl
    ]
    with pytest.raises(CannotPlan, match="refuses this index"):
        reader.replan(link, question, [replace(advice, ddl="CREATE INDEX nothing ON orders (no_such_column)")])
    found = scratch_databases(link)
    # Those of tests that run at the same time go by themselves.
    until = time.monotonic() + 10
    while found and time.monotonic() < until:
        time.sleep(0.2)
        found &= scratch_databases(link)
    assert not found


def scratch_databases(link: Link) -> set[str]:
    """The names that proofs choose."""
    names = [row[0] for row in link.rows("SHOW DATABASES")]
    return {name for name in names if name.startswith("querybudget_") and len(name) == len("querybudget_") + 16}


def test_account_that_may_create_nothing(link: Link, keywords: dict[str, Any]) -> None:
    """Without the right to a scratch database advice is untried, with the reason."""
    user = f"qb_{os.getpid()}"
    with link.aside() as admin:
        for host in ("localhost", "127.0.0.1"):
            admin.rows(f"CREATE USER '{user}'@'{host}' IDENTIFIED BY 'secret'")
            admin.rows(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {keywords['database']}.* TO '{user}'@'{host}'")
        try:
            with connected({**keywords, "user": user, "password": "secret"}) as poor:
                question = ask("SELECT * FROM orders WHERE customer_id = 3")
                plan = MySQLReader().explain(poor, question)
                (advice, *_) = prove(plan, MySQLReader.traits, lambda a: MySQLReader().replan(poor, question, a))
        finally:
            for host in ("localhost", "127.0.0.1"):
                admin.rows(f"DROP USER '{user}'@'{host}'")
    assert advice.proof is not None
    assert (advice.proof.verdict, advice.columns) == ("untried", ("customer_id",))
    assert "may not create a scratch database" in advice.proof.text
    assert "secret" not in advice.proof.text


def test_streaming_cursor_is_left_alone(link: Link) -> None:
    """Rows that the application still reads are not thrown away."""
    from pymysql.cursors import SSCursor

    cursor = link.connection.cursor(SSCursor)
    cursor.execute("SELECT id FROM orders ORDER BY id")
    first = cursor.fetchone()
    with pytest.raises(CannotPlan, match="streaming"):
        MySQLReader().explain(link, ask("SELECT * FROM orders"))
    assert [first, *cursor.fetchall()] == [(number,) for number in range(1, 10)]
    cursor.close()
    assert MySQLReader().explain(link, ask("SELECT * FROM orders")).root


def test_no_value_in_any_text(link: Link) -> None:
    """Neither parameters nor literals are in the plan."""
    statement = "SELECT * FROM orders WHERE note = %s AND pos = 987654 AND created > '2031-01-01' AND note <> 'it''s \\'hidden\\''"
    plan = MySQLReader().explain(link, ask(statement, "canary o'hara"))
    everything = repr(plan) + plan.text
    assert not [word for word in ("canary", "hara", "987654", "2031", "hidden") if word in everything]


def test_temporary_tables_are_planned(link: Link) -> None:
    """A temporary table is in no information schema, and has indexes all the same."""
    link.rows("CREATE TEMPORARY TABLE mine (id INT PRIMARY KEY, a INT, b INT, KEY ix_a (a))")
    served = MySQLReader().explain(link, ask("SELECT * FROM mine WHERE a = 1"))
    scanned = MySQLReader().explain(link, ask("SELECT * FROM mine WHERE b = 1"))
    assert served.indexes_used == ("ix_a",)
    assert [node.table for node in scanned.root.walk() if node.reads_everything_in_vain] == ["mine"]


def test_refused_statement_raises_what_the_driver_says(link: Link) -> None:
    """A statement with an error is the caller's to report; the transaction goes on."""
    import pymysql

    link.rows("INSERT INTO calls VALUES (5)")
    with pytest.raises(pymysql.MySQLError):
        MySQLReader().explain(link, ask("SELECT * FROM no_such_table WHERE a = 1"))
    assert link.rows("SELECT COUNT(*) FROM calls")[0][0] == 1
    link.connection.rollback()


def test_fingerprint_changes_with_an_index(link: Link) -> None:
    """DDL makes another schema."""
    reader = MySQLReader()
    before = reader.fingerprint(link)
    assert reader.fingerprint(link) == before
    link.rows("CREATE INDEX ix_new ON items (product_id)")
    assert reader.fingerprint(link) != before
    link.rows("DROP INDEX ix_new ON items")
    assert reader.fingerprint(link) == before


def test_catalog(link: Link) -> None:
    """Columns, indexes in order, and foreign keys, also of a schema that is named."""
    link.rows(
        "CREATE TABLE child (id INT PRIMARY KEY, item INT, CONSTRAINT fk FOREIGN KEY (item) REFERENCES items (id))"
    )
    try:
        (orders, child) = MySQLReader().tables(link, ["orders", "child", "nothing"])
        assert [index.columns for index in orders.indexes if index.name == "ix_shop"] == [
            ("shop_id", "status", "created")
        ]
        assert [(key.columns, key.target, key.target_columns) for key in child.foreign_keys] == [
            (("item",), "items", ("id",))
        ]
        assert [table.schema for table in MySQLReader().tables(link, ["information_schema.TABLES"])] == [
            "information_schema"
        ]
    finally:
        link.rows("DROP TABLE child")


def test_rows_of_any_cursor_class(keywords: dict[str, Any]) -> None:
    """An application that has dictionaries for rows gets plans as well."""
    from pymysql.cursors import DictCursor

    with connected({**keywords, "cursorclass": DictCursor}) as link:
        driver = DriverLink(link.connection, keywords)
        plan = MySQLReader().explain(driver, ask("SELECT * FROM orders WHERE shop_id = 3"))
        assert "ix_shop" in plan.indexes_used
        assert {"orders", "open_orders"} <= set(MySQLReader().table_names(driver))


# -- other drivers, through SQLAlchemy's own adapters


def run_with(driver: str, keywords: dict[str, Any]) -> None:
    """Plan on the raw connection that SQLAlchemy holds for this driver, inside its greenlet where it is async."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import create_async_engine

    url = URL.create(
        f"mysql+{driver}",
        keywords["user"],
        keywords["password"] or None,
        keywords["host"],
        keywords["port"],
        keywords["database"],
    )

    def plan(connection: Any) -> None:
        connection.execute(text("INSERT INTO calls VALUES (6)"))
        raw = connection.connection.dbapi_connection
        link = DriverLink(raw, keywords, driver=driver)
        found = MySQLReader().explain(link, ask("SELECT * FROM orders WHERE customer_id = %s AND id = '4x'", 3))
        assert found.indexes_used == ("PRIMARY",)
        scanned = MySQLReader().explain(link, ask("SELECT * FROM orders WHERE customer_id = %s", 3))
        assert [node.table for node in scanned.root.walk() if node.reads_everything_in_vain] == ["orders"]
        assert connection.execute(text("SELECT COUNT(*) FROM calls")).scalar() == 1
        connection.rollback()
        assert connection.execute(text("SELECT COUNT(*) FROM calls")).scalar() == 0

    async def run() -> None:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            await connection.run_sync(plan)
        await engine.dispose()

    if driver in ("aiomysql", "asyncmy"):
        asyncio.run(run())
        return
    engine = create_engine(url)
    with engine.connect() as connection:
        plan(connection)
    engine.dispose()


class DriverLink(Link):
    """A link over any driver's connection."""

    streaming = False

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            return list(cursor.fetchall())
        finally:
            cursor.close()

    @contextmanager
    def aside(self) -> Iterator[Link]:
        with connected(self.keywords) as other:
            yield other


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb", "aiomysql", "asyncmy"])
def test_drivers(driver: str, keywords: dict[str, Any]) -> None:
    """Each driver plans on its own raw connection, in the application's transaction, without a warning."""
    pytest.importorskip("MySQLdb" if driver == "mysqldb" else driver)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        run_with(driver, keywords)


def test_mysqlclient_streaming_cursor_is_left_alone(keywords: dict[str, Any]) -> None:
    """Mysqlclient tells nobody that a cursor streams, and a second statement breaks it: the link says so."""
    pytest.importorskip("MySQLdb")
    import MySQLdb
    from MySQLdb.cursors import SSCursor

    connection = MySQLdb.connect(
        host=keywords["host"],
        port=keywords["port"],
        user=keywords["user"],
        passwd=keywords["password"],
        db=keywords["database"],
    )
    try:
        cursor = connection.cursor(SSCursor)
        cursor.execute("SELECT id FROM orders ORDER BY id")
        cursor.fetchone()
        link = DriverLink(connection, keywords)
        link.streaming = True
        with pytest.raises(CannotPlan, match="streaming"):
            MySQLReader().explain(link, ask("SELECT * FROM orders"))
        assert len(cursor.fetchall()) == 8
        cursor.close()
    finally:
        connection.close()
