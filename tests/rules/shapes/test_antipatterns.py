"""Each antipattern with its clean twins, on real databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import (
    CTE,
    Engine,
    String,
    cast,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from pytest_querybudget.rules.antipatterns import PATTERNS
from pytest_querybudget.rules.no_antipatterns import Antipattern, NoAntipatterns
from tests.rules.shapes.shop import Address, Customer, Line, Order, Region, Tag, judge

DAY = date(2026, 1, 1)
RULE = NoAntipatterns()
Work = Callable[[Session], object]


def run(*statements: object) -> Work:
    """Send statements and fetch all rows of each."""

    def work(session: Session) -> object:
        return [session.execute(text(each) if isinstance(each, str) else each).all() for each in statements]  # type: ignore[call-overload]

    return work


TOTALS: CTE = (
    select(Order.customer_id, func.sum(Order.total).label("total"))
    .where(Order.total > 0)
    .group_by(Order.customer_id)
    .cte()
)
OTHER = aliased(Customer)
ONE_OR_TWO = union_all(select(literal(1).label("a")), select(literal(2))).subquery()

BAD: list[tuple[str, str, Work]] = [
    ("not_in_subquery", "orm", run(select(Customer.id).where(Customer.id.not_in(select(Order.customer_id))))),
    ("not_in_subquery", "inverted", run(select(Customer.id).where(~Customer.id.in_(select(Order.customer_id))))),
    ("not_in_subquery", "text", run("SELECT id FROM customer WHERE id NOT IN (SELECT customer_id FROM orders)")),
    ("not_in_subquery", "not around", run("SELECT id FROM customer WHERE NOT (id IN (SELECT customer_id FROM orders))")),
    ("not_in_subquery", "among others", run("SELECT id FROM customer WHERE number > 0 AND (id NOT IN (SELECT customer_id FROM orders WHERE total > 1) OR number = 2)")),
    ("not_in_subquery", "in a subquery", run(select(Region.id).where(Region.id.in_(select(Customer.region_id).where(Customer.id.not_in(select(Order.customer_id)))), Region.name == "x"))),
    ("not_in_subquery", "of a union", run("SELECT id FROM customer WHERE id NOT IN (SELECT customer_id FROM orders UNION SELECT customer_id FROM address)")),
    ("leading_wildcard", "contains", run(select(Customer.id).where(Customer.name.contains("x")))),
    ("leading_wildcard", "endswith", run(select(Customer.id).where(Customer.name.endswith("x", autoescape=True)))),
    ("leading_wildcard", "ilike", run(select(Customer.id).where(Customer.name.icontains("x")))),
    ("leading_wildcard", "literal", run("SELECT id FROM customer WHERE name LIKE '%x'")),
    ("leading_wildcard", "one of two", run(select(Customer.id).where(or_(Customer.name.like(literal_column("'x%'")), Customer.email.contains("y"))))),
    ("leading_wildcard", "with a filter", run(select(Customer.id).where(Customer.region_id == 1, Customer.name.contains("x")))),
    ("leading_wildcard", "a sent pattern", run(select(Customer.id).where(Customer.name.like("%x")))),
    ("leading_wildcard", "sent again and again", run(*(select(Customer.id).where(Customer.name.like(f"%{each}")) for each in "xy"))),
    ("leading_wildcard", "a prefix and a wildcard", run(*(select(Customer.id).where(Customer.name.like(each)) for each in ("x%", "%x", "y%")))),
    ("select_star", "text", run("SELECT * FROM customer WHERE id = 1")),
    ("select_star", "of an alias", run("SELECT c.*, r.name FROM customer c JOIN region r ON r.id = c.region_id WHERE c.id = 1")),
    ("select_star", "core", run(select(text("*")).select_from(Region.__table__))),
    ("select_star", "through a subquery", run("SELECT s.* FROM (SELECT * FROM region) AS s WHERE s.id = 1")),
    ("select_star", "through a cte", run("WITH s AS (SELECT * FROM region) SELECT * FROM s WHERE id = 1")),
    ("select_star", "of a union", run("SELECT * FROM region WHERE id = 1 UNION ALL SELECT * FROM region WHERE id = 2")),
    ("deep_offset", "literal", run("SELECT id FROM customer ORDER BY id LIMIT 10 OFFSET 5000")),
    ("limit_without_order", "limit", run(select(Customer.name).limit(3))),
    ("limit_without_order", "filtered", run(select(Customer.name).where(Customer.region_id == 1).limit(3))),
    ("limit_without_order", "offset", run(select(Customer.name).limit(3).offset(1))),
    ("limit_without_order", "joined", run(select(Customer.name, Region.name).join(Customer.region).limit(3))),
    ("limit_without_order", "grouped", run(select(Order.customer_id, func.count()).where(Order.total > 0).group_by(Order.customer_id).limit(3))),
    ("limit_without_order", "union", run(union(select(Customer.name), select(Region.name)).limit(3))),
    ("limit_without_order", "text", run("SELECT name FROM customer LIMIT 3")),
    ("limit_without_order", "in a subquery", run("SELECT s.name FROM (SELECT name FROM customer LIMIT 3) AS s")),
    ("function_on_column", "lower", run(select(Customer.id).where(func.lower(Customer.email) == "x"))),
    ("function_on_column", "date", run(select(Order.id).where(func.date(Order.placed) == DAY))),
    ("function_on_column", "cast", run(select(Order.id).where(cast(Order.total, String(5)) == "1"))),
    ("function_on_column", "coalesce", run(select(Order.id).where(func.coalesce(Order.status, "open") == "open"))),
    ("function_on_column", "in a list", run(select(Customer.id).where(func.lower(Customer.name).in_(["a", "b"])))),
    ("function_on_column", "range", run(select(Customer.id).where(func.length(Customer.name) > 3))),
    ("function_on_column", "reversed", run("SELECT id FROM customer WHERE 'x' = lower(name)")),
    ("function_on_column", "nested", run(select(Customer.id).where(func.lower(func.trim(Customer.name)) == "x"))),
    ("function_on_column", "one of two", run(select(Customer.id).where(or_(func.lower(Customer.name) == "x", func.lower(Customer.email) == "x")))),
    ("function_on_column", "in a join", run(select(Customer.id).join(OTHER, func.lower(Customer.name) == OTHER.name))),
    ("function_on_column", "in exists", run(select(Customer.id).where(exists().where(Order.customer_id == Customer.id, func.lower(Order.status) == "open")))),
    ("function_on_column", "calculated", run(select(Order.id).where(Order.total * 2 > 10))),
    ("function_on_column", "calculated in a text", run("SELECT id FROM orders WHERE total + 1 = 3")),
    ("function_on_column", "calculated on the right", run("SELECT id FROM orders WHERE 3 < total / 100")),
    ("function_on_column", "calculated in parentheses", run(select(Order.id).where((Order.total - 1) * 2 == 10))),
    ("function_on_column", "calculated in a list", run(select(Order.id).where((Order.total + 1).in_([1, 2])))),
    ("function_on_column", "calculated between", run(select(Order.id).where((Order.total + 1).between(1, 2)))),
    ("cartesian_product", "orm", run(select(Customer.id, Order.id).where(Customer.region_id == 1, Order.total == 2))),
    ("cartesian_product", "counts", run(select(func.count(Customer.id.distinct()), func.count(Order.id.distinct())).where(Customer.region_id == 1, Order.total == 2))),
    ("cartesian_product", "text", run("SELECT c.id FROM customer c, orders o WHERE c.number = 1 AND o.total = 2")),
    ("cartesian_product", "two of three", run(select(Customer.id, Order.id, Address.id).where(Customer.id == Order.customer_id, Address.street == "s"))),
    ("cartesian_product", "with a subquery", run(select(Customer.id, TOTALS.c.total).where(TOTALS.c.total > 1))),
    ("order_by_random", "one row", run(select(Customer.name).order_by(func.random()).limit(1))),
    ("order_by_random", "of those that match", run(select(Order.id).where(Order.status == "open").order_by(func.random()).limit(1))),
    ("whole_table_aggregate", "count", run(select(func.count()).select_from(Order))),
    ("whole_table_aggregate", "sum", run(select(func.sum(Order.total)))),
    ("whole_table_aggregate", "grouped", run(select(Order.status, func.sum(Order.total)).group_by(Order.status))),
    ("whole_table_aggregate", "text", run("SELECT count(*) FROM orders")),
    ("whole_table_aggregate", "through a subquery", lambda session: session.query(Order).count()),
    ("whole_table_aggregate", "a figure beside others", run(select(Region.id, select(func.count(Order.id)).scalar_subquery()).where(Region.id == 1))),
    ("whole_table_aggregate", "joined", run(select(Customer.name, func.count(Order.id)).join(Customer.orders).group_by(Customer.name))),
]  # fmt: skip

CLEAN: list[tuple[str, Work]] = [
    ("not exists", run(select(Customer.id).where(~exists().where(Order.customer_id == Customer.id)))),
    ("not any", run(select(Customer.id).where(~Customer.orders.any()))),
    ("in a subquery", run(select(Customer.id).where(Customer.id.in_(select(Order.customer_id))))),
    ("not in values", run(select(Customer.id).where(Customer.id.not_in([1, 2])))),
    ("not in an empty list", run(select(Customer.id).where(Customer.id.not_in([])))),
    ("anti join", run(select(Customer.id).outerjoin(Customer.orders).where(Order.id.is_(None)))),
    ("like a prefix", run(select(Customer.id).where(Customer.name.startswith("x")))),
    ("like a sent prefix", run(select(Customer.id).where(Customer.name.like("x%")))),
    ("like a literal prefix", run("SELECT id FROM customer WHERE name LIKE 'x%'")),
    ("not like", run(select(Customer.id).where(Customer.region_id == 1, Customer.name.not_like("%x")))),
    ("wildcard within one row", run(select(Customer.id).where(Customer.id == 1, Customer.name.contains("x")))),
    ("a pattern in the select list", run(select(Customer.id, Customer.name.contains("x")))),
    ("an entity", run(select(Customer))),
    ("count star", run("SELECT count(*) FROM customer WHERE region_id = 1")),
    ("exists star", run("SELECT id FROM customer c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.id)")),
    ("star over named columns", run("SELECT * FROM (SELECT id, name FROM region) AS s")),
    ("inner star, outer columns", run("SELECT s.id FROM (SELECT * FROM region) AS s")),
    ("multiplication", run("SELECT id * 2, total * total FROM orders")),
    ("one page by offset", run(select(Customer.id).order_by(Customer.id).limit(2).offset(2))),
    ("two pages by offset", run(*(select(Customer.id).order_by(Customer.id).limit(2).offset(each) for each in (0, 2)))),
    ("limit with order", run(select(Customer.name).order_by(Customer.id).limit(3))),
    ("first", lambda session: session.query(Customer).first()),
    ("any row", run(select(Customer.id).limit(1))),
    ("the limit of one key", run(select(Customer.id).where(Customer.id == 1).limit(5))),
    ("order in the subquery", run("SELECT s.id FROM (SELECT id FROM customer ORDER BY id) AS s LIMIT 3")),
    ("limit in exists", run(select(Customer.id).where(exists(select(Order.id).where(Order.customer_id == Customer.id).limit(1))))),
    ("limit of one parent, eagerly", lambda session: session.scalars(select(Customer).options(joinedload(Customer.orders)).limit(1)).unique().all()),
    ("a sent prefix again and again", run(*(select(Customer.id).where(Customer.name.like(f"{each}%")) for each in "xy"))),
    ("a dot and a star in a like", run("SELECT id FROM customer WHERE name LIKE '.*x'")),
    ("a calculated value", run(select(Order.id).where(Order.total > literal(10) / 2))),
    ("a calculation with two columns", run(select(Order.id).where(Order.total - Order.customer_id > 0))),
    ("a calculated join", run(select(Order.id).join(Customer, Customer.id == Order.customer_id + 1))),
    ("a calculation in the select list", run(select(Order.total * 2))),
    ("a calculation within one row", run(select(Order.id).where(Order.id == 1, Order.total - 5 >= 0))),
    ("a remainder", run(select(Order.id).where(Order.id % 10 == 3))),
    ("a negative", run(select(Order.id).where(-Order.total < 3))),
    ("a joined text", run("SELECT id FROM customer WHERE name || 'x' = 'ax'")),
    ("the column itself", run(select(Customer.id).where(Customer.email == "x"))),
    ("a function of the value", run(select(Customer.id).where(Customer.email == func.lower("X")))),
    ("a function in the select list", run(select(func.lower(Customer.email)))),
    ("a function in the order", run(select(Customer.id).order_by(func.lower(Customer.email)))),
    ("a range of days", run(select(Order.id).where(Order.placed >= DAY, Order.placed < DAY + timedelta(days=1)))),
    ("ilike", run(select(Customer.id).where(Customer.name.ilike("x%")))),
    ("an indexed expression", run(select(Customer.id).where(func.upper(Customer.name) == "X"))),
    ("a function within one row", run(select(Customer.id).where(Customer.id == 1, func.lower(Customer.name) == "x"))),
    ("having", run(select(Order.status).where(Order.total > 0).group_by(Order.status).having(func.count(Order.id) > 1))),
    ("a case", run(select(Order.id).where(func.abs(literal(3)) == Order.total))),
    ("a filter on a figure", run(select(TOTALS.c.customer_id).where(func.abs(TOTALS.c.total) > 1))),
    ("joined", run(select(Customer.id, Order.id).join(Customer.orders))),
    ("joined by where", run(select(Customer.id, Order.id).where(Customer.id == Order.customer_id))),
    ("joined by two columns", run(select(Customer.id, OTHER.id).where(tuple_(Customer.region_id, Customer.number) == tuple_(OTHER.region_id, OTHER.number)))),
    ("joined on true", run(select(Customer.id, Region.id).join(Region, true()))),
    ("cross join", run("SELECT c.id, r.id FROM customer c CROSS JOIN region r")),
    ("using", run("SELECT o.id FROM orders o JOIN address a USING (customer_id)")),
    ("natural join", run("SELECT o.id FROM orders o NATURAL JOIN profile p")),
    ("names without tables", run("SELECT status, street FROM orders, address WHERE total = 1 AND street = status")),
    ("one row of each", run(select(Customer.id, Region.id).where(Customer.id == 1, Region.id == 2))),
    ("a total beside each", run(select(Customer.id, select(func.sum(Order.total).label("x")).where(Order.total > 1).subquery().c.x))),
    ("a list of values", run("SELECT r.id FROM region r, (VALUES (1), (2)) AS w")),
    ("through a third", run(select(Customer.id).where(Customer.id == Order.customer_id, Address.customer_id == Customer.id))),
    ("through a range", run(select(Customer.id, OTHER.id).where(Customer.number < OTHER.number))),
    ("through or", run(select(Customer.id, Order.id).where(or_(Customer.id == Order.customer_id, Customer.number == Order.total)))),
    ("through a subquery", run(select(Customer.id, Region.id).where(Region.id.in_(select(OTHER.region_id).where(OTHER.id == Customer.id))))),
    ("secondary", run(select(Customer.id, Tag.name).join(Customer.tags))),
    ("joined eagerly", lambda session: session.scalars(select(Customer).options(joinedload(Customer.tags), joinedload(Customer.region))).unique().all()),
    ("selectin", lambda session: session.scalars(select(Customer).options(selectinload(Customer.orders).selectinload(Order.lines))).all()),
    ("lazy", lambda session: [each.orders for each in session.scalars(select(Customer))]),
    ("any of a relationship", run(select(Customer.id).where(Customer.orders.any(Order.status == "x"), Customer.tags.any(Tag.name == "y")))),
    ("a write", lambda session: session.execute(delete(Line).where(Line.order_id.not_in(select(Order.id))))),
    ("ordered by a column", run(select(Customer.id).order_by(Customer.name))),
    ("a few keys by chance", run(select(Customer.id).where(Customer.id.in_([1, 2, 3])).order_by(func.random()))),
    ("values by chance", run(select(ONE_OR_TWO.c.a).order_by(func.random()))),
    ("maximum", run(select(func.max(Order.id)))),
    ("minimum of a filter", run(select(func.min(Order.total)).where(Order.customer_id == 1))),
    ("filtered count", run(select(func.count()).select_from(Order).where(Order.customer_id == 1))),
    ("filtered group", run(select(Order.status, func.sum(Order.total)).where(Order.customer_id == 1).group_by(Order.status))),
    ("count of a filtered subquery", lambda session: session.query(Order).filter(Order.total > 1).count()),
    ("count of each", run(select(Region.id, select(func.count(Customer.id)).where(Customer.region_id == Region.id).scalar_subquery()))),
    ("a window", run(select(Order.id, func.row_number().over(order_by=Order.id)))),
    ("a sum over a window", run(select(Order.id, func.sum(Order.total).over(partition_by=Order.customer_id)))),
    ("union of names", run(union_all(select(Customer.name), select(Region.name)))),
    ("nothing", run("SELECT 1")),
    ("literals that stay", run(*(["SELECT id FROM orders WHERE status = 'open'"] * 3))),
    ("lists of any length", run(*(select(Order.id).where(Order.id.in_(range(each)), Order.status == literal_column("'open'")) for each in (2, 3, 4)))),
]  # fmt: skip

DIALECTS: list[tuple[str, set[str], object]] = [
    ("postgresql", {"leading_wildcard"}, "SELECT id FROM customer WHERE name ~ '.*x'"),
    ("postgresql", {"leading_wildcard"}, "SELECT id FROM customer WHERE name ~* '^.*x'"),
    ("postgresql", set(), "SELECT id FROM customer WHERE name ~ '^x'"),
    ("postgresql", set(), "SELECT id FROM customer WHERE name ~ 'x.*'"),
    ("postgresql", set(), "SELECT id FROM customer WHERE name !~ '.*x'"),
    ("postgresql", {"leading_wildcard"}, "SELECT id FROM customer WHERE name SIMILAR TO '%x'"),
    ("postgresql", set(), "SELECT id FROM customer WHERE name SIMILAR TO 'x%'"),
    ("postgresql", {"leading_wildcard"}, "SELECT id FROM customer WHERE name ~~ '%x'"),
    ("postgresql", {"leading_wildcard"}, "SELECT id FROM customer WHERE name LIKE E'%x'"),
    ("sqlite", {"leading_wildcard"}, "SELECT id FROM customer WHERE name GLOB '*x'"),
    ("sqlite", set(), "SELECT id FROM customer WHERE name GLOB 'x*'"),
    ("mariadb", {"leading_wildcard"}, "SELECT id FROM customer WHERE name REGEXP '.*x'"),
    ("mariadb", {"leading_wildcard"}, "SELECT id FROM customer WHERE name RLIKE '.+x'"),
    ("mariadb", set(), "SELECT id FROM customer WHERE name REGEXP '^x.*'"),
    ("mariadb", {"leading_wildcard"}, 'SELECT id FROM customer WHERE name LIKE "%x"'),
    ("postgresql mariadb", {"leading_wildcard"}, select(Customer.id).where(Customer.name.regexp_match(".*x"))),
    ("postgresql mariadb", set(), select(Customer.id).where(Customer.name.regexp_match("^x"))),
    ("postgresql mariadb", {"not_in_subquery"}, "SELECT id FROM customer WHERE id <> ALL (SELECT customer_id FROM orders)"),
    ("postgresql mariadb", {"not_in_subquery"}, "SELECT id FROM customer WHERE NOT (id = ANY (SELECT customer_id FROM orders))"),
    ("postgresql mariadb", set(), "SELECT id FROM customer WHERE id = ANY (SELECT customer_id FROM orders)"),
    ("postgresql", {"deep_offset"}, "SELECT id FROM customer ORDER BY id OFFSET 5000 ROWS FETCH NEXT 10 ROWS ONLY"),
    ("mariadb", {"deep_offset"}, "SELECT id FROM customer ORDER BY id LIMIT 5000, 10"),
    ("postgresql", {"limit_without_order"}, "SELECT name FROM customer FETCH FIRST 3 ROWS ONLY"),
    ("postgresql", {"limit_without_order"}, select(Customer.name).fetch(3)),
    ("postgresql", {"function_on_column"}, "SELECT id FROM orders WHERE placed::date = '2024-01-01'"),
    ("postgresql", {"function_on_column"}, "SELECT id FROM orders WHERE date_trunc('day', placed) = '2024-01-01'"),
    ("postgresql", {"function_on_column"}, "SELECT id FROM orders WHERE placed + interval '1 day' < now()"),
    ("postgresql", {"function_on_column"}, "SELECT id FROM orders WHERE now() - placed > interval '1 day'"),
    ("postgresql", set(), "SELECT id FROM orders WHERE placed < now() - interval '1 day'"),
    ("mariadb", {"function_on_column"}, "SELECT id FROM orders WHERE YEAR(placed) = 2024"),
    ("mariadb", {"function_on_column"}, "SELECT id FROM orders WHERE placed + INTERVAL 1 DAY < NOW()"),
    ("mariadb", set(), "SELECT id FROM orders WHERE placed < NOW() - INTERVAL 1 DAY"),
    ("sqlite", {"function_on_column"}, "SELECT id FROM orders WHERE strftime('%Y', placed) = '2024'"),
    ("sqlite", set(), "SELECT id FROM orders WHERE placed > datetime('now', '-1 day')"),
    ("mariadb", {"cartesian_product"}, "SELECT c.id, o.id FROM customer c JOIN orders o WHERE c.number = 1"),
    ("postgresql", {"order_by_random"}, "SELECT id FROM customer ORDER BY md5(random()::text) LIMIT 2"),
    ("postgresql", {"order_by_random"}, "SELECT id FROM customer ORDER BY gen_random_uuid() LIMIT 2"),
    ("postgresql", {"whole_table_aggregate"}, "SELECT count(*) FILTER (WHERE total > 1) FROM orders"),
    ("mariadb", {"select_star"}, "SELECT `customer`.* FROM `customer` WHERE id = 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "expected", "statement"),
    [(name, expected, statement) for names, expected, statement in DIALECTS for name in names.split()],
    ids=lambda each: str(each)[:60],
    indirect=["engine"],
)
def test_words_of_a_database(engine: Engine, expected: set[str], statement: object) -> None:
    """What only one database has words for."""
    assert set(found(engine, run(statement))) == expected


NAMES = {each.name for each in PATTERNS}


def found(engine: Engine, work: Work) -> list[str]:
    """The patterns that are found in what `work` sends."""
    return [each.pattern for each in judge(RULE, engine, work) if isinstance(each, Antipattern)]


def ids(cases: list[tuple[str, str, Work]]) -> list[str]:
    return [f"{each[0]}, {each[1]}" for each in cases]


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize(("pattern", "_", "work"), BAD, ids=ids(BAD))
def test_a_pattern_is_found(engine: Engine, pattern: str, _: str, work: Work) -> None:
    """And no other one with it, once for each statement or column that has it."""
    if pattern == "order_by_random" and engine.dialect.name == "mysql":
        work = run(select(Customer.name).order_by(func.rand()).limit(1))
    assert set(found(engine, work)) == {pattern}


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize("work", [each[1] for each in CLEAN], ids=[each[0] for each in CLEAN])
def test_a_clean_twin_is_left_alone(engine: Engine, work: Work) -> None:
    """What looks like a pattern and is none."""
    assert found(engine, work) == []
