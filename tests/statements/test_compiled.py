"""What a compiled statement is: every construct of Core and ORM, on three databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    lateral,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    joinedload,
    mapped_column,
    relationship,
)
from sqlalchemy.schema import CreateTable

from pytest_querybudget.statements import Shape, from_compiled

DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),
    "asyncpg": asyncpg.dialect(),
    "mysql": mysql.dialect(),
}


class Base(DeclarativeBase):
    """The models of these tests."""


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    orders: Mapped[list[Order]] = relationship(back_populates="user")


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str]
    total: Mapped[int]
    user: Mapped[User] = relationship(back_populates="orders")


METADATA = MetaData()
T = Table("t", METADATA, Column("id", Integer, primary_key=True), Column("a", Integer), Column("b", Integer))
PAIR = Table(
    "pair", METADATA, Column("x", Integer), Column("y", Integer), Column("z", String), UniqueConstraint("x", "y"),
    schema="shop",
)  # fmt: skip
OTHER = aliased(User)


def shapes(statement: Any, **options: Any) -> list[Shape]:
    return [from_compiled(statement.compile(dialect=each, **options)) for each in DIALECTS.values()]


def roles(shape: Shape) -> list[tuple[str | None, str]]:
    return [(each.column, each.role) for each in shape.binds]


SUB = select(T.c.id.label("n"), func.count().label("c")).where(T.c.b == 9).group_by(T.c.id).subquery()
CTE = select(T.c.id, T.c.a).where(T.c.b > 9).cte("fresh")

BINDS: list[tuple[str, Any, list[tuple[str | None, str]]]] = [
    ("equal", select(T).where(T.c.a == 1), [("t.a", "equal")]),
    ("reversed", select(T).where(bindparam("x", 1) == T.c.a), [("t.a", "equal")]),
    ("in", select(T).where(T.c.a.in_([1, 2])), [("t.a", "in")]),
    ("not in", select(T).where(T.c.a.not_in([1, 2])), [("t.a", "in")]),
    ("tuple in", select(T).where(tuple_(T.c.a, T.c.b).in_([(1, 2)])), [("t.a", "in")]),
    ("between", select(T).where(T.c.a.between(1, 2)), [("t.a", "range"), ("t.a", "range")]),
    ("range", select(T).where(T.c.a > 1, T.c.b <= 2), [("t.a", "range"), ("t.b", "range")]),
    ("like", select(User.id).where(User.name.like("x%")), [("users.name", "like")]),
    ("lower", select(User.id).where(func.lower(User.name) == "x"), [("users.name", "equal")]),
    ("cast", select(T.c.id).where(cast(T.c.a, String(20)) == "1"), [("t.a", "equal")]),
    ("differs", select(T.c.id).where(T.c.a != 1), [("t.a", "other")]),
    ("or", select(T.c.id).where(or_(T.c.a == 1, T.c.b == 2)), [("t.a", "equal"), ("t.b", "equal")]),
    (
        "keyset",
        select(T.c.id).where(or_(T.c.a < 1, and_(T.c.a == 1, T.c.b < 2))),
        [("t.a", "range"), ("t.a", "equal"), ("t.b", "range")],
    ),
    ("row keyset", select(T.c.id).where(tuple_(T.c.a, T.c.b) > tuple_(1, 2)), [("t.a", "range"), ("t.b", "range")]),
    ("having", select(T.c.a).group_by(T.c.a).having(func.count(T.c.id) > 3), [("t.id", "range")]),
    ("alias", select(OTHER).where(OTHER.email == "x"), [("users.email", "equal")]),
    ("join on", select(T.c.id).join(PAIR, and_(PAIR.c.x == T.c.id, PAIR.c.z == "u")), [("shop.pair.z", "equal")]),
    ("subquery column", select(SUB.c.c).where(SUB.c.n == 4), [("t.b", "equal"), ("t.id", "equal")]),
    ("cte column", select(CTE.c.id).where(CTE.c.a == 4), [("t.b", "range"), ("t.a", "equal")]),
    (
        "correlated",
        select(User.id).where(exists().where(Order.user_id == User.id, Order.state == "new")),
        [("order.state", "equal")],
    ),
    ("orm relationship", select(User.id).where(User.orders.any(Order.state == "new")), [("order.state", "equal")]),
    ("nested orm", select(User.id).where(User.id.in_(select(Order.user_id).join(Order.user).where(User.name == "x"))),
     [("users.name", "equal")]),
    ("set", update(T).values(a=1).where(T.c.id == 2), [("t.a", "value"), ("t.id", "equal")]),
    ("set expression", update(T).values(a=T.c.a + 5).where(T.c.id.in_([2])), [("t.a", "value"), ("t.id", "in")]),
    ("delete", delete(T).where(T.c.id == 2, T.c.a < 3), [("t.id", "equal"), ("t.a", "range")]),
    ("insert", insert(PAIR).values(x=1, z="u"), [("shop.pair.x", "value"), ("shop.pair.z", "value")]),
    ("case in columns", select(case((T.c.a == 1, 2), else_=3)), [(None, "other")] * 3),
    ("union", union_all(select(T.c.a).where(T.c.a == 1), select(T.c.b).where(T.c.b < 2)),
     [("t.a", "equal"), ("t.b", "range")]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), [case[1:] for case in BINDS], ids=[case[0] for case in BINDS])
def test_each_bind_has_the_column_and_role_of_its_comparison(statement: Any, expected: Any) -> None:
    """Whatever the dialect's placeholders are."""
    for dialect in DIALECTS.values():
        compiled = statement.compile(dialect=dialect)
        shape = from_compiled(compiled)
        assert roles(shape) == expected, (shape.sql, shape.binds)
        assert {each.name for each in shape.binds} == set(compiled.params)


