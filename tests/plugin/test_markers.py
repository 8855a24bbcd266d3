"""Budgets as markers: where they stand, and which one holds."""

from __future__ import annotations

import pytest

from .suites import Suite

pytest_plugins = ["pytester"]

# The arguments of each rule, a body that keeps to it, and one that does not.
RULES = {
    "max_queries": ("1", "ask()", "ask(2)"),
    "max_queries_of_a_kind": ("select=1, insert=0", "ask()", "ask(2)"),
    "max_columns": ("1", "ask()", "Session(engine).scalars(select(Customer)).all()"),
    "max_rows": (
        "5",
        "ask()",
        "Session(engine).execute(select(Customer.id, Order.id).join(Order, Customer.id > 0)).all()",
    ),
    "max_query_time": ("5", "ask()", "slow()"),
    "max_db_time": ("5", "ask()", "slow()"),
    "only_columns": ('"customer.id", "customer.name"', "ask()", "Session(engine).scalars(select(Customer)).all()"),
    "forbid_columns": ('"*.secret"', "ask()", "Session(engine).scalars(select(Customer)).all()"),
    "read_only": (None, "ask()", 'engine.connect().execute(text("UPDATE customer SET name = 1 WHERE id = 7"))'),
    "no_n_plus_one": (None, "ask(2)", "names()"),
    "no_repeated_queries": (None, "ask(2)", "repeat()"),
    "no_write_loops": (None, "ask(2)", "write()"),
}
BODIES = """
import time
import service
def slow():
    service.engine.connect().exec_driver_sql("SELECT nap()")
def repeat():
    service.repeat()
def write():
    service.write()
"""
SERVICE = """
import time
from shop import *
engine.raw_connection().create_function("nap", 0, lambda: time.sleep(0.02))
def repeat():
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(text("SELECT name FROM customer WHERE id = :id"), {"id": 1}).all()
def write():
    with engine.begin() as connection:
        for each in range(3):
            connection.execute(insert(Customer).values(name=str(each)))
"""


def marker(rule: str) -> str:
    name = "max_queries" if rule.startswith("max_queries") else rule
    arguments = RULES[rule][0]
    if rule in ("max_query_time", "max_db_time"):
        arguments = "0.01"
    return f"pytest.mark.{name}" + (f"({arguments})" if arguments else "")


@pytest.mark.parametrize("where", ["function", "class", "module", "param"])
def test_each_rule_is_a_marker_everywhere(suite: Suite, where: str) -> None:
    """Each rule fails the bad test and passes the good one, on a function, a class, a module and a parameter set."""
    suite.write("service.py", SERVICE)
    for rule, (_, good, bad) in RULES.items():
        mark = marker(rule)
        lines = {
            "function": f"@{mark}\ndef test_good():\n    {good}\n@{mark}\ndef test_bad():\n    {bad}\n",
            "class": f"@{mark}\nclass TestIt:\n    def test_good(self):\n        {good}\n    def test_bad(self):\n        {bad}\n",
            "module": f"pytestmark = {mark}\ndef test_good():\n    {good}\ndef test_bad():\n    {bad}\n",
            "param": "@pytest.mark.parametrize('do', ["
            f"pytest.param(lambda: {good}, marks={mark}, id='good'), pytest.param(lambda: {bad}, marks={mark}, id='bad')])\n"
            "def test_it(do):\n    do()\n",
        }[where]
        suite.write(f"test_{rule}.py", "import pytest\nfrom shop import *\n" + BODIES + lines)
    done = suite.run()
    failed = {each["nodeid"] for each in done.report["tests"] if each["outcome"] == "failed"}
    passed = {each["nodeid"] for each in done.report["tests"] if each["outcome"] == "passed"}
    assert {each.partition(".py")[0] for each in failed} == {f"test_{rule}" for rule in RULES}
    assert {each.partition(".py")[0] for each in passed} == {f"test_{rule}" for rule in RULES}
    assert all("bad" in each for each in failed)
    for each in done.report["tests"]:
        rules = {found["rule"] for found in each["findings"] if found["failed"]}
        name = each["nodeid"].partition(".py")[0].removeprefix("test_").removesuffix("_of_a_kind")
        assert rules == ({name} if "bad" in each["nodeid"] else set())


