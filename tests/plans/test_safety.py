"""Planning leaves no trace on the connection, and fails without a word to the application."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import create_async_engine

from pytest_querybudget.plans.planner import Planner
from pytest_querybudget.plans.postgresql import PostgresqlReader
from pytest_querybudget.plans.sqlite import SqliteReader
from pytest_querybudget.recording.plans import NotPlanned, Plan, Planned
from tests.plans.postgresql_servers import scratch

BAD = "SELECT * FROM things WHERE weight = %s ORDER BY name LIMIT 3"


def new_planner() -> Planner:
    return Planner.of([SqliteReader(), PostgresqlReader()])


def planned(connection: Connection, sql: str = BAD, parameters: Any = (7,), planner: Planner | None = None) -> Plan:
    answer = (planner or new_planner()).plan(connection, sql, parameters)
    assert isinstance(answer, Planned), answer
    assert any(each.proof and each.proof.verdict == "proven" for each in answer.plan.advice), answer.plan.advice
    return answer.plan


STATE = """
SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
WHERE name LIKE 'enable%' OR name IN ('search_path', 'lock_timeout', 'statement_timeout', 'max_parallel_workers_per_gather')
"""
LOCKS = """
SELECT relation::regclass::text, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384 ORDER BY 1, 2
"""
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'things' ORDER BY 1"


def state_of(connection: Connection) -> tuple[Any, ...]:
    """Settings, locks, indexes and prepared statements, asked on the raw connection."""
    cursor = connection.connection.cursor()
    answers = []
    for sql in (STATE, LOCKS, INDEXES, "SELECT count(*) FROM pg_cursors WHERE name <> ''"):
        cursor.execute(sql)
        answers.append(tuple(map(tuple, cursor.fetchall())))
    cursor.close()
    return tuple(answers)


@pytest.fixture(params=["psycopg", "psycopg2", "pg8000"])
def engine(request: pytest.FixtureRequest, postgresql: URL) -> Iterator[Engine]:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    url, arguments = postgresql.set(drivername=f"postgresql+{request.param}"), {}
    if request.param == "pg8000" and "host" in url.query:  # it has another word for a socket
        arguments["unix_sock"] = f"{url.query['host']}/.s.PGSQL.5432"
        url = url.difference_update_query(["host"])
    found = create_engine(url, connect_args=arguments)
    with found.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS things"))
        connection.execute(text("CREATE TABLE things (id serial PRIMARY KEY, name text, weight integer)"))
        connection.execute(text("INSERT INTO things (name, weight) SELECT 'n' || i, i FROM generate_series(1, 50) i"))
    yield found
    with found.begin() as connection:
        connection.execute(text("DROP TABLE things"))
    found.dispose()


def test_nothing_stays_prepared_on_the_server(engine: Engine) -> None:
    """However often is planned, the connection has no more prepared statements than before."""
    with engine.connect() as connection:
        for number in range(8):
            planned(connection, f"SELECT {number} AS n, name FROM things WHERE weight = %s", (number,))
        cursor = connection.connection.cursor()
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement ~ 'EXPLAIN|SAVEPOINT|set_config'")
        left = [] if engine.driver == "pg8000" else cursor.fetchall()  # it prepares whatever has parameters
        assert left == []


def test_settings_locks_and_indexes_are_as_before(engine: Engine) -> None:
    """After planning, with an index created to try it, the transaction holds no lock and no setting of ours."""
    with engine.connect() as connection:
        before = state_of(connection)
        planned(connection)
        assert state_of(connection) == before


def test_changes_of_the_application_survive(engine: Engine) -> None:
    """What the transaction has done, and its own SET LOCAL, is still there; so is its savepoint."""
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("INSERT INTO things (weight) VALUES (4711)"))
        with connection.begin_nested() as nested:
            connection.execute(text("INSERT INTO things (weight) VALUES (4712)"))
            planned(connection)
            nested.rollback()
        assert connection.execute(text("SELECT count(*) FROM things WHERE weight > 4710")).scalar() == 1
        assert connection.execute(text("SHOW enable_seqscan")).scalar() == "off"


def test_autocommit_stays_autocommit(engine: Engine) -> None:
    """In autocommit mode a transaction is begun and rolled back, and nothing stays open."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        planned(connection)
        connection.execute(text("INSERT INTO things (weight) VALUES (4713)"))
        with engine.connect() as other:
            assert other.execute(text("SELECT count(*) FROM things WHERE weight = 4713")).scalar() == 1
            assert (
                other.execute(text("SELECT count(*) FROM pg_locks WHERE relation = 'things'::regclass")).scalar() == 1
            )


