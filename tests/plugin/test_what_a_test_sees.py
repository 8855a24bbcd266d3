"""A test sees itself, its subtests and its parameters as it would without the plugin."""

from __future__ import annotations

import pytest

from tests.plugin.suites import Suite

ITSELF = """
import inspect
import unittest
class TestSelf(unittest.TestCase):
    def test_method(self):
        method = getattr(self, self._testMethodName)
        assert inspect.ismethod(method)
        assert method.__self__ is self and method.__func__ is type(self).test_method
        assert method.__code__.co_name == "test_method" and method.__code__.co_filename == __file__
    def test_caller(self):
        callers = [each.filename for each in inspect.stack()[1:4]]
        assert all(each.endswith("case.py") for each in callers)
    def test_attributes(self):
        assert "subTest" not in vars(self)
        assert type(self).subTest.__name__ == "subTest" and list(inspect.signature(self.subTest).parameters)
    def test_inner(self):
        class Inner(unittest.TestCase):
            def test_it(self):
                with self.subTest(1):
                    self.assertEqual(1, 2)
        result = unittest.TestResult()
        Inner("test_it").run(result)
        [(_, text)] = result.failures
        assert "self.assertEqual(1, 2)" in text and "querybudget" not in text
class TestReturning(unittest.TestCase):
    @pytest.mark.filterwarnings("error", "ignore::DeprecationWarning:unittest.case")
    def test_it(self):
        return 1
class TestStatic(unittest.TestCase):
    @staticmethod
    def _callSetUp():
        pass
    @classmethod
    def _callTearDown(cls):
        pass
    def test_it(self):
        ask(1)
class Timed:
    def run(self, result=None):
        return super().run(result)
class TestTimed(Timed, unittest.TestCase):
    def test_method(self):
        assert inspect.ismethod(getattr(self, self._testMethodName))
class TestCleared(unittest.IsolatedAsyncioTestCase):
    def run(self, result=None):
        return getattr(unittest.IsolatedAsyncioTestCase, "run")(self, result)
    def tearDown(self):
        kept = {name: each for name, each in vars(self).items() if name.startswith("_") and not name.startswith("_call")}
        vars(self).clear()
        vars(self).update(kept)
    async def test_it(self):
        ask(1)
class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def test_method(self):
        assert inspect.ismethod(getattr(self, self._testMethodName))
        assert "subTest" not in vars(self)
class TestOther(unittest.TestCase):
    def test_it(self):
        assert unittest.TestCase.subTest.__wrapped__
"""

SUBTESTS = """
import datetime as dt
import unittest
from contextlib import ExitStack, contextmanager
from unittest import mock
class Runner:
    def test(self, name):
        return [name]
@pytest.fixture
def own():
    return Runner()
class TestSubTest(unittest.TestCase):
    def test_patched(self):
        with mock.patch.object(type(self), "subTest") as made:
            with self.subTest(a=1):
                pass
        made.assert_called_once_with(a=1)
    def test_started(self):
        type(self).patcher = mock.patch.object(unittest.TestCase, "subTest")
        type(self).made = self.patcher.start()
    def test_still_there(self):
        assert unittest.TestCase.subTest is self.made
        self.patcher.stop()
        with self.subTest(a=1):
            ask(1)
    def test_decorator(self):
        @self.subTest(a=1)
        def inner():
            return ask(1)
        inner()
    def test_stack(self):
        with ExitStack() as stack:
            stack.enter_context(self.subTest(a=1))
class TestOwn(unittest.TestCase):
    @contextmanager
    def subTest(self, *args, **kwargs):
        yield "value"
    def test_value(self):
        with self.subTest() as value:
            assert value == "value"
class TestCalling(unittest.TestCase):
    @contextmanager
    def subTest(self, name):
        with super().subTest(name):
            yield name
    def test_value(self):
        for each in "ab":
            with self.subTest(each) as value:
                assert value == each
class Bad:
    def __repr__(self):
        raise RuntimeError("never asked for where a subtest passes")
    __str__ = __repr__
class TestShown(unittest.TestCase):
    def test_bad(self):
        with self.subTest(bad=Bad(), several=[Bad()]):
            ask(1)
    def test_detached(self):
        with Session(engine) as session:
            customer = session.get(Customer, 1)
            session.expire(customer)
        type(customer).__repr__ = lambda self: self.name
        try:
            with self.subTest(customer=customer):
                pass
        finally:
            del type(customer).__repr__
def test_fixture(subtests):
    with subtests.test(bad=Bad()):
        pass
    class Lazy:
        @property
        def __class__(self):
            raise RuntimeError("there is no such thing yet")
    class Zone(dt.tzinfo):
        def utcoffset(self, when):
            raise RuntimeError("asked")
    for odd in (Lazy(), 10 ** 5000, dt.datetime(2020, 1, 1, tzinfo=Zone()), Bad()):
        with subtests.test(odd=odd):
            pass
    for method in (subtests.test,):
        assert method.__name__ == "test"
class TestTwice:
    @pytest.fixture
    def subtests(self):
        return Runner()
    def test_own_fixture(self, subtests):
        assert subtests.test("x") == ["x"]
"""