def test_the_nearest_marker_wins_rule_by_rule(suite: Suite) -> None:
    """A function's limit hides that of its class, module and ini file, and leaves other rules alone."""
    suite.write("pytest.ini", "[pytest]\nquerybudget_max_queries = 1\nquerybudget_max_rows = 9\n")
    done = suite.run(
        """
        pytestmark = [pytest.mark.max_queries(2), pytest.mark.max_columns(1)]

        def test_of_module():
            ask(2)

        def test_of_module_exceeded():
            ask(3)

        @pytest.mark.max_queries(3)
        class TestClass:
            def test_of_class(self):
                ask(3)

            @pytest.mark.max_queries(4)
            def test_of_function(self):
                ask(4)

            @pytest.mark.max_queries(4)
            @pytest.mark.max_queries(5)
            def test_the_lower_decorator_is_nearer(self):
                ask(5)

            @pytest.mark.max_queries(1)
            @pytest.mark.parametrize("n", [pytest.param(2, marks=pytest.mark.max_queries(2)), 1])
            def test_parameters_are_nearest(self, n):
                ask(n)

            def test_other_rules_stay(self):
                Session(engine).execute(select(Customer.id, Customer.name)).all()

        class TestDerived(TestClass):
            pass

        @pytest.mark.max_queries(5)
        class TestNarrowed(TestClass):
            def test_of_derived(self):
                ask(5)
        """
    )
    failed = {name: done.found(name) for name, each in done.tests.items() if each["outcome"] == "failed"}
    assert failed == {
        "test_of_module_exceeded": ["MAX_QUERIES"],
        "TestClass::test_other_rules_stay": ["MAX_COLUMNS"],
        "TestDerived::test_other_rules_stay": ["MAX_COLUMNS"],
        "TestNarrowed::test_other_rules_stay": ["MAX_COLUMNS"],
    }
    assert done.tests["TestNarrowed::test_of_class"]["budget"]["max_queries"]["limit"] == 5


def test_the_group_marker_declares_several_rules_and_switches_one_off(suite: Suite) -> None:
    """`query_budget(a=1, b={...})` is both rules, and `False` takes an outer budget away."""
    done = suite.run(
        """
        pytestmark = pytest.mark.max_queries(1)

        @pytest.mark.query_budget(max_queries=2, max_columns=1, forbid_columns=["*.secret"])
        def test_all_kept():
            ask(2)

        @pytest.mark.query_budget(max_queries={"select": 2, "phase": "call"}, max_columns=1)
        def test_columns():
            Session(engine).execute(select(Customer.id, Customer.name)).all()

        @pytest.mark.query_budget(read_only=True, max_rows=50)
        def test_read_only():
            with engine.begin() as connection:
                connection.execute(update(Customer).values(name="x"))

        @pytest.mark.query_budget(max_queries=False)
        def test_off():
            ask(9)
        """
    )
    assert [done.found(name) for name in done.tests] == [[], ["MAX_COLUMNS"], [], ["READ_ONLY"]]
    assert list(done.tests) == ["test_all_kept", "test_columns", "test_off", "test_read_only"]


def test_what_is_switched_off_is_not_looked_for(suite: Suite) -> None:
    """`False` holds in strict mode too, for a block, and from the ini file; the nearest one wins."""
    source = """
        @pytest.mark.query_budget(no_n_plus_one=False)
        class TestOff:
            def test_one(self):
                names()
            @pytest.mark.no_n_plus_one
            def test_on_again(self):
                names()
            def test_block(self, query_budget):
                with query_budget(max_queries=9):
                    names()
            def test_block_on(self, query_budget):
                with query_budget(no_n_plus_one=True):
                    names()
        def test_none():
            names()
        def test_block_off(query_budget):
            with query_budget(max_queries=9, no_n_plus_one=False):
                names()
    """
    done = suite.run(source, "--querybudget=strict")
    assert {name: done.found(name) for name in done.tests} == {
        "TestOff::test_one": [],
        "TestOff::test_on_again": ["NO_N_PLUS_ONE"],
        "TestOff::test_block": [],
        "TestOff::test_block_on": ["NO_N_PLUS_ONE"],
        "test_none": ["NO_N_PLUS_ONE"],
        "test_block_off": ["NO_N_PLUS_ONE"],
    }
    off = suite.run("", "--querybudget=strict", "-o", "querybudget_no_n_plus_one=false")
    assert [name for name in off.tests if off.found(name)] == ["TestOff::test_block_on", "TestOff::test_on_again"]