def test_failed_transaction_is_left_alone(engine: Engine) -> None:
    """In a transaction that has failed nothing is planned, and the application sees its own error."""
    with engine.connect() as connection:
        with pytest.raises(Exception, match="nonsense"):
            connection.execute(text("SELECT nonsense"))
        answer = new_planner().plan(connection, BAD, (7,))
        assert isinstance(answer, NotPlanned)
        connection.rollback()
        planned(connection)


def test_refused_statement_leaves_the_transaction_usable(engine: Engine) -> None:
    """A statement that the database refuses to plan is not planned, without a value in the reason."""
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO things (weight) VALUES (4714)"))
        answer = new_planner().plan(connection, "SELECT * FROM missing WHERE secret = 'canary-1'", ())
        assert isinstance(answer, NotPlanned)
        assert answer.slug == "refused"
        assert "canary" not in answer.reason
        assert connection.execute(text("SELECT count(*) FROM things WHERE weight = 4714")).scalar() == 1


def test_read_only_transaction_is_planned_and_advice_untried_or_hypothetical(engine: Engine) -> None:
    """No index can be made in a read-only transaction: the plan is there, and the advice says that it was not tried."""
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        answer = new_planner().plan(connection, BAD, (7,))
        assert isinstance(answer, Planned)
        assert {each.proof.verdict for each in answer.plan.advice if each.proof} == {"untried"}
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_advice_in_a_transaction_that_has_updated_rows(engine: Engine) -> None:
    """PostgreSQL does not use an index made after an update of the same transaction: that refutes nothing."""
    with engine.connect() as connection:
        connection.execute(text("UPDATE things SET name = 'x' || name"))
        answer = new_planner().plan(connection, "DELETE FROM things WHERE weight = %s", (7,))
        assert isinstance(answer, Planned)
        assert [each.ddl for each in answer.plan.advice] == ["CREATE INDEX ix_things_weight ON things (weight)"]
        assert {each.proof.verdict for each in answer.plan.advice if each.proof} <= {"untried", "proven"}


def test_write_is_not_executed(engine: Engine) -> None:
    """Planning a DELETE deletes nothing."""
    with engine.connect() as connection:
        planned(connection, "DELETE FROM things WHERE weight < %s", (1000,))
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 50


def test_several_statements_are_not_sent(engine: Engine) -> None:
    """EXPLAIN would hold for the first only, and the rest be executed."""
    with engine.connect() as connection:
        several = new_planner().plan(connection, "SELECT 1; DELETE FROM things", ())
        assert several == NotPlanned(reason="several statements at once", slug="state")
        one = new_planner().plan(connection, "SELECT ';' AS a, name /* ; */ FROM things -- ;\n;", ())
        assert isinstance(one, Planned)
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 50


def test_listeners_of_the_application_see_nothing(engine: Engine) -> None:
    """EXPLAIN goes past SQLAlchemy's events."""
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    with engine.connect() as connection:
        planned(connection)
    assert seen == []


def test_lock_of_another_connection_does_not_hold_the_test(engine: Engine) -> None:
    """A table that someone else has locked is not waited for."""
    with engine.connect() as other, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        other.execute(text("LOCK TABLE things IN ROW EXCLUSIVE MODE"))
        answer = new_planner().plan(connection, BAD, (7,))
        assert isinstance(answer, Planned)
        assert {each.proof.verdict for each in answer.plan.advice if each.proof} == {"untried"}


def test_streaming_cursor_goes_on(engine: Engine) -> None:
    """A server-side cursor that is being read is not disturbed."""
    if engine.driver == "pg8000":
        pytest.skip("pg8000 has no server-side cursors")
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True, max_row_buffer=5).execute(
            text("SELECT id FROM things ORDER BY id")
        )
        assert rows.fetchone()[0] == 1  # type: ignore[index]
        answer = new_planner().plan(connection, BAD, (7,))
        assert isinstance(answer, Planned)
        assert [row[0] for row in rows] == list(range(2, 51))


