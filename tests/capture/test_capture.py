"""What capture writes down, on real engines, and that it leaves the application as it was."""

from __future__ import annotations

import gc
import sqlite3
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.capture.shapes import Shapes
from pytest_querybudget.capture.threads import Strays


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Three items."""
    made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add_all([Item(name=str(each)) for each in range(3)])
        session.commit()
    yield made
    made.dispose()


def test_statements_are_added_up_by_shape_and_place(engine: Engine) -> None:
    """A loop is one entry with its count; another line is another entry."""
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for each in range(3):
            connection.execute(select(Item.name).where(Item.id == each)).all()
        connection.execute(select(Item.name).where(Item.id == 1)).all()
    assert [(each.count, each.rows, each.max_rows) for each in recording.statements()] == [(3, 2, 1), (1, 1, 1)]
    assert len({each.shape.facts.sql for each in recording.statements()}) == 1


class Uncached(TypeDecorator[str]):
    """As many applications have them: SQLAlchemy compiles what uses it anew each time."""

    impl = String
    cache_ok = False


ITEM = table("item", column("id", Integer), column("name", Uncached))


def test_a_schema_from_one_line_is_one_statement(engine: Engine) -> None:
    """What a `create_all` sends is one statement for each verb, with all of its tables; alone it keeps its text."""
    metadata = MetaData()
    for name in ("author", "book", "sale"):
        Table(name, metadata, Column("id", Integer, primary_key=True))
    with engine.begin() as connection, query_budget(max_queries=99) as recording:
        metadata.create_all(connection)
        metadata.drop_all(connection, [metadata.tables["sale"]], checkfirst=False)
    told = [(each.count, each.sql, each.tables) for each in recording.statements()]
    assert told == [
        (6, "PRAGMA …", ()),
        (3, "CREATE TABLE …", ("author", "book", "sale")),
        (1, "DROP TABLE sale", ("sale",)),
    ]
    assert recording.queries(kind="ddl") == 4


def test_schemas_of_two_lines_are_apart(engine: Engine) -> None:
    """The line that sends DDL counts, in a loop as well, and so does the block."""
    texts = ["CREATE TABLE a (id INTEGER)", "CREATE TABLE b (id INTEGER)", "DROP TABLE a", "DROP TABLE b"]
    with engine.begin() as connection, query_budget(max_queries=99) as outer:
        for each in texts:
            connection.exec_driver_sql(each)
        with query_budget(max_queries=99) as inner:
            for each in texts:
                connection.exec_driver_sql(each)
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER)")
    verbs = [(2, "CREATE TABLE …"), (2, "DROP TABLE …")]
    assert [(each.count, each.sql) for each in inner.statements()] == verbs
    assert [(each.count, each.sql) for each in outer.statements()] == [
        *verbs,
        *verbs,
        (1, "CREATE TABLE a(id INTEGER)"),
    ]


@pytest.mark.parametrize("text", ["CALL a()", "DO x", "VACUUM"])
def test_what_is_no_schema_stays_apart(text: str) -> None:
    """Procedures have effects of their own, and are no family."""
    known = Shapes().find(text, None, "default")
    assert known.kind == "other"
    assert (known.family is not None) == (text == "VACUUM")


def test_the_catalog_may_be_asked_again(engine: Engine) -> None:
    """Reflection asks the same of the database's own tables: its parameters are not even looked at."""
    question = text("SELECT name FROM sqlite_master WHERE type = :kind")
    with engine.connect() as connection, query_budget(no_repeated_queries=True) as recording:
        for _ in range(3):
            connection.execute(question, {"kind": "table"}).all()
    (only,) = recording.statements()
    assert only.shape.catalog
    assert (only.count, only.digests, only.repeats) == (3, set(), None)


@pytest.mark.parametrize("times", [1, 3])
def test_a_default_that_is_asked_for_first_is_a_select(engine: Engine, times: int) -> None:
    """It belongs to the execution of an INSERT, and is none, on the first time and on the next."""
    highest = select(func.coalesce(func.max(column("id")), 0) + 1).select_from(table("counted")).scalar_subquery()
    key = Column("id", Integer, primary_key=True, default=highest)
    counted = Table("counted", MetaData(), key, Column("n", Integer), implicit_returning=False)
    counted.create(engine)
    with engine.begin() as connection, query_budget(max_queries=9) as recording:
        for each in range(times):
            connection.execute(insert(counted), {"n": each})
    assert [(each.shape.kind, each.count) for each in recording.statements()] == [("select", times), ("insert", times)]


