"""`--querybudget-prove`: a test with an N+1 is run once more with the option that cures it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.plugin.suites import RERUNS, Outcome, Suite

MODELS = """
import pytest
from sqlalchemy import ForeignKey, create_engine, select, update
from sqlalchemy.orm import *
from sqlalchemy.pool import StaticPool

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    bio: Mapped[str] = mapped_column(deferred=True)

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship()
    items: Mapped[list["Item"]] = relationship(back_populates="order")

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="items")
    parts: Mapped[list["Part"]] = relationship()

class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))

class Node(Base):
    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    children: Mapped[list["Node"]] = relationship()

class Animal(Base):
    __tablename__ = "animal"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

class Dog(Animal):
    __tablename__ = "dog"
    id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
    name: Mapped[str]
    toys: Mapped[list["Toy"]] = relationship()
    __mapper_args__ = {"polymorphic_identity": "dog"}

class Toy(Base):
    __tablename__ = "toy"
    id: Mapped[int] = mapped_column(primary_key=True)
    dog_id: Mapped[int] = mapped_column(ForeignKey("dog.id"))

def fill(session):
    for number in range(1, 6):
        items = [Item(parts=[Part()]) for _ in range(2)]
        session.add(Order(customer=Customer(bio="b"), items=items))
    root = Node(id=1, children=[Node(children=[Node(), Node()]) for _ in range(2)])
    session.add_all([root, *(Dog(name="d", toys=[Toy()]) for _ in range(3))])

def connect(url="sqlite://"):
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
        session.commit()
    return engine

@pytest.fixture
def session():
    engine = connect()
    with Session(engine) as session:
        yield session
    engine.dispose()