def test_hypopg_is_used_and_left_as_it_was(engine: Engine) -> None:
    """Where the extension is installed, indexes are hypothetical, and those of the application stay."""
    with engine.connect() as connection:
        found = connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")).scalar()
        if not found:
            pytest.skip("hypopg is not available on this server")
        connection.execute(text("CREATE EXTENSION hypopg"))
        connection.execute(text("SELECT hypopg_create_index('CREATE INDEX ON things (name)')"))
        planned(connection)
        assert connection.execute(text("SELECT count(*) FROM hypopg_list_indexes")).scalar() == 1
        connection.execute(text("SELECT hypopg_reset()"))
        connection.rollback()


@pytest.fixture
def hypopg(postgresql: URL) -> Iterator[URL]:
    """A database of its own with the extension, a table of an owner, and an account that may only read it."""
    with scratch(postgresql, f"querybudget_hypopg_{os.getpid()}") as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            found = connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'")).scalar()
        if not found:
            engine.dispose()
            pytest.skip("hypopg is not available on this server")
        with engine.begin() as connection:
            for role in ("querybudget_owner", "querybudget_reader"):
                connection.execute(text(f"DROP ROLE IF EXISTS {role}"))
                connection.execute(text(f"CREATE ROLE {role}"))
            connection.execute(text("CREATE SCHEMA aside"))
            connection.execute(text("CREATE EXTENSION hypopg SCHEMA aside"))
            connection.execute(text("CREATE TABLE things (id serial PRIMARY KEY, name text, weight integer)"))
            connection.execute(text("ALTER TABLE things OWNER TO querybudget_owner"))
            connection.execute(text("GRANT SELECT ON things TO querybudget_reader"))
            connection.execute(text("GRANT CREATE ON SCHEMA public TO querybudget_owner"))
        yield url
        with engine.begin() as connection:
            for role in ("querybudget_owner", "querybudget_reader"):
                connection.execute(text(f"DROP OWNED BY {role}"))
                connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()


@pytest.mark.parametrize(
    ("role", "usage", "verdict"),
    [
        ("querybudget_reader", True, "proven"),
        ("querybudget_owner", False, "proven"),
        ("querybudget_reader", False, "untried"),
    ],
)
def test_rights_to_hypopg_and_to_the_table(hypopg: URL, role: str, usage: bool, verdict: str) -> None:
    """Who may use the extension needs no right to the table, and who owns the table none to the extension."""
    engine = create_engine(hypopg)
    with engine.connect() as connection:
        if usage:
            connection.execute(text(f"GRANT USAGE ON SCHEMA aside TO {role}"))
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        for sql in (BAD, "SELECT * FROM things WHERE lower(name) = %s", "SELECT * FROM things WHERE name LIKE %s"):
            answer = new_planner().plan(connection, sql, ("7",))
            assert isinstance(answer, Planned), answer
            proofs = [each.proof for each in answer.plan.advice]
            assert {each.verdict for each in proofs if each} == {verdict}, answer.plan.advice
            assert all("not tried" in each.text for each in proofs if each and verdict == "untried")
        assert connection.execute(text("SELECT current_user")).scalar() == role
        connection.execute(text("RESET ROLE"))
        assert connection.execute(text("SELECT count(*) FROM aside.hypopg_list_indexes")).scalar() == 0
        connection.rollback()
    engine.dispose()


def test_hypothetical_indexes_need_no_write(hypopg: URL) -> None:
    """In a read-only transaction, and with a partial, an expression and a descending index."""
    engine = create_engine(hypopg)
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        for sql, ddl in (
            ("SELECT * FROM things WHERE weight = 3 AND name IS NULL", "(weight) WHERE name IS NULL"),
            ("SELECT * FROM things WHERE upper(name) = 'X'", "(upper(name))"),
            ("SELECT * FROM things ORDER BY weight DESC, name LIMIT 3", "(weight DESC, name)"),
        ):
            plan = planned(connection, sql, ())
            assert [str(each.ddl).partition("things ")[2] for each in plan.advice] == [ddl]
        answer = new_planner().plan(connection, "SELECT * FROM things WHERE name ~ 'x'", ())
        assert isinstance(answer, Planned), "what hypopg cannot make is only not tried"
    engine.dispose()