def test_parameters_are_digested_when_a_rule_asks(engine: Engine) -> None:
    """What the application changes after a statement was sent does not change what is known of it."""
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        parameters = {"id": 0}
        for each in range(3):
            parameters["id"] = each
            connection.exec_driver_sql("SELECT name FROM item WHERE id = :id", parameters).all()
    (only,) = recording.statements()
    assert len({sample.values["id"] for sample in only.samples}) == 3


@pytest.mark.parametrize(
    "statement",
    [
        lambda name: select(ITEM).where(ITEM.c.name == name),
        lambda name: select(ITEM).where(ITEM.c.name.in_([name, "0"]), ITEM.c.id > 0),
        lambda name: update(ITEM).where(ITEM.c.name == name).values(name=name),
        lambda name: insert(ITEM).values(name=name),
        lambda name: delete(ITEM).where(ITEM.c.name == name),
    ],
    ids=["select", "list", "update", "insert", "delete"],
)
def test_what_is_compiled_anew_each_time_is_one_statement(engine: Engine, statement: Callable[[str], Any]) -> None:
    """SQLAlchemy's anonymous names of parameters, which are others each time, make no other statement of it."""
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        for each in "abc":
            connection.execute(statement(each))
    assert [each.count for each in recording.statements()] == [3]


def test_every_statement_of_every_thread_is_counted_once(engine: Engine) -> None:
    """32 threads over several engines: none is lost."""
    engines = [create_engine("sqlite://") for _ in range(4)]

    def send(number: int) -> None:
        with engines[number % 4].connect() as connection:
            for _ in range(50):
                connection.execute(text("SELECT 1")).all()

    with query_budget(max_queries=9_999) as recording, ThreadPoolExecutor(32) as pool:
        list(pool.map(send, range(32)))
    assert recording.queries() == 32 * 50
    assert sum(each.rows for each in recording.statements()) == 32 * 50
    for each in engines:
        each.dispose()


def test_nothing_of_the_application_is_held(engine: Engine) -> None:
    """Instances, sessions and connections can be collected while they are recorded."""
    with query_budget(max_queries=9) as recording:
        session = Session(engine)
        items = session.scalars(select(Item)).all()
        held = [weakref.ref(session), *map(weakref.ref, items)]
        session.close()
        del session, items
        gc.collect()
        assert [each() for each in held] == [None] * 4
    assert recording.queries() == 1


def test_listeners_are_gone_afterwards(engine: Engine) -> None:
    """After the block, no listener of this plugin is left on any class."""
    before = list(engine.dialect.dispatch.do_execute)
    with query_budget(max_queries=9):
        assert len(list(engine.dialect.dispatch.do_execute)) == len(before) + 1
    assert list(engine.dialect.dispatch.do_execute) == before


def test_a_failing_statement_raises_what_it_raised(engine: Engine) -> None:
    """The same exception, no frame of the plugin, and a recording of the failure."""
    with engine.connect() as connection, query_budget(max_queries=9) as recording:
        with pytest.raises(OperationalError, match="no such table") as caught:
            connection.execute(text("SELECT * FROM nowhere"))
        shown = "".join(traceback.format_exception(caught.value))
    assert "pytest_querybudget" not in shown
    assert [each.failed for each in recording.statements()] == [1]


def test_an_own_do_execute_is_asked(engine: Engine) -> None:
    """A listener that runs the statement itself is the one that runs it, once."""
    asked = []

    def answer(cursor: object, statement: str, parameters: object, context: object) -> bool:
        asked.append(statement)
        cursor.execute("SELECT 7")  # type: ignore[attr-defined]
        return True

    event.listen(engine, "do_execute", answer)
    with engine.connect() as connection, query_budget(max_queries=1) as recording:
        assert connection.execute(text("SELECT 1")).scalar() == 7
    assert (asked, recording.queries()) == (["SELECT 1"], 1)


def test_a_thread_is_a_stray_only_while_it_runs() -> None:
    """The system gives its identifier to the next thread, which is no stray."""
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    strays = Strays()
    strays.note(thread, "old")
    ident = thread.ident or 0
    assert strays.get(ident) == "old"
    go.set()
    thread.join()
    assert strays.get(ident) is None
    assert not strays


