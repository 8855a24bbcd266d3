"""Unbounded results and exploding joins, each with its clean twins, on real databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, and_, exists, func, not_, or_, select, text, union_all
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from pytest_querybudget.rules.base import OptionError
from pytest_querybudget.rules.no_row_explosion import NoRowExplosion
from pytest_querybudget.rules.no_unbounded_selects import NoUnboundedSelects
from tests.rules.shapes.shop import Address, Card, Customer, Line, Order, Profile, Region, Tag, judge

DAY = date(2026, 1, 1)
Work = Callable[[Session], object]


def run(*statements: object) -> Work:
    """Send statements and fetch all rows of each."""

    def work(session: Session) -> object:
        return [session.execute(text(each) if isinstance(each, str) else each).all() for each in statements]  # type: ignore[call-overload]

    return work


def load(statement: object) -> Work:
    """Load entities."""
    return lambda session: session.scalars(statement).unique().all()  # type: ignore[call-overload]


PAGE = select(Customer.id).order_by(Customer.id).limit(2)
SHOWN = PAGE.subquery()
CHOSEN = select(Customer.id).where(Customer.id.in_([1, 2])).cte()
OF_CHOSEN = select(Order.id, Order.customer_id).where(Order.customer_id.in_([1, 2])).cte()
LATEST = select(Order.customer_id, func.max(Order.id).label("last")).group_by(Order.customer_id)
OF_ALL, OF_SOME = LATEST.subquery(), LATEST.where(Order.customer_id.in_([1, 2])).subquery()
PLACE = func.row_number().over(order_by=Order.id).label("place")
PLACED = select(Order.id, PLACE).subquery()
ONE_REGION = select(Customer.id).where(Customer.email == "e1@x.org")
OTHER = aliased(Address)
OPEN, SENT = aliased(Order), aliased(Order)

UNBOUNDED: list[tuple[str, Work]] = [
    ("everything", load(select(Customer))),
    ("core", run(select(Customer.__table__))),
    ("text", run("SELECT id, name FROM customer")),
    ("of one parent", run(select(Order.id).where(Order.customer_id == 1))),
    ("ordered", run(select(Order.id).order_by(Order.id.desc()))),
    ("by a range with one end", run(select(Order.id).where(Order.placed >= DAY))),
    ("after a key", run(select(Order.id).where(Order.id > 2))),
    ("by a list of states", run(select(Order.id).where(Order.status.in_(["open", "sent"])))),
    ("but not these", run(select(Order.id).where(Order.id.not_in([1, 2])))),
    ("one of two keys", run(select(Order.id).where((Order.id == 1) | (Order.status == "open")))),
    ("joined", run(select(Order.id, Customer.name).join(Order.customer))),
    ("joined with its one parent", run(select(Order.id).join(Order.customer).where(Customer.id == 1))),
    ("joined eagerly", load(select(Customer).options(joinedload(Customer.orders)))),
    ("in a subquery", run(select(select(Order.id, Order.total).subquery().c.id))),
    ("a union", run(union_all(select(Customer.name), select(Region.name)))),
    ("distinct keys", run(select(Customer.id).distinct())),
    ("by what exists", run(select(Customer.id).where(exists().where(Order.customer_id == Customer.id)))),
    ("by an unbounded subquery", run(select(Customer.id).where(Customer.id.in_(select(Order.customer_id))))),
    ("partly of a unique key", run(select(Customer.id).where(Customer.region_id == 1))),
    ("a key or a name", run(select(Order.id).where(or_(Order.id == 1, Order.id.in_([2]), Order.total >= 0)))),
    ("a key, or what is no comparison", run("SELECT id FROM orders WHERE id = 1 OR coalesce(status, '') <> ''")),
    ("not one of two keys", run(select(Order.id).where(not_(or_(Order.id == 1, Order.id == 2))))),
    ("of the one parent of a subquery", run(select(Order.id).where(Order.customer_id.in_(ONE_REGION)))),
    ("beside figures by group", run(select(Order.id, OF_ALL.c.last).join(OF_ALL, OF_ALL.c.customer_id == Order.customer_id))),
    ("beside a list of what may be joined", run(
        select(Customer.id, Order.id).outerjoin(Order, and_(Order.customer_id == Customer.id, Order.id.in_([1, 2]))))),
    ("after a place", run(select(PLACED.c.id).where(PLACED.c.place > 3))),
]  # fmt: skip

BOUNDED: list[tuple[str, Work]] = [
    ("a page", run(PAGE)),
    ("one row", load(select(Customer).where(Customer.id == 1))),
    ("one row of many", run(select(Order.id).where(Order.id == 1, Order.status == "open"))),
    ("get", lambda session: session.get(Customer, 1)),
    ("a list of keys", load(select(Customer).where(Customer.id.in_([1, 2, 3])))),
    ("a list of unique values", run(select(Customer.id).where(Customer.email.in_(["e1@x.org", "e2@x.org"])))),
    ("a list of parents", run(select(Order.id).where(Order.customer_id.in_([1, 2])))),
    ("a list, as text", run("SELECT id FROM orders WHERE customer_id IN (1, 2)")),
    ("a list of names as long as its rows", run(select(Customer.id).where(Customer.name.in_(["n1", "n2"])))),
    ("pairs of keys", run("SELECT id FROM customer WHERE (region_id, number) IN ((1, 2), (2, 3))")),
    ("both columns of a key", run(select(Customer.id).where(Customer.region_id == 2, Customer.number.in_([1, 3])))),
    ("the keys of a page", run(select(Customer.name).where(Customer.id.in_(select(PAGE.subquery().c.id))))),
    ("joined to a page", load(select(Customer).options(joinedload(Customer.orders)).order_by(Customer.id).limit(2))),
    ("the collection of one", load(select(Customer).where(Customer.id == 1).options(joinedload(Customer.orders)))),
    ("the collections of some", load(select(Customer).where(Customer.id.in_([1, 2])).options(joinedload(Customer.orders)))),
    ("to the one parent of each key", run(select(Order.id, Customer.name).join(Order.customer).where(Order.id.in_([1, 2])))),
    ("lazy loads", lambda session: [each.orders for each in session.scalars(select(Customer).order_by(Customer.id).limit(3))]),
    ("selectin", load(select(Customer).options(selectinload(Customer.orders)).order_by(Customer.id).limit(3))),
    ("a count", run(select(func.count()).select_from(Order))),
    ("figures by group", run(select(Order.status, func.count()).group_by(Order.status))),
    ("distinct states", run(select(Order.status).distinct())),
    ("a day", run(select(Order.id).where(Order.placed >= DAY, Order.placed < DAY + timedelta(days=1)))),
    ("a chunk of keys", run(select(Order.id).where(Order.id.between(1, 5)))),
    ("only the first is fetched", lambda session: session.scalars(select(Customer).where(Customer.id == 1)).first()),
    ("no rows", run(select(Customer.id).where(Customer.name == "nobody"))),
    ("one row came", run(select(Customer.id).where(Customer.name == "n1"))),
    ("pages of both", run(union_all(select(PAGE.subquery().c.id), select(Region.id).where(Region.id == 1)))),
    ("one key or another", run(select(Order.id).where(or_(Order.id == 1, Order.id == 2)))),
    ("pairs of columns", run(select(Customer.id).where(or_(
        and_(Customer.region_id == 2, Customer.number == 1), and_(Customer.region_id == 2, Customer.number == 3))))),
    ("one list or another", run(select(Order.id).where(or_(Order.customer_id.in_([1]), Order.id.in_([4, 5]))))),
    ("one key or another, as text", run("SELECT id FROM orders WHERE (id = 1 OR id = 2) AND total >= 0")),
    ("children of a page", run(select(Order.id, SHOWN.c.id).join(SHOWN, SHOWN.c.id == Order.customer_id))),
    ("a page with its children", run(select(Order.id).select_from(SHOWN).join(Order, SHOWN.c.id == Order.customer_id))),
    ("joined to a list in a CTE", run(select(Order.id).join(CHOSEN, CHOSEN.c.id == Order.customer_id))),
    ("in a list in a CTE", run(select(Order.id).where(Order.customer_id.in_(select(CHOSEN.c.id))))),
    ("children of a list in a CTE", run(select(OF_CHOSEN.c.id))),
    ("the last of a list", run(select(Order.id, OF_SOME.c.last).join(OF_SOME, OF_SOME.c.customer_id == Order.customer_id))),
    ("children of parents that exist in a list", run(select(Order.id).where(Order.customer.has(Customer.id.in_([1, 2]))))),
    ("the first by their place", run(select(PLACED.c.id).where(PLACED.c.place <= 5))),
    ("some places", run(select(PLACED.c.id).where(PLACED.c.place.between(2, 5)))),
    ("of one day", run(select(Order.id).where(Order.placed == DAY))),
    ("of one day, by a function", run(select(Order.id).where(func.date(Order.placed) == DAY))),
    ("a tree", run("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n FROM t")),
]  # fmt: skip


@pytest.mark.parametrize("work", [each[1] for each in UNBOUNDED], ids=[each[0] for each in UNBOUNDED])
def test_a_result_that_grows_with_its_table_is_found(engine: Engine, work: Work) -> None:
    """Once, with the number of rows that were fetched."""
    (finding,) = judge(NoUnboundedSelects(), engine, work)
    assert "without a LIMIT" in finding.message
    assert ".limit(...)" in (finding.fix or "")


@pytest.mark.parametrize("work", [each[1] for each in BOUNDED], ids=[each[0] for each in BOUNDED])
def test_a_bounded_result_is_left_alone(engine: Engine, work: Work) -> None:
    """Whatever keeps its rows from growing."""
    assert judge(NoUnboundedSelects(), engine, work) == []


@pytest.mark.parametrize(
    ("engine", "day"),
    [
        ("sqlite", "strftime('%Y-%m-%d', placed) = '2026-01-01'"),
        ("postgresql", "date_trunc('day', placed) = '2026-01-01'"),
        ("mariadb", "DATE(placed) = '2026-01-01'"),
    ],
    indirect=["engine"],
)
def test_the_rows_of_one_day_are_left_alone(engine: Engine, day: str) -> None:
    """By the function that each database has for it."""
    assert judge(NoUnboundedSelects(), engine, run(f"SELECT id FROM orders WHERE {day}")) == []


def test_the_cure_names_the_key_of_the_entity(engine: Engine) -> None:
    """In the words of the model."""
    (finding,) = judge(NoUnboundedSelects(), engine, load(select(Order).where(Order.customer_id == 1)))
    assert ".order_by(Order.id).limit(...)" in (finding.fix or "")
    assert ".where(Order.id > last)" in (finding.fix or "")


def test_the_cure_of_an_ordered_result_keeps_its_order(engine: Engine) -> None:
    """What is there already is not told to be added."""
    (finding,) = judge(NoUnboundedSelects(), engine, load(select(Order).order_by(Order.total)))
    assert ".limit(...)" in (finding.fix or "")
    assert ".order_by(" not in (finding.fix or "")
    assert "last" not in (finding.fix or "")


def test_short_results_can_be_left_alone(engine: Engine) -> None:
    """`rows` is the least number of rows."""
    assert judge(NoUnboundedSelects(), engine, load(select(Customer)), rows=6)
    assert judge(NoUnboundedSelects(), engine, load(select(Customer)), rows=7) == []


EXPLODING: list[tuple[str, Work, str]] = [
    ("two collections", load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.addresses))),
     "selectinload(Customer.addresses)"),
    ("of one parent", load(select(Customer).where(Customer.id == 1).options(joinedload(Customer.orders), joinedload(Customer.addresses))),
     "selectinload(Customer.addresses)"),
    ("of a page", load(select(Customer).order_by(Customer.id).limit(2).options(joinedload(Customer.orders), joinedload(Customer.addresses))),
     "selectinload(Customer.addresses)"),
    ("one through a secondary table", load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.tags))),
     "selectinload(Customer.tags)"),
    ("beside a collection of a collection", load(select(Customer).options(joinedload(Customer.orders).joinedload(Order.lines), joinedload(Customer.addresses))),
     "selectinload(Customer.addresses)"),
    ("below a scalar", load(select(Order).options(joinedload(Order.lines), joinedload(Order.customer).joinedload(Customer.addresses))),
     "selectinload("),
    ("three", load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.addresses), joinedload(Customer.tags))),
     "selectinload(Customer.tags)"),
    ("core", run(select(Customer.id, Order.id, Address.id).join(Order).join(Address, Address.customer_id == Customer.id)), "EXISTS"),
    ("by where", run(select(Customer.id, Order.id, Address.id).where(Order.customer_id == Customer.id, Address.customer_id == Customer.id)), "EXISTS"),
    ("inner joins of the ORM", run(select(Customer).join(Customer.orders).join(Customer.addresses)), "EXISTS"),
]  # fmt: skip

CALM: list[tuple[str, Work]] = [
    ("one collection", load(select(Customer).options(joinedload(Customer.orders)))),
    ("a collection of a collection", load(select(Customer).options(joinedload(Customer.orders).joinedload(Order.lines)))),
    ("a collection and a scalar", load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.region)))),
    ("two that are one by mapping", load(select(Customer).options(joinedload(Customer.profile), joinedload(Customer.card)))),
    ("a collection and what is one by mapping", load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.profile)))),
    ("one joined, one apart", load(select(Customer).options(joinedload(Customer.orders), selectinload(Customer.addresses)))),
    ("one through a secondary table", load(select(Customer).options(joinedload(Customer.tags)))),
    ("from the many side", load(select(Order).options(joinedload(Order.customer).joinedload(Customer.region), joinedload(Order.lines)))),
    ("grouped", run(select(Customer.id, func.count()).join(Customer.orders).join(Customer.addresses).group_by(Customer.id))),
    ("distinct", run(select(Customer.id).join(Customer.orders).join(Customer.addresses).distinct())),
    ("counted", run(select(func.count()).select_from(Customer).join(Customer.orders).join(Customer.addresses))),
    ("exists", run(select(Customer.id).where(Customer.orders.any(), Customer.addresses.any()))),
    ("one row of each", run(select(Customer.id, Order.id, Address.id).join(Order, Order.customer_id == Customer.id).join(Address, Address.customer_id == Customer.id).where(Order.id == 1, Address.id == 1))),
    ("up and down", run(select(Order.id, Customer.name, Line.id).join(Order.customer).join(Order.lines))),
    ("two properties, each of one kind", run(
        select(Customer.id, OPEN.id, SENT.id)
        .join(OPEN, and_(OPEN.customer_id == Customer.id, OPEN.status == "open"))
        .join(SENT, and_(SENT.customer_id == Customer.id, SENT.status == "sent")))),
    ("a collection of what has one tag", run(select(Customer.id, Order.id).join(Customer.tags).join(Customer.orders).where(Tag.name == "t1"))),
    ("few rows", load(select(Customer).where(Customer.id == 99).options(joinedload(Customer.orders), joinedload(Customer.addresses)))),
    ("text of unknown tables", run("SELECT c.id FROM customer c LEFT JOIN profile p ON p.customer_id = c.id LEFT JOIN card k ON k.customer_id = c.id")),
]  # fmt: skip


@pytest.mark.parametrize(("work", "cure"), [each[1:] for each in EXPLODING], ids=[each[0] for each in EXPLODING])
def test_collections_side_by_side_are_found(engine: Engine, work: Work, cure: str) -> None:
    """With the loader option that loads one of them apart."""
    (finding,) = judge(NoRowExplosion(), engine, work)
    assert "side by side" in finding.message
    assert cure in (finding.fix or "")


@pytest.mark.parametrize("work", [each[1] for each in CALM], ids=[each[0] for each in CALM])
def test_rows_that_are_not_multiplied_are_left_alone(engine: Engine, work: Work) -> None:
    """One collection, one in another, and what is one by a key or by the mapping."""
    assert judge(NoRowExplosion(), engine, work) == []


def test_few_repetitions_can_be_left_alone(engine: Engine) -> None:
    """54 rows are 7 times 7, and not 8 times 8."""
    work = load(select(Customer).options(joinedload(Customer.orders), joinedload(Customer.addresses)))
    assert judge(NoRowExplosion(), engine, work, factor=7)
    assert judge(NoRowExplosion(), engine, work, factor=8) == []


@pytest.mark.parametrize(
    ("rule", "arguments", "keywords"),
    [
        (NoUnboundedSelects(), (5,), {}),
        (NoUnboundedSelects(), (), {"rows": 1}),
        (NoUnboundedSelects(), (), {"rows": "many"}),
        (NoUnboundedSelects(), (), {"row": 3}),
        (NoRowExplosion(), (), {"factor": 1}),
        (NoRowExplosion(), (), {"factor": -2}),
        (NoRowExplosion(), (), {"factor": "x"}),
        (NoRowExplosion(), ("x",), {}),
    ],
)
def test_options_that_mean_nothing_are_errors(
    rule: NoUnboundedSelects, arguments: tuple[object, ...], keywords: dict[str, object]
) -> None:
    """With the name of the rule and what it takes."""
    with pytest.raises(OptionError, match=rule.name):
        rule.parse(arguments, keywords)


_ = (Card, OTHER, Profile, Tag)