def test_a_shape_is_planned_once_until_the_schema_changes(engine: Engine) -> None:
    """The second ask sends nothing; after DDL the statement is planned again, with the new index."""
    planner = new_planner()
    with engine.connect() as connection:
        sql = "SELECT * FROM things WHERE weight = %s"
        first = planner.plan(connection, sql, (1,))
        assert planner.plan(connection, sql, (2,)) is first
        connection.execute(text("CREATE INDEX ix_weight ON things (weight)"))
        planner.schema_changed()
        again = planner.plan(connection, sql, (1,))
        assert isinstance(again, Planned)
        assert again.plan.indexes_used == ("ix_weight",)


def test_search_path_decides_which_table_is_meant(engine: Engine) -> None:
    """The same text after SET search_path is planned for the other schema's table, without DDL in between."""
    planner = new_planner()
    with engine.connect() as connection:
        for schema in ("left_one", "right_one"):
            connection.execute(text(f"CREATE SCHEMA {schema}"))
            connection.execute(text(f"CREATE TABLE {schema}.notes (id serial PRIMARY KEY, k integer)"))
        connection.execute(text("CREATE INDEX ix_notes_k ON left_one.notes (k)"))
        verdicts = []
        for schema in ("left_one", "right_one", "left_one"):
            sql = f"SET search_path TO {schema}"
            planner.plan(connection, sql, ())
            connection.execute(text(sql))
            answer = planner.plan(connection, "SELECT * FROM notes WHERE k = %s", (1,))
            assert isinstance(answer, Planned), answer
            verdicts.append(any(node.reads_everything_in_vain for node in answer.plan.root.walk()))
            assert connection.execute(text("SHOW search_path")).scalar() == schema
        connection.rollback()
    assert verdicts == [False, True, False]


def test_sequences_and_changing_tables_in_a_select_do_nothing(engine: Engine) -> None:
    """What a statement would do besides reading is not done."""
    with engine.connect() as connection:
        before = connection.execute(text("SELECT nextval('things_id_seq')")).scalar()
        for sql in (
            "SELECT nextval('things_id_seq'), name FROM things WHERE weight = %s",
            "WITH gone AS (DELETE FROM things WHERE weight = %s RETURNING id) SELECT count(*) FROM gone",
            "INSERT INTO things (name) SELECT name FROM things WHERE weight = %s RETURNING id",
        ):
            assert isinstance(new_planner().plan(connection, sql, (7,)), Planned), sql
        assert connection.execute(text("SELECT nextval('things_id_seq')")).scalar() == (before or 0) + 1
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 50


def test_parameters_are_in_no_text(engine: Engine) -> None:
    """No value of a statement, bound or written, gets into a plan, an advice or a proof."""
    sql = "SELECT * FROM things WHERE name = 'canary-1' AND lower(name) = %s AND weight = 815"
    with engine.connect() as connection:
        answer = new_planner().plan(connection, sql, ("canary-2",))
        assert isinstance(answer, Planned)
        assert "canary" not in repr(answer) and "815" not in repr(answer)


# -- async drivers


@pytest.fixture(params=["asyncpg", "psycopg"])
def async_url(request: pytest.FixtureRequest, postgresql: URL) -> Iterator[URL]:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS things"))
        connection.execute(text("CREATE TABLE things (id serial PRIMARY KEY, name text, weight integer)"))
    yield postgresql.set(drivername=f"postgresql+{request.param}")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE things"))
    engine.dispose()