"""


def proofs(outcome: Outcome) -> list[dict[str, Any]]:
    """What was tried, of all tests, the reasons first."""
    found = [each["proof"] for test in outcome.report["tests"] for each in test["findings"] if each["proof"]]
    return sorted(found, key=lambda each: (each["after"] is not None, -int(each["after"] or 0)))


def prove(suite: Suite, body: str, *arguments: str, subprocess: bool = False, passes: bool = True) -> list[str]:
    """Run one test, and return the verdict and text of each proof."""
    outcome = suite.run(body, "--querybudget-prove", *arguments, head=MODELS, subprocess=subprocess)
    assert not passes or set(outcome.counts) == {"passed"}, outcome.text
    assert not outcome.problems, outcome.problems
    return [f"{each['verdict']}: {re.sub(r'test_it.py:[0-9]+', 'QUERY', each['text'])}" for each in proofs(outcome)]


WALKS = {
    "a collection": (
        "[len(each.items) for each in session.scalars(select(Order))]",
        ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"],
    ),
    "one object": (
        "[each.customer.id for each in session.scalars(select(Order))]",
        ["proven: 6 queries -> 1 with joinedload(Order.customer) at QUERY"],
    ),
    "a nested path": (
        "[item.parts for each in session.scalars(select(Order).options(selectinload(Order.items))) for item in each.items]",
        ["proven: 12 queries -> 3 with defaultload(Order.items).selectinload(Item.parts) at QUERY"],
    ),
    "a path through a join": (
        "[each.order.customer.id for each in session.scalars(select(Item).options(joinedload(Item.order)))]",
        ["proven: 6 queries -> 1 with defaultload(Item.order).joinedload(Order.customer) at QUERY"],
    ),
    "a join under an IN list": (
        "[each.order.customer.id for each in session.scalars(select(Item).options(selectinload(Item.order)))]",
        ["proven: 7 queries -> 2 with defaultload(Item.order).joinedload(Order.customer) at QUERY"],
    ),
    "a legacy query": (
        "[len(each.items) for each in session.query(Order).all()]",
        ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"],
    ),
    "a deferred column": (
        "[each.bio for each in session.scalars(select(Customer))]",
        ["proven: 6 queries -> 1 with undefer(Customer.bio) at QUERY"],
    ),
    "a deferred column of what was joined": (
        "[each.customer.bio for each in session.scalars(select(Order).options(joinedload(Order.customer)))]",
        ["proven: 6 queries -> 1 with defaultload(Order.customer).undefer(Customer.bio) at QUERY"],
    ),
    "columns of a subclass": (
        "[each.name for each in session.scalars(select(Animal))]",
        ["proven: 4 queries -> 2 with selectin_polymorphic(Animal, [Dog]) at QUERY"],
    ),
    "a relationship of a subclass": (
        "[len(each.toys) for each in session.scalars(select(Animal))]",
        [
            "proven: 4 queries -> 3 with selectin_polymorphic(Animal, [Dog]), selectinload(Dog.toys) at QUERY",
        ],
    ),
    "a tree": (
        "walk(session.scalars(select(Node).where(Node.id == 1)).one())",
        ["proven: 8 queries -> 4 with selectinload(Node.children, recursion_depth=-1) at QUERY"],
    ),
    "an alias": (
        "[len(each.items) for each in session.scalars(select(Alias))]",
        ["proven: 6 queries -> 2 with selectinload(alias_of_Order.items) at QUERY"],
    ),
    "rows of several entities": (
        "[len(order.items) for order, _ in session.execute(select(Order, Customer).join(Order.customer))]",
        ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"],
    ),
    "what an update returns": (
        "[len(each.items) for each in session.scalars(update(Order).values(customer_id=1).returning(Order)).all()]",
        ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"],
    ),
    "a loop of look-ups": (
        "[session.get(Customer, each).id for each in range(1, 5)]",
        ["untried: not tried: a loop of look-ups is cured by another query, not by a loader option"],
    ),
}


@pytest.mark.parametrize(("walk", "said"), WALKS.values(), ids=WALKS)
def test_the_option_that_is_printed_is_tried(suite: Suite, walk: str, said: list[str]) -> None:
    body = f"""
        Alias = aliased(Order)
        def walk(node):
            return [walk(each) for each in node.children]
        def work(session):
            return {walk}
        def test_work(session):
            work(session)
    """
    assert prove(suite, body) == said


@pytest.mark.parametrize(("lazy", "path"), [("joined", "defaultload"), ("select", "selectinload")])
def test_a_path_goes_through_what_the_mapping_always_joins(suite: Suite, lazy: str, path: str) -> None:
    """A lazy load that brings a collection with it, by `lazy="joined"`, is two steps of the path; its twin is the same."""
    body = f"""
        class Box(Base):
            __tablename__ = "box"
            id: Mapped[int] = mapped_column(primary_key=True)
            lids: Mapped[list["Lid"]] = relationship(lazy="{lazy}")

        class Lid(Base):
            __tablename__ = "lid"
            id: Mapped[int] = mapped_column(primary_key=True)
            box_id: Mapped[int] = mapped_column(ForeignKey("box.id"))
            marks: Mapped[list["Mark"]] = relationship()

        class Mark(Base):
            __tablename__ = "mark"
            id: Mapped[int] = mapped_column(primary_key=True)
            lid_id: Mapped[int] = mapped_column(ForeignKey("lid.id"))

        class Shipment(Base):
            __tablename__ = "shipment"
            id: Mapped[int] = mapped_column(primary_key=True)
            box_id: Mapped[int] = mapped_column(ForeignKey("box.id"))
            box: Mapped[Box] = relationship()

        @pytest.fixture
        def shipped(session):
            session.add(Shipment(box=Box(lids=[Lid(marks=[Mark()]) for _ in range(3)])))
            session.commit()
            session.expunge_all()
            return session

        def test_it(shipped):
            shipment = shipped.scalars(select(Shipment)).one()
            assert [len(lid.marks) for lid in shipment.box.lids] == [1, 1, 1]
    """
    box = "selectinload" if lazy == "joined" else "joinedload"
    queries = "5 queries -> 3" if lazy == "joined" else "6 queries -> 3"
    option = f"{box}(Shipment.box).{path}(Box.lids).selectinload(Lid.marks)"
    assert prove(suite, body) == [f"proven: {queries} with {option} at QUERY"]


# A person's home and work are addresses, joined by the mapping; so is an address's street, and the street's signs.
JOINED_MODELS = """
        class Street(Base):
            __tablename__ = "street"
            id: Mapped[int] = mapped_column(primary_key=True)
            stones: Mapped[list["Stone"]] = relationship()

        class Stone(Base):
            __tablename__ = "stone"
            id: Mapped[int] = mapped_column(primary_key=True)
            street_id: Mapped[int] = mapped_column(ForeignKey("street.id"))

        class Address(Base):
            __tablename__ = "address"
            id: Mapped[int] = mapped_column(primary_key=True)
            street_id: Mapped[int] = mapped_column(ForeignKey("street.id"))
            street: Mapped[Street] = relationship(lazy="joined")
            notes: Mapped[list["Note"]] = relationship()

        class Note(Base):
            __tablename__ = "note"
            id: Mapped[int] = mapped_column(primary_key=True)
            address_id: Mapped[int] = mapped_column(ForeignKey("address.id"))

        class Person(Base):
            __tablename__ = "person"
            id: Mapped[int] = mapped_column(primary_key=True)
            home_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
            work_id: Mapped[int] = mapped_column(ForeignKey("address.id"))
            boss_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
            home: Mapped[Address] = relationship(foreign_keys=home_id, lazy="joined")
            work: Mapped[Address] = relationship(foreign_keys=work_id, lazy={work})
            rings: Mapped[list["Ring"]] = relationship(lazy="joined")

        class Ring(Base):
            __tablename__ = "ring"
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))

        class Visit(Base):
            __tablename__ = "visit"
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
            person: Mapped[Person] = relationship()

        @pytest.fixture
        def visits(session):
            def address():
                return Address(street=Street(stones=[Stone()]), notes=[Note()])
            for _ in range(4):
                session.add(Visit(person=Person(home=address(), work=address(), rings=[Ring(), Ring()])))
            session.commit()
            session.expunge_all()
            return session
