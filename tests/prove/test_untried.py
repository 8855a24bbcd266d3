"""Where a second run would say nothing, or do harm, it is left out, and one sentence says why."""

from __future__ import annotations

import pytest

from tests.plugin.suites import Suite

from .test_proofs import prove

WALK = "[each.items for each in session.scalars(select(Order))]"
WIDE = """
        @pytest.fixture(scope="module")
        def engine(tmp_path_factory):
            engine = connect(f"sqlite:///{tmp_path_factory.mktemp('wide')}/shop.db")
            yield engine
            engine.dispose()

        @pytest.fixture
        def wide(engine):
            with Session(engine) as session:
                yield session
"""
REASONS = {
    "failing": (
        f"""
        def test_work(session):
            {WALK}
            assert False
        """,
        "the test does not pass",
    ),
    "failing teardown": (
        f"""
        @pytest.fixture
        def last():
            yield
            assert False
        def test_work(last, session):
            {WALK}
        """,
        "the test does not pass",
    ),
    "expected to fail": (
        f"""
        @pytest.mark.xfail(strict=False)
        def test_work(session):
            {WALK}
        """,
        "the test is expected to fail",
    ),
    "examples": (
        f"""
        from hypothesis import HealthCheck, given, settings, strategies
        @settings(suppress_health_check=list(HealthCheck), max_examples=2, deadline=None)
        @given(strategies.integers())
        def test_work(session, number):
            session.expunge_all()
            {WALK}
        """,
        "Hypothesis would choose other examples",
    ),
    "JUnit": (
        f"""
        def test_work(session, record_testsuite_property):
            {WALK}
        """,
        "the test writes into the JUnit report",
    ),
    "subtests": (
        f"""
        import unittest
        class TestIt(unittest.TestCase):
            def test_work(self):
                with Session(connect()) as session, self.subTest("one"):
                    {WALK}
        """,
        "its subtests would be reported twice",
    ),
    "rows left behind": (
        f"""
        {WIDE}
        def test_work(wide):
            session = wide
            session.add(Order(customer=Customer(bio="b")))
            session.commit()
            {WALK}
        """,
        "the test commits to customer, orders, and a second run would meet what it left",
    ),
    "state in the module": (
        f"""
        runs = []
        def test_work(session):
            runs.append(1)
            assert len(runs) == 1
            {WALK}
        """,
        "the test does not pass a second time: AssertionError in its call",
    ),
    "another second run": (
        f"""
        runs = []
        def test_work(session):
            runs.append(1)
            if len(runs) > 1:
                session.scalars(select(Customer.id)).all()
            {WALK}
        """,
        "a second run is another one: 1 select statements instead of 0 at QUERY",
    ),
    "fewer rows": (
        """
        runs = []
        def test_work(session):
            runs.append(1)
            [each.items for each in session.scalars(select(Order).limit(5 - len(runs)))]
        """,
        "a second run is another one: 2 rows instead of 4 at QUERY",
    ),
    "a query that is not sent again": (
        f"""
        runs = []
        def test_work(session):
            runs.append(1)
            if len(runs) == 1:
                {WALK}
        """,
        "a second run is another one: 0 queries instead of 1 at QUERY",
    ),
    "expired rows": (
        """
        def test_work(session):
            orders = session.scalars(select(Order)).all()
            session.commit()
            [each.customer_id for each in orders]
        """,
        "no loader option keeps instances from being loaded again",
    ),
    "look-ups in Core": (
        """
        def ask(session, number):
            return session.execute(select(Order.id).where(Order.id == number)).all()
        def work(session):
            for number in range(1, 4):
                ask(session, number)
        def test_work(session):
            work(session)
        """,
        "a loop of look-ups is cured by another query, not by a loader option",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REASONS.values(), ids=REASONS)
def test_what_is_not_tried_says_why(suite: Suite, body: str, reason: str) -> None:
    (said,) = set(prove(suite, body, passes=False))
    assert said == f"untried: not tried: {reason}"


PROVEN = {
    "a rollback takes the rows back": """
        @pytest.fixture
        def session(engine):
            with engine.connect() as connection, connection.begin() as transaction:
                with Session(connection, join_transaction_mode="rollback_only") as session:
                    yield session
                transaction.rollback()
        def test_work(session):
            session.add(Order(customer=Customer(bio="b")))
            session.commit()
            assert len(%s) == 6
    """,
    "a fixture empties the tables": """
        @pytest.fixture
        def session(engine):
            with Session(engine) as session:
                fill(session)
                session.commit()
                yield session
            with engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    connection.execute(table.delete())
        @pytest.fixture(scope="module")
        def engine():
            engine = connect()
            with engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    connection.execute(table.delete())
            return engine
        def test_work(session):
            assert len(%s) == 5
    """,
    "only wider fixtures commit": """
        @pytest.fixture(scope="module")
        def more(engine):
            with Session(engine) as session:
                session.add(Order(customer=Customer(bio="b")))
                session.commit()
        def test_work(more, wide):
            session = wide
            assert len(%s) == 6
    """,
    "the database is the test's own": """
        def test_work(tmp_path):
            with Session(connect(f"sqlite:///{tmp_path}/own.db")) as session:
                session.add(Order(customer=Customer(bio="b")))
                session.commit()
                assert len(%s) == 6
    """,
    "the database lives in memory": """
        def test_work():
            with Session(connect()) as session:
                session.add(Order(customer=Customer(bio="b")))
                session.commit()
                assert len(%s) == 6
    """,
}


LAST = """
        def test_after(engine):
            with Session(engine) as session:
                session.scalars(select(Customer.id)).all()
"""


@pytest.mark.parametrize("body", PROVEN.values(), ids=PROVEN)
def test_what_is_taken_back_may_be_tried(suite: Suite, body: str) -> None:
    (said,) = prove(suite, WIDE + (body % WALK) + LAST)
    assert said.startswith("proven: "), said