def test_async_drivers_are_planned_in_their_greenlet(async_url: URL) -> None:
    """From a listener, where the application's own statement is about to be sent."""
    planner, answers = new_planner(), []

    def listen(connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        answers.append(planner.plan(connection, sql, parameters, executemany=many))

    async def application() -> None:
        async_engine = create_async_engine(async_url)
        event.listen(async_engine.sync_engine, "before_cursor_execute", listen)
        async with async_engine.connect() as connection:
            rows = await connection.execute(text("SELECT * FROM things WHERE weight = :weight"), {"weight": 3})
            assert rows.all() == []
            await connection.execute(text("INSERT INTO things (weight) VALUES (3)"))
            assert len((await connection.execute(text("SELECT * FROM things WHERE weight = :w"), {"w": 3})).all()) == 1
        await async_engine.dispose()

    asyncio.run(application())
    first = answers[0]
    assert isinstance(first, Planned), first
    assert [each.ddl for each in first.plan.advice] == ["CREATE INDEX ix_things_weight ON things (weight)"]
    assert first.plan.advice[0].proof and first.plan.advice[0].proof.verdict == "proven"
    assert isinstance(answers[2], Planned)


def test_asyncpg_keeps_the_statements_of_the_application(async_url: URL) -> None:
    """SQLAlchemy's adapter keeps the latest statements prepared: none of ours gets among them or pushes one out."""
    if async_url.drivername != "postgresql+asyncpg":
        pytest.skip("psycopg has no such cache")
    planner, kept = new_planner(), []

    async def application() -> None:
        engine = create_async_engine(async_url)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM things WHERE weight = :weight"), {"weight": 3})

            def look(sync: Connection) -> None:
                cache: Any = sync.connection.dbapi_connection._prepared_statement_cache  # type: ignore[union-attr] # asyncpg's
                before = list(cache)
                kept.append(planner.plan(sync, "SELECT * FROM things WHERE weight = $1", (3,)))
                after: Any = sync.connection.dbapi_connection._prepared_statement_cache  # type: ignore[union-attr] # asyncpg's
                kept.append(after is cache and list(cache) == before)

            await connection.run_sync(look)
        await engine.dispose()

    asyncio.run(application())
    assert isinstance(kept[0], Planned)
    assert kept[1] is True


def test_async_autocommit(async_url: URL) -> None:
    """In autocommit mode the transaction of the plan is gone before the statement is sent."""
    planner, answers = new_planner(), []

    def listen(connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        answers.append(planner.plan(connection, sql, parameters))

    async def application() -> None:
        async_engine = create_async_engine(async_url)
        engine = async_engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(async_engine.sync_engine, "before_cursor_execute", listen)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM things WHERE weight = 3"))
            await connection.execute(text("INSERT INTO things (weight) VALUES (4)"))
        async with async_engine.connect() as other:
            assert (await other.execute(text("SELECT count(*) FROM things"))).scalar() == 1
        await async_engine.dispose()

    asyncio.run(application())
    assert isinstance(answers[0], Planned), answers[0]


# -- SQLite


@pytest.fixture
def sqlite() -> Iterator[Engine]:
    found = create_engine("sqlite://")
    with found.begin() as connection:
        connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, weight INTEGER)"))
        connection.execute(text("INSERT INTO things (name, weight) VALUES ('a', 1), ('b', 2), ('c', 3)"))
    yield found
    found.dispose()


SQLITE_BAD = BAD.replace("%s", "?")


def test_sqlite_open_cursor_goes_on(sqlite: Engine) -> None:
    """A cursor that is being read, the row factory and the transaction are as before."""
    with sqlite.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.row_factory = sqlite3.Row
        rows = raw.execute("SELECT id FROM things ORDER BY id")
        assert rows.fetchone()[0] == 1
        changes, open_before = raw.total_changes, raw.in_transaction
        planned(connection, SQLITE_BAD)
        assert [row[0] for row in rows] == [2, 3]
        assert (raw.total_changes, raw.in_transaction, raw.row_factory) == (changes, open_before, sqlite3.Row)
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE type = 'index'").fetchone()[0] == 0


def test_sqlite_functions_and_collations_of_the_application(sqlite: Engine) -> None:
    """The copy of the schema has stand-ins for what only the application's connections have."""
    with sqlite.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        raw.create_function("plain", 1, lambda value: value, deterministic=True)
        raw.create_collation("mine", lambda left, right: (left > right) - (left < right))
        raw.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT COLLATE mine, size INTEGER)")
        planned(connection, "SELECT * FROM words WHERE word = ?", ("x",))
        planned(connection, "SELECT * FROM words WHERE plain(word) = ?", ("x",))


def test_aiosqlite() -> None:
    """In the greenlet of the driver."""
    pytest.importorskip("aiosqlite", reason="aiosqlite is not installed")
    engine, planner, answers = create_async_engine("sqlite+aiosqlite://"), new_planner(), []

    def listen(connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        answers.append(planner.plan(connection, sql, parameters))
        if sql.startswith("CREATE"):
            planner.schema_changed()

    async def application() -> None:
        event.listen(engine.sync_engine, "before_cursor_execute", listen)
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, weight INTEGER)"))
            await connection.execute(text("SELECT * FROM things WHERE weight = :weight"), {"weight": 3})
        await engine.dispose()

    asyncio.run(application())
    assert isinstance(answers[-1], Planned), answers
    assert [each.ddl for each in answers[-1].plan.advice] == ["CREATE INDEX ix_things_weight ON things (weight)"]