def test_an_array_is_a_list_of_values() -> None:
    """`= ANY(array)` is what others write as IN."""
    statement = select(T.c.id).where(T.c.a == any_(bindparam("ids", [1, 2])))
    shape = from_compiled(statement.compile(dialect=postgresql.dialect()))
    assert roles(shape) == [("t.a", "in")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_limit_and_offset_are_told_apart(dialect: str) -> None:
    """MySQL writes the offset first."""
    statement = select(T.c.id).where(T.c.a == 1).limit(bindparam("l", 5)).offset(bindparam("o", 6))
    shape = from_compiled(statement.compile(dialect=DIALECTS[dialect]))
    assert {(each.name, each.role) for each in shape.binds} == {("a_1", "equal"), ("l", "limit"), ("o", "offset")}
    assert shape.limited


FACTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("core", select(T.c.id, T.c.a.label("x")), {"kind": "select", "reads": ("t",), "columns": ("t.id", "t.a")}),
    ("orm", select(User), {"columns": ("users.id", "users.email", "users.name", "users.manager_id"), "table": "users"}),
    ("quoted", select(Order.id), {"reads": ("order",), "columns": ("order.id",)}),
    ("count", select(func.count()).select_from(T), {"columns": ("count_1",), "aggregate": True}),
    ("self join", select(User.id, OTHER.name).join(OTHER, User.manager_id == OTHER.id),
     {"reads": ("users",), "columns": ("users.id", "users.name")}),
    ("from subquery", select(SUB.c.n, SUB.c.c), {"reads": ("t",), "columns": ("t.id", "c")}),
    ("joined load limited", select(User).options(joinedload(User.orders)).where(User.id == 1).limit(3),
     {"reads": ("order", "users"), "limited": True, "unique": False}),
    ("insert select", insert(T).from_select(["id"], select(PAIR.c.x)),
     {"kind": "insert", "reads": ("shop.pair",), "writes": ("t",), "table": "t"}),
    ("update correlated", update(T).values(a=select(PAIR.c.x).where(PAIR.c.y == T.c.id).scalar_subquery()),
     {"kind": "update", "reads": ("shop.pair",), "writes": ("t",)}),
    ("for update", select(T).with_for_update(), {"ordered": False}),
    ("ordered", select(T).order_by(T.c.a), {"ordered": True}),
    ("clock", select(T.c.id, func.now()), {"volatile": True}),
    ("plain", select(T.c.id), {"volatile": False, "opaque": False, "unique": False}),
    ("nothing", select(literal_column("1")), {"volatile": True, "reads": ()}),
    ("ddl", CreateTable(T), {"kind": "ddl", "writes": ("t",), "opaque": True}),
    ("text", text("SELECT id FROM t WHERE id = :id"), {"kind": "select", "columns": ("t.id",)}),
    ("typed text", text("SELECT * FROM t").columns(T.c.id, T.c.a), {"columns": ("t.id", "t.a")}),
    ("lateral", select(T.c.id, lateral(select(PAIR.c.z).where(PAIR.c.x == T.c.id), name="l").c.z),
     {"reads": ("shop.pair", "t"), "columns": ("t.id", "shop.pair.z")}),
    ("values", select(values(Column("k", Integer), name="v").data([(1,), (2,)])), {"columns": ("k",), "reads": ()}),
    ("table function", select(func.json_each(T.c.a).table_valued("value").c.value), {"kind": "select"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), [case[1:] for case in FACTS], ids=[case[0] for case in FACTS])
def test_the_facts_of_a_statement(statement: Any, expected: dict[str, Any]) -> None:
    """Kind, tables and columns are the real ones, seen through aliases and labels."""
    for shape in shapes(statement):
        assert {name: getattr(shape, name) for name in expected} == expected, shape.sql


UNIQUE: list[tuple[str, Any, bool]] = [
    ("primary key", select(User).where(User.id == 1), True),
    ("unique column", select(User).where(User.email == "x"), True),
    ("whole constraint", select(PAIR).where(PAIR.c.x == 1, PAIR.c.y == 2), True),
    ("many to one", select(Order).join(Order.user).where(Order.id == 1), True),
    ("outer many to one", select(Order).outerjoin(Order.user).where(Order.id == 1), True),
    ("joined load to one", select(Order).options(joinedload(Order.user)).where(Order.id == 1), True),
    ("update", update(T).values(a=1).where(T.c.id == 2), True),
    ("whole constraint as a row", select(PAIR).where(tuple_(PAIR.c.x, PAIR.c.y) == tuple_(1, 2)), True),
    ("part of a constraint", select(PAIR).where(PAIR.c.x == 1), False),
    ("in", select(User).where(User.id.in_([1, 2])), False),
    ("or", select(User).where(or_(User.id == 1, User.name == "x")), False),
    ("not", select(User).where(~and_(User.id == 1, User.name == "x")), False),
    ("range", select(User).where(User.id > 1), False),
    ("modulo", select(User).where(User.id % 10 == 1), False),
    ("lower", select(User).where(func.lower(User.email) == "x"), False),
    ("to many", select(User).join(User.orders).where(User.id == 1), False),
    ("condition of an outer join", select(T).outerjoin(PAIR, and_(T.c.id == 1, PAIR.c.x == 1)), False),
    ("union", union_all(select(T.c.a).where(T.c.id == 1), select(T.c.b).where(T.c.id == 2)), False),
    ("null", select(User).where(User.id.is_(None)), False),
]


@pytest.mark.parametrize(("statement", "expected"), [case[1:] for case in UNIQUE], ids=[case[0] for case in UNIQUE])
def test_a_unique_key_leaves_one_row_at_most(statement: Any, expected: bool) -> None:
    """Equality on all its columns, in every row of the result."""
    assert {each.unique for each in shapes(statement)} == {expected}


PLACE = Table("place", METADATA, Column("id", Integer, primary_key=True))
ROAD = Table(
    "road", METADATA, Column("id", Integer, primary_key=True),
    Column("start", ForeignKey("place.id")), Column("end", ForeignKey("place.id")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "expected"),
    [(select(User), True), (select(ROAD), True), (select(Order), False), (select(Order).join(Order.user), True)],
    ids=["tree", "two keys to one table", "one key", "joined to a tree"],
)
def test_tables_whose_rows_form_a_chain(statement: Any, expected: bool) -> None:
    """By a key to the table itself, or by two to another one."""
    assert {each.schema.linked for each in shapes(statement)} == {expected}


def test_a_text_is_read_as_its_dialect_quotes() -> None:
    """MySQL takes for a string what is a name elsewhere."""
    found = {each.dialect: each.columns for each in shapes(text('SELECT "id" FROM t'))}
    assert found == {"sqlite": ("t.id",), "postgresql": ("t.id",), "mysql": ("?",)}


def test_marks_of_the_compiler_are_not_shown() -> None:
    """Neither those of IN lists nor those of translated schemas."""
    statement = select(PAIR.c.x, T.c.id).where(PAIR.c.x.in_([1, 2, 3]))
    for shape in shapes(statement, schema_translate_map={"shop": "tenant", None: "other"}):
        assert "__[" not in shape.sql
        assert "IN (...)" in shape.sql
        assert shape.reads == ("shop.pair", "t")


def test_names_of_parameters_are_those_of_the_statement_when_they_are_escaped() -> None:
    """A driver does not take every name; an execution's `compiled_parameters` keep the one of the statement."""
    statement = select(T.c.id).where(T.c.a == bindparam("odd name(1)", 1))
    for dialect in DIALECTS.values():
        compiled = statement.compile(dialect=dialect)
        names = compiled.construct_params(escape_names=False)
        assert [each.name for each in from_compiled(compiled).binds] == list(names) == ["odd name(1)"]


def test_a_literal_in_a_construct_is_masked_and_is_no_bind() -> None:
    """Its value is part of the construct."""
    shape = shapes(select(T.c.id).where(literal_column("'secret'") == T.c.a))[0]
    assert "secret" not in shape.sql
    assert shape.binds == ()


def test_upsert_is_an_insert() -> None:
    """Its SET assigns values, its WHERE compares."""
    statement = postgresql_insert(T).values(id=1, a=2)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_={"a": 7}, where=T.c.b == 3)
    shape = from_compiled(statement.returning(T.c.id).compile(dialect=postgresql.dialect()))
    assert (shape.kind, shape.writes, shape.columns) == ("insert", ("t",), ("t.id",))
    assert roles(shape) == [("t.id", "value"), ("t.a", "value"), ("t.a", "value"), ("t.b", "equal")]


BARE = type("Compiled", (), {"string": "SELECT 1 FROM t", "dialect": 7})


@pytest.mark.parametrize("broken", [None, object(), BARE()])
def test_anything_else_is_read_as_far_as_it_goes(broken: object) -> None:
    """A compiled statement without a statement, or none at all."""
    assert isinstance(from_compiled(broken), Shape)


def test_what_is_taken_from_sqlalchemy_is_there() -> None:
    """The attributes that `internals` reads exist in this version."""
    compiled = select(T.c.id).where(T.c.a.in_([1])).compile(dialect=sqlite.dialect())
    for name in ("string", "positiontup", "statement", "compile_state", "escaped_bind_names", "bind_names",
                 "post_compile_params", "literal_execute_params", "params"):  # fmt: skip
        assert hasattr(compiled, name), name