"""
STONES = "defaultload(Person.home).defaultload(Address.street).selectinload(Street.stones)"
JOINED_WALKS = {
    "two hops that are always joined": (
        "select",
        "[each.home.street.stones for each in visits.scalars(select(Person)).unique()]",
        [
            "proven: 5 queries -> 2 with defaultload(Person.home).defaultload(Address.street).selectinload(Street.stones)"
        ],
    ),
    "two such hops behind a lazy one": (
        "select",
        "[each.person.home.street.stones for each in visits.scalars(select(Visit))]",
        [
            "proven: 9 queries -> 6 with selectinload(Visit.person); 3 with the 2 cures of this test together",
            f"proven: 9 queries -> 3 with selectinload(Visit.person).{STONES}; 3 with the 2 cures of this test together",
        ],
    ),
    "what brings a collection with it is not joined": (
        "select",
        "[each.person.id for each in visits.scalars(select(Visit))]",
        ["proven: 5 queries -> 2 with selectinload(Visit.person)"],
    ),
    "two ways to one class": (
        "joined",
        "[each.work.notes for each in visits.scalars(select(Person)).unique()]",
        ["untried: not tried: the way from the query to what was loaded is not to be seen"],
    ),
}


@pytest.mark.parametrize(("work", "walk", "said"), JOINED_WALKS.values(), ids=JOINED_WALKS)
def test_a_way_through_what_is_joined_is_known_or_not_named(
    suite: Suite, work: str, walk: str, said: list[str]
) -> None:
    body = f"""
        {JOINED_MODELS.replace("{work}", repr(work)).lstrip()}
        def test_it(visits):
            {walk}
    """
    assert [each.replace(" at QUERY", "") for each in prove(suite, body)] == said


def test_findings_of_one_test_are_tried_alone_and_together(suite: Suite) -> None:
    body = """
        def work(session):
            for order in session.scalars(select(Order)).all():
                order.customer.id, [item.parts for item in order.items]
        def test_work(session):
            work(session)
    """
    assert prove(suite, body) == [
        f"proven: 21 queries -> {alone} at QUERY; 3 with the 3 cures of this test together"
        for alone in (
            "17 with selectinload(Order.items)",
            "16 with joinedload(Order.customer)",
            "8 with selectinload(Order.items).selectinload(Item.parts)",
        )
    ]


def test_only_the_query_of_the_same_callers_is_changed(suite: Suite) -> None:
    """A line that all queries of an application go through is no place to add an option for each of them."""
    body = """
        def fetch(session, statement):
            return session.scalars(statement).all()
        def wasteful(session):
            return [len(each.items) for each in fetch(session, select(Order))]
        def plain(session):
            return len(fetch(session, select(Order).order_by(Order.id)))
        def test_work(session):
            wasteful(session)
            session.expunge_all()
            plain(session)
    """
    assert prove(suite, body) == ["proven: 7 queries -> 3 with selectinload(Order.items) at QUERY"]


@pytest.mark.parametrize(
    ("head", "block", "mode"),
    [
        ("@pytest.mark.max_queries(6, exact=True)", "if True:", "strict"),
        ("", 'with query_budget(max_queries={"n": 6, "exact": True}):', "report"),
    ],
    ids=["marker", "block"],
)
def test_a_second_run_is_held_to_nothing(suite: Suite, head: str, block: str, mode: str) -> None:
    """A budget that fails the test is no failure of its own, and one that fits does not fit what is cured."""
    body = f"""
        {head or "# no marker"}
        def test_work(session, query_budget):
            {block}
                [len(each.items) for each in session.scalars(select(Order))]
    """
    said = ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"]
    assert prove(suite, body, f"--querybudget={mode}", passes=mode == "report") == said


ASYNC = """
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    @pytest.fixture
    async def asession(tmp_path):
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            await session.run_sync(fill)
            await session.commit()
        async with AsyncSession(engine) as session:
            yield session
        await engine.dispose()

    async def work(session):
        orders = await session.scalars(select(Order))
        def walk(_):
            return [len(each.items) for each in orders]
        return await session.run_sync(walk)

    async def test_work(asession):
        await work(asession)