def test_sqlite_tables_by_partition_of_statements(sqlite: Engine) -> None:
    """Statements that read nothing are not planned, and say which table they write."""
    with sqlite.connect() as connection:
        planner = new_planner()
        answer = planner.plan(connection, "INSERT INTO things (weight) VALUES (?)", (1,))
        assert isinstance(answer, NotPlanned)
        assert [each.name for each in answer.tables] == ["things"]
        for sql in ("PRAGMA foreign_keys", "CREATE TABLE x (id)", "SAVEPOINT a", "BEGIN", ""):
            assert isinstance(planner.plan(connection, sql, ()), NotPlanned)


def test_a_shape_is_planned_once_for_each_state_of_the_schema(sqlite: Engine) -> None:
    """Neither other values nor another connection ask again; new figures and another schema do."""
    asked: list[str] = []

    class Counting(SqliteReader):
        def explain(self, link: Any, question: Any) -> Plan:
            asked.append(question.statement)
            return SqliteReader.explain(self, link, question)

    planner, counts = Planner.of([Counting()]), []
    for before in ("", "ANALYZE", "ATTACH ':memory:' AS aside", "DETACH aside", "PRAGMA user_version"):
        with sqlite.connect() as connection:
            if before:
                planner.plan(connection, before, ())
                connection.exec_driver_sql(before)
            if before.startswith("ATTACH"):
                connection.exec_driver_sql("CREATE TABLE aside.more (id INTEGER)")
                planner.schema_changed()
            for weight in range(5):
                planner.plan(connection, "SELECT name FROM things WHERE weight = ?", (weight,))
            connection.commit()
        counts.append(len(asked))
        asked.clear()
    assert counts == [1, 1, 1, 0, 0], "the schema without the attached one was known"


def test_a_dialect_without_a_reader_is_named(sqlite: Engine) -> None:
    """The reason names the dialect."""
    with sqlite.connect() as connection:
        answer = Planner.of([]).plan(connection, "SELECT 1", ())
        assert answer == NotPlanned(reason="no plan reader for sqlite", slug="reader")


def test_a_fault_in_a_reader_is_no_fault_of_the_application(sqlite: Engine) -> None:
    """Whatever a reader raises becomes an answer."""

    class Broken(SqliteReader):
        def explain(self, link: Any, question: Any) -> Plan:
            raise ZeroDivisionError("canary")

    with sqlite.connect() as connection:
        answer = Planner.of([Broken()]).plan(connection, "SELECT * FROM things", ())
        assert isinstance(answer, NotPlanned)
        assert "ZeroDivisionError" in answer.reason and "canary" not in answer.reason


def test_a_shape_is_planned_by_itself_for_no_values_and_for_each_schema(sqlite: Engine) -> None:
    """An IN list without values, and another schema behind the same shape, say nothing of the next execution."""
    planner = Planner.of([SqliteReader()])
    empty = "SELECT * FROM things WHERE weight IN (SELECT 1 FROM (SELECT 1) WHERE 1!=1)"
    with sqlite.connect() as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS other")
        connection.exec_driver_sql("CREATE TABLE other.things (id INTEGER PRIMARY KEY, weight INTEGER)")
        connection.exec_driver_sql("CREATE INDEX other.ix_weight ON things (weight)")
        first = planner.plan(connection, empty, (), shape="IN")
        filled = planner.plan(connection, "SELECT * FROM things WHERE weight IN (?)", (1,), shape="IN")
        assert filled is not first
        assert planner.plan(connection, empty, (), shape="IN") is filled
        shape = "SELECT * FROM __[SCHEMA_tenant].things WHERE weight = ?"
        plans = [
            planner.plan(connection, shape.replace("__[SCHEMA_tenant]", schema), (1,), shape=shape)
            for schema in ("main", "other")
        ]
    assert [
        any(node.reads_everything_in_vain for node in each.plan.root.walk())
        for each in plans
        if isinstance(each, Planned)
    ] == [True, False]