def test_markers_of_one_rule_for_several_phases_all_hold(suite: Suite) -> None:
    """Two limits on one function, for two phases, are two limits; one that is nearer replaces both."""
    done = suite.run(
        """
        @pytest.fixture
        def arranged():
            ask(3)

        @pytest.mark.max_queries(1)
        @pytest.mark.max_queries(2, phase="setup")
        def test_setup(arranged): ask(1)
        @pytest.mark.max_queries(3, phase="setup")
        @pytest.mark.max_queries(1)
        def test_call(arranged): ask(2)
        @pytest.mark.max_queries(3, phase="setup")
        @pytest.mark.max_queries(1)
        def test_kept(arranged): ask(1)
        @pytest.mark.max_queries(1)
        @pytest.mark.max_queries(9)
        def test_one_phase(): ask(2)
        @pytest.mark.max_queries(0, phase="setup")
        @pytest.mark.max_queries(0)
        class TestClass:
            @pytest.mark.max_queries(1)
            def test_nearer(self, arranged): ask(1)
        """
    )
    assert {name: done.found(name) for name in done.tests} == {
        "test_setup": ["MAX_QUERIES"],
        "test_call": ["MAX_QUERIES"],
        "test_kept": [],
        "test_one_phase": [],
        "TestClass::test_nearer": [],
    }
    assert done.tests["test_setup"]["outcome"] == "error"
    assert {name: each["actual"] for name, each in done.tests["test_kept"]["budget"].items()} == {
        "max_queries": 1,
        "max_queries[setup]": 3,
    }


def test_a_mistake_in_a_block_shows_no_line_of_the_plugin(suite: Suite) -> None:
    """The traceback ends in the test's own line."""
    done = suite.run(
        """
        def test_mistake(query_budget):
            with query_budget(max_querys=1):
                pass
        """
    )
    assert "unknown rule 'max_querys'; did you mean 'max_queries'?" in done.text
    assert "budgets.py" not in done.text
    assert "test_it.py:5: BudgetError" in done.text


def test_ini_defaults_fail_every_test(suite: Suite) -> None:
    """A ceiling in the ini file holds for every test that says nothing nearer."""
    suite.write(
        "pytest.ini",
        "[pytest]\nquerybudget_max_queries = 3, select=2\nquerybudget_forbid_columns = *.secret *.nothing\nquerybudget_max_db_time = 5.5\nquerybudget_read_only = false\n",
    )
    done = suite.run(
        """
        def test_kept():
            ask(2)
        def test_kind():
            ask(3)
        def test_columns():
            Session(engine).scalars(select(Customer)).all()
        @pytest.mark.max_queries(9)
        def test_nearer():
            ask(5)
        """
    )
    assert {name: done.found(name) for name in done.tests} == {
        "test_kept": [],
        "test_kind": ["MAX_QUERIES"],
        "test_columns": ["FORBID_COLUMNS"],
        "test_nearer": [],
    }
    assert done.tests["test_kept"]["budget"]["max_queries"] == {"limit": 3, "actual": 2, "declared": "ini"}


PYPROJECT = """
[tool.pytest]
asyncio_mode = "auto"
querybudget_max_queries = 2
querybudget_max_db_time = 5.5
querybudget_forbid_columns = ["*.secret"]
querybudget_no_n_plus_one = true
querybudget_read_only = false
querybudget_top = 3
querybudget_mode = "strict"
"""


@pytest.mark.skipif(int(pytest.__version__.split(".")[0]) < 9, reason="native TOML came with pytest 9")
def test_ini_defaults_of_native_toml(suite: Suite) -> None:
    """`[tool.pytest]` of pytest 9 has numbers, lists and truth values of its own."""
    (suite.path / "pytest.ini").unlink()
    suite.write("pyproject.toml", PYPROJECT)
    done = suite.run(
        """
        def test_kept():
            ask(2)
        def test_exceeded():
            ask(3)
        def test_columns():
            Session(engine).scalars(select(Customer)).all()
        """
    )
    assert {name: done.found(name) for name in done.tests} == {
        "test_kept": [],
        "test_exceeded": ["MAX_QUERIES"],
        "test_columns": ["FORBID_COLUMNS"],
    }
    assert done.report["mode"] == "strict"