def test_a_pool_is_a_stray_until_its_job_is_done() -> None:
    """A worker that waits for jobs is none; one that still has an old job is, until that job is done."""
    go, begun = threading.Event(), threading.Event()
    strays = Strays()
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(threading.current_thread).result()
        strays.note(thread, "idle")
        assert not strays
        job = pool.submit(lambda: (begun.set(), go.wait(5)))
        assert begun.wait(5)
        strays.note(thread, "busy")
        assert strays.get(thread.ident or 0) == "busy"
        go.set()
        job.result()
        assert strays.get(thread.ident or 0) is None


def test_what_a_dialect_asks_for_itself_has_no_context(engine: Engine) -> None:
    """A dialect that sends a statement without a context, as when it first connects, is not disturbed."""
    with engine.connect() as connection, query_budget(max_queries=1) as recording:
        cursor = connection.connection.cursor()
        connection._cursor_execute(cursor, "SELECT 1", ())
        assert cursor.fetchall() == [(1,)]
        connection.execute(text("SELECT 2"))
    assert [each.count for each in recording.statements()] == [1]
    assert recording.problems == []


class WatchedCursor(sqlite3.Cursor):
    """Counts how often it is asked for the number of rows."""

    asked: ClassVar[list[str]] = []

    @property
    def rowcount(self) -> int:
        self.asked.append("rowcount")
        return super().rowcount


class WatchedConnection(sqlite3.Connection):
    """Has such cursors."""

    def cursor(self, factory: Any = WatchedCursor) -> Any:
        return super().cursor(factory)


@pytest.mark.parametrize("sql", ["UPDATE item SET name = 'x'", "DELETE FROM item WHERE name = 'x'"])
def test_a_write_sent_once_asks_the_driver_for_nothing(sql: str) -> None:
    """A suite may count how often `rowcount` is read."""
    made = create_engine("sqlite://", connect_args={"factory": WatchedConnection})
    Base.metadata.create_all(made)
    with made.begin() as connection, query_budget(max_queries=9):
        WatchedCursor.asked.clear()
        connection.exec_driver_sql(sql)
    assert len(WatchedCursor.asked) == 1, "by SQLAlchemy itself"
    made.dispose()


def test_a_text_that_an_orm_query_had_sent_before(engine: Engine) -> None:
    """The same text, sent without being compiled, is no ORM load, also when the query has been collected."""
    sql = "SELECT item.id, item.name FROM item"
    with query_budget(max_queries=9) as recording:
        with Session(engine) as session:
            session.scalars(select(Item).from_statement(text(sql))).all()
        engine.clear_compiled_cache()
        gc.collect()
        with engine.connect() as connection:
            connection.exec_driver_sql(sql)
    assert recording.problems == []
    assert sum(each.count for each in recording.statements()) == 2


@pytest.mark.parametrize("star", ["*", text("*"), literal_column("*")], ids=["plain", "text", "literal"])
def test_a_bare_star_is_described_as_it_can_be(engine: Engine, star: Any) -> None:
    """SQLAlchemy cannot say what it selects, and the test does not notice."""
    with Session(engine) as session, query_budget(max_queries=1, no_n_plus_one=True) as recording:
        assert len(session.execute(select(star).select_from(Item)).all()) == 3
    assert recording.problems == []


def test_a_session_that_answers_for_any_name_is_left_alone() -> None:
    """A subclass of Session may look its services up by name, or refuse names that it does not know."""

    class Unit(Session):
        def __getattr__(self, name: str) -> object:
            return self.info[name]

    engine = create_engine("sqlite://")
    with query_budget(max_queries=2) as recording, Unit(engine) as session:
        session.execute(text("SELECT 1"))
        session.commit()
        session.execute(text("SELECT 2"))
    engine.dispose()
    assert recording.queries() == 2
    assert not recording.problems


def test_a_helper_that_loops_is_told_by_its_caller() -> None:
    """Two functions that call the same loop send a statement each, not one together."""
    engine = create_engine("sqlite://")

    def ask(connection: Connection) -> None:
        for number in range(3):
            connection.execute(text("SELECT :number"), {"number": number})

    def one(connection: Connection) -> None:
        ask(connection)

    def other(connection: Connection) -> None:
        ask(connection)

    with query_budget(max_queries=6) as recording, engine.connect() as connection:
        one(connection)
        other(connection)
    engine.dispose()
    found = [(each.count, each.stack.places[1].function) for each in recording.statements()]
    assert found == [(3, one.__name__), (3, other.__name__)]