LAZY = """
evaluated = []
class Lazy:
    @property
    def __class__(self):
        evaluated.append(1)
        raise RuntimeError("there is no such thing yet")
def given(thing):
    def decorate(function):
        def wrapper():
            return function(thing)
        return wrapper
    return decorate
@given(Lazy())
def test_closure(thing):
    assert not evaluated
def test_parameter():
    held = Lazy()
    with engine.connect() as connection:
        for _ in range(3):
            with pytest.raises(Exception, match="not supported|probably unsupported"):
                connection.exec_driver_sql("SELECT ?", (held,))
    assert not evaluated
"""

ODD = """
import datetime as dt
import decimal
import sqlite3
class Zone(dt.tzinfo):
    def utcoffset(self, when):
        raise RuntimeError("asked")
@pytest.mark.parametrize("value", [decimal.Decimal("sNaN"), dt.datetime(2020, 1, 1, tzinfo=Zone())])
@pytest.mark.max_queries(3)
def test_parameter(value):
    sqlite3.register_adapter(type(value), repr)
    with engine.connect() as connection:
        for _ in range(3):
            connection.exec_driver_sql("SELECT ?", (value,)).all()
@pytest.mark.max_queries(3)
def test_list():
    sqlite3.register_adapter(decimal.Decimal, repr)
    from sqlalchemy import bindparam
    statement = text("SELECT id FROM customer WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(statement, {"ids": [decimal.Decimal("sNaN"), 2]}).all()
def test_row():
    sqlite3.register_converter("signaling", lambda value: decimal.Decimal("sNaN"))
    from sqlalchemy import create_engine
    own = create_engine("sqlite://", connect_args={"detect_types": sqlite3.PARSE_COLNAMES})
    with own.connect() as connection:
        for fetch in ("one", "all", "first"):
            getattr(connection.exec_driver_sql('SELECT 1 AS "a [signaling]"'), fetch)()
def test_lazy_row():
    class Lazy:
        @property
        def __class__(self):
            raise RuntimeError("there is no such thing yet")
    sqlite3.register_converter("lazy", lambda value: Lazy())
    from sqlalchemy import create_engine
    own = create_engine("sqlite://", connect_args={"detect_types": sqlite3.PARSE_COLNAMES})
    with own.connect() as connection:
        for fetch in ("one", "all", "first", "fetchone", "scalar"):
            getattr(connection.exec_driver_sql('SELECT 1 AS "a [lazy]"'), fetch)()
"""


@pytest.mark.parametrize("body", [ITSELF, SUBTESTS, LAZY, ODD], ids=["itself", "subtests", "lazy", "odd"])
def test_it_passes_as_without(suite: Suite, body: str) -> None:
    """Nothing fails, nothing is sent, nothing is evaluated, and the plugin has no fault."""
    done = suite.run(body)
    assert set(done.counts) == {"passed"}
    assert done.problems == []
    assert done.code == 0


def test_subtests_are_named_by_plain_values(suite: Suite) -> None:
    """What would send a statement to show itself is named by its type."""
    done = suite.run(
        """
        import enum
        import unittest
        class Color(enum.Enum):
            RED = 1
        class TestCase(unittest.TestCase):
            @pytest.mark.max_queries(0)
            def test_it(self):
                with Session(engine) as session:
                    customer = session.get(Customer, 1)
                    for given in ({"pair": (1, "x")}, {"who": customer}, {"color": Color.RED}, {"by": {1: [None]}}):
                        with self.subTest(**given):
                            ask(1)
        """
    )
    assert done.counts == {"failed": 1}
    for name in ("pair=(1, 'x')", "who=<Customer> (2)", "color=Color.RED", "by={1: [None]}"):
        assert f"max_queries: expected at most 0 queries, got 1 in subtest {name}\n" in done.text


def test_another_way_to_run_a_test_case(suite: Suite) -> None:
    """A framework that does not call the method as `unittest` does has its parts told apart all the same."""
    done = suite.run(
        """
        import unittest
        class OtherCase(unittest.TestCase):
            def run(self, result=None):
                result = result or self.defaultTestResult()
                result.startTest(self)
                self.setUp()
                getattr(self, self._testMethodName)()
                self.tearDown()
                result.addSuccess(self)
                result.stopTest(self)
        class TestIt(OtherCase):
            def setUp(self):
                ask(3)
            def tearDown(self):
                ask(2)
            @pytest.mark.max_queries(1, exact=True)
            def test_it(self):
                ask(1)
        """
    )
    assert done.counts == {"passed": 1}
    assert done.queries("TestIt::test_it") == (3, 1, 2)


def test_a_suite_wraps_the_subtests_of_pytest(suite: Suite) -> None:
    """Each is a part all the same."""
    done = suite.run(
        """
        @pytest.fixture
        def subtests(subtests):
            class Own:
                def test(self, *arguments, **keywords):
                    return subtests.test(*arguments, **keywords)
            return Own()
        @pytest.mark.max_queries(1)
        def test_it(subtests):
            for each in range(3):
                with subtests.test(each=each):
                    ask(1)
        """,
        "--querybudget=strict",
    )
    assert set(done.counts) == {"passed"}