def test_ini_defaults_of_toml_in_ini_mode(suite: Suite) -> None:
    """`[tool.pytest.ini_options]` holds for every pytest."""
    (suite.path / "pytest.ini").unlink()
    suite.write(
        "pyproject.toml", "[tool.pytest.ini_options]\nquerybudget_max_queries = 2\nquerybudget_no_n_plus_one = true\n"
    )
    done = suite.run("def test_exceeded():\n    ask(3)\n")
    assert done.found("test_exceeded") == ["MAX_QUERIES"]


def test_exact_kinds_and_phases(suite: Suite) -> None:
    """`exact` fails for fewer as well, a kind is counted alone, and each phase has its own limit."""
    done = suite.run(
        """
        @pytest.fixture
        def three():
            ask(3)
            yield
            ask(2)

        @pytest.mark.max_queries(2, exact=True)
        def test_fewer():
            ask(1)
        @pytest.mark.max_queries(2, exact=True)
        def test_equal():
            ask(2)
        @pytest.mark.max_queries(2, exact=True)
        def test_more():
            ask(3)
        @pytest.mark.max_queries(1, phase="call")
        def test_call(three):
            ask(1)
        @pytest.mark.max_queries(2, phase="setup")
        def test_setup(three):
            pass
        @pytest.mark.max_queries(3, phase="setup")
        def test_setup_kept(three):
            ask(9)
        @pytest.mark.max_queries(1, phase="teardown")
        def test_teardown(three):
            pass
        @pytest.mark.max_queries(2, phase="teardown")
        def test_teardown_kept(three):
            ask(9)
        @pytest.mark.max_queries(5, phase="all")
        def test_all(three):
            ask(1)
        @pytest.mark.max_queries(6, phase="all")
        def test_all_kept(three):
            ask(1)
        @pytest.mark.max_queries(update=1, insert=0, delete=0, ddl=0, other=0)
        def test_kinds():
            ask(4)
            with engine.begin() as connection:
                connection.execute(update(Customer).values(name="x"))
        @pytest.mark.max_queries(update=0)
        def test_kind():
            with engine.begin() as connection:
                connection.execute(update(Customer).values(name="x"))
        """
    )
    outcomes = {name: each["outcome"] for name, each in done.tests.items()}
    assert outcomes == {
        "test_fewer": "failed",
        "test_equal": "passed",
        "test_more": "failed",
        "test_call": "passed",
        "test_setup": "error",
        "test_setup_kept": "passed",
        "test_teardown": "error",
        "test_teardown_kept": "passed",
        "test_all": "error",
        "test_all_kept": "passed",
        "test_kinds": "passed",
        "test_kind": "failed",
    }
    assert "expected exactly 2 queries, got 1" in done.text
    assert "expected at most 2 queries in setup, got 3" in done.text
    assert "expected at most 0 UPDATE queries, got 1" in done.text


def test_savepoints_are_not_counted_and_executemany_is_one(suite: Suite) -> None:
    """Transaction control is recorded and not counted; an `executemany` is one statement."""
    done = suite.run(
        """
        @pytest.mark.max_queries(1, exact=True)
        def test_savepoint():
            with Session(engine) as session, session.begin_nested():
                session.scalars(select(Customer)).all()
        @pytest.mark.max_queries(1, exact=True)
        def test_executemany():
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO customer (name, secret) VALUES (:n, '')"), [{"n": "a"}, {"n": "b"}])
        """
    )
    assert done.counts == {"passed": 2}
    assert done.tests["test_savepoint"]["phases"]["call"]["by_kind"]["transaction"] == 2


def test_a_marker_that_a_fixture_or_hook_adds_holds(suite: Suite) -> None:
    """A budget that is added while the suite is collected or the test set up is a budget."""
    suite.write(
        "conftest.py",
        """
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                if "hook" in item.name:
                    item.add_marker(pytest.mark.max_queries(1))
        """,
    )
    done = suite.run(
        """
        @pytest.fixture
        def strict(request):
            request.node.add_marker(pytest.mark.max_queries(1))
        def test_fixture(strict):
            ask(2)
        def test_hook():
            ask(2)
        def test_itself(request):
            request.node.add_marker(pytest.mark.max_queries(1))
            ask(2)
        """
    )
    assert {name: done.found(name) for name in done.tests} == dict.fromkeys(  # noqa: RUF024 - they are only compared
        ("test_fixture", "test_hook", "test_itself"), ["MAX_QUERIES"]
    )