"""

APP = """
    from fastapi import Depends, FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()
    def get_session():
        raise NotImplementedError

    @app.get("/orders")
    def orders(session: Session = Depends(get_session)):
        return [len(each.items) for each in session.scalars(select(Order))]

    @pytest.fixture
    def client(session):
        app.dependency_overrides[get_session] = lambda: session
        with TestClient(app) as client:
            yield client
        app.dependency_overrides.clear()

    def test_work(client):
        assert client.get("/orders").json() == [2] * 5
"""

CLASS = """
    import unittest

    class TestWork(unittest.TestCase):
        def setUp(self):
            self.engine = connect()
            self.session = Session(self.engine)
        def tearDown(self):
            self.session.close()
            self.engine.dispose()
        def test_work(self):
            assert [len(each.items) for each in self.session.scalars(select(Order))] == [2] * 5
"""


@pytest.mark.parametrize("body", [ASYNC, APP, CLASS], ids=["async", "fastapi", "unittest"])
@pytest.mark.parametrize("arguments", [(), ("-n", "2"), (*RERUNS, "--reruns", "1")], ids=["alone", "xdist", "reruns"])
def test_any_kind_of_test_in_any_kind_of_run(suite: Suite, body: str, arguments: tuple[str, ...]) -> None:
    said = prove(suite, body, *arguments, subprocess="-n" in arguments)
    assert said == ["proven: 6 queries -> 2 with selectinload(Order.items) at QUERY"]


def test_the_summary_says_it(suite: Suite) -> None:
    body = "def test_work(session):\n    [each.items for each in session.scalars(select(Order))]\n"
    text = suite.run(body, "--querybudget-prove", head=MODELS).text
    assert re.search(r"\n    6 queries -> 2 with selectinload\(Order.items\) at test_it.py:\d+ \(proven\)\n", text)
    assert "Add .options" not in text


def test_what_fails_has_its_proof_in_the_summary_and_the_reports(suite: Suite) -> None:
    """The text of a failure is printed before anything can be tried: the cure stands there, and the proof below."""
    body = "def test_work(session):\n    [each.items for each in session.scalars(select(Order))]\n"
    outcome = suite.run(body, "--querybudget-prove", "--querybudget=strict", "-vv", head=MODELS)
    failure, _, summary = outcome.text.rpartition(" query budget ")
    assert outcome.counts == {"failed": 1}
    assert "Add .options(selectinload(Order.items)) to the query at" in failure
    assert re.search(r"\nF no_n_plus_one Order.items x5 at test_it.py:\d+ in 1 test\n    6 queries -> 2 with", summary)
    (finding,) = outcome.tests["test_work"]["findings"]
    assert finding["failed"] and finding["proof"]["verdict"] == "proven"


def test_a_cure_that_breaks_the_test_is_refuted(suite: Suite) -> None:
    body = """
        from sqlalchemy import event
        def test_work(session):
            sent = []
            event.listen(session, "do_orm_execute", lambda state: sent.append(1))
            [each.items for each in session.scalars(select(Order))]
            assert len(sent) == 6
    """
    (said,) = prove(suite, body)
    assert said == (
        "refuted: the test fails with selectinload(Order.items) at QUERY, and passes without: AssertionError in its call"
    )
    assert "(refuted)" in suite.run("", "--querybudget-prove").text


def test_a_cure_that_saves_nothing_is_refuted(suite: Suite) -> None:
    """An option cannot keep out of the session what the code throws out of it."""
    body = """
        def test_work(session):
            for order in session.scalars(select(Order)).all():
                session.expire(order, ["items"])
                order.items
    """
    assert prove(suite, body) == ["refuted: 6 queries -> 7 with selectinload(Order.items) at QUERY"]


@pytest.mark.parametrize(
    "broken", ["sqlalchemy.orm.ORMExecuteState.is_column_load", "_pytest.python.Function._initrequest"]
)
def test_internals_that_moved_cost_one_warning(suite: Suite, broken: str) -> None:
    """Everything else works as before."""
    holder, _, name = broken.rpartition(".")
    suite.write(
        "conftest.py",
        f"""
        import importlib
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logfinish():
            module, _, owner = {holder!r}.rpartition(".")
            owner = getattr(importlib.import_module(module), owner)
            if {name!r} in vars(owner):
                delattr(owner, {name!r})
        """,
    )
    body = """
        def test_one(session):
            [each.items for each in session.scalars(select(Order))]
        def test_two(session):
            [each.items for each in session.scalars(select(Order))]
    """
    outcome = suite.run(body, "--querybudget-prove", head=MODELS, subprocess=True)
    assert outcome.code == 0, outcome.text
    assert outcome.found("test_one") == ["no_n_plus_one"]
    assert len([each for each in outcome.problems if each.startswith("not-tried")]) == 1, outcome.problems
