"""Which code is the test's own, whatever it is wrapped in."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pytest_querybudget.windows import own_code
from tests.plugin.suites import HEAD, Suite


def keeping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        return function(*arguments)

    return run


def hiding(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        return function(*arguments)

    return run


def generating(function: Callable[..., Any]) -> Callable[..., Any]:
    names: dict[str, Any] = {"target": function}
    exec("def run(*arguments): return target(*arguments)", names)
    wrapper: Callable[..., Any] = names["run"]
    return wrapper


@pytest.mark.parametrize("decorate", [keeping, hiding, generating, functools.partial])
def test_a_decorator_does_not_hide_the_test_function(decorate: Callable[..., Any]) -> None:
    def test_function(value: int) -> list[int]:
        return [value for _ in range(2)]

    for wrapped in (decorate(test_function), decorate(decorate(test_function))):
        assert own_code(wrapped) == own_code(test_function)


def test_a_function_that_the_test_uses_is_not_the_test() -> None:
    def helper() -> int:
        return 1

    def test_function() -> int:
        return helper()

    assert test_function.__code__ in own_code(test_function)
    assert helper.__code__ not in own_code(test_function)


def test_a_method_of_a_class_is_found_behind_a_generated_wrapper() -> None:
    class TestThing:
        @generating
        def test_method(self) -> int:
            return 1

    assert {each.co_name for each in own_code(TestThing().test_method)} == {"test_method"}


def test_a_loop_over_a_generator_is_one_place(suite: Suite) -> None:
    """Python 3.12 lets such a loop stand in two places of the bytecode: its first round is no other line."""
    done = suite.run(
        """
        def produce(connection):
            for number in range(8):
                connection.execute(text("SELECT id FROM customer WHERE id = :number"), {"number": number}).all()
                yield number
        def test_it():
            with engine.connect() as connection:
                for _ in produce(connection):
                    pass
        """
    )
    assert [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "call"] == [8]


HELPERS = """
from shop import engine, select, Customer

def one(connection, key):
    return connection.execute(select(Customer.name).where(Customer.id == key)).all()

def each(connection, keys):
    for key in keys:
        one(connection, key)

def through(connection, keys):
    for key in keys:
        each(connection, [key])

def produce(connection, keys):
    for key in keys:
        yield one(connection, key)
"""


@pytest.mark.parametrize(
    ("body", "count", "found"),
    [
        # Told, and no failure: only a test that declares the rule is held to it.
        ("for key in range(9): one(connection, key)", 9, ["no_n_plus_one"]),
        ("for key in range(9): each(connection, [key])", 9, ["no_n_plus_one"]),
        # The helper loops as well, at first or after the test has called it several times.
        ("for keys in ([1], [2], [3], [1, 2, 3, 4]): each(connection, keys)", 7, ["NO_N_PLUS_ONE"]),
        ("for keys in ([1, 2, 3, 4], [1], [2]): each(connection, keys)", 6, ["NO_N_PLUS_ONE"]),
        ("for keys in ([1], [2], [3], [1, 2, 3, 4]): through(connection, keys)", 7, ["NO_N_PLUS_ONE"]),
        # Two lines of the test are two places.
        ("for key in (1, 2): one(connection, key); one(connection, key + 5)", 2, ["no_n_plus_one"]),
        # What stood in the place of a library before.
        (
            "for load, keys in ((lazily, 1), (lazily, 2), (lazily, 3), (each, [4, 5, 6, 7])): load(connection, keys)",
            4,
            ["no_n_plus_one", "NO_N_PLUS_ONE"],
        ),
    ],
)
def test_a_loop_in_the_test_is_no_fault_of_the_application(
    suite: Suite, body: str, count: int, found: list[str]
) -> None:
    """A test may do the same again and again; what the application does again in one of the rounds is found all the same."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        f"""
def test_it():
    with engine.connect() as connection:
        {body}
""",
        "--querybudget=strict",
        head=HEAD + "from app.helpers import each, one, through\nimport functools\n"
        "lazily = functools.singledispatch(one)\n",
    )
    sent = [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "call"]
    assert count in sent
    assert [each for each in done.found("test_it") if each.lower() == "no_n_plus_one"] == found


WAYS = """
from operator import methodcaller
from shop import select, Customer

def asked(key):
    return select(Customer.name).where(Customer.id == key)

def loop(connection, keys):
    for key in keys:
        send = connection.scalars if key % 2 else connection.execute
        send(asked(key)).all()

def one_line(connection, keys):
    list(map(methodcaller("__call__", asked(1)), [connection.scalars, connection.execute] * 3))

def each(connection, keys):
    for key in keys:
        loop(connection, [key])
"""


@pytest.mark.parametrize(
    ("name", "count", "found"), [("loop", 6, ["NO_N_PLUS_ONE"]), ("one_line", 6, []), ("each", 6, ["NO_N_PLUS_ONE"])]
)
def test_another_way_through_the_libraries_is_the_same_place(
    suite: Suite, name: str, count: int, found: list[str]
) -> None:
    """`Connection.scalars` calls `Connection.execute`: the application's line is one frame further away."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", WAYS)
    done = suite.run(
        f"""
        from app.helpers import {name}
        def test_it():
            with engine.connect() as connection:
                {name}(connection, range(6))
        """,
        "--querybudget=strict",
    )
    sent = [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "call"]
    assert sent == [count]
    assert [each for each in done.found("test_it") if each.lower() == "no_n_plus_one"] == found


def test_a_function_of_the_application_in_the_place_of_a_library(suite: Suite) -> None:
    """It stands as deep as the library's did, and repeats what it sends."""
    suite.write("app/__init__.py", "")
    suite.write(
        "app/helpers.py",
        """
        def twice(connection):
            def run(statement, parameters):
                for _ in range(2):
                    connection.execute(statement, parameters).all()
            return run
        """,
    )
    done = suite.run(
        """
        from app.helpers import twice
        asked = select(Customer.name).where(Customer.id == 1)
        def send(get):
            get(asked, {})
        def test_it():
            with engine.connect() as connection:
                for get in (connection.scalars, connection.scalars, connection.scalars, twice(connection)):
                    send(get)
        """
    )
    assert [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "call"] == [3, 2]


def test_who_resumes_a_generator_is_told(suite: Suite) -> None:
    """A generator stays where it was, and the next line that resumes it is another place."""
    suite.write("app/__init__.py", "")
    suite.write("app/helpers.py", HELPERS)
    done = suite.run(
        """
        from app.helpers import one
        def produce(connection, keys):
            for key in keys:
                yield one(connection, key)
        @pytest.fixture
        def rows():
            with engine.connect() as connection:
                made = produce(connection, range(5))
                for _ in range(3):
                    next(made)
                next(made)
                next(made)
        def test_it(rows):
            pass
        """
    )
    sent = [each["count"] for each in done.tests["test_it"]["statements"] if each["phase"] == "setup"]
    assert sent == [3, 1, 1]


def test_a_stack_ends_where_pytest_runs_the_phase(suite: Suite) -> None:
    """Who starts pytest is no caller of what a fixture sends."""
    suite.write("run.py", "import sys, pytest\ndef main():\n    return pytest.main(sys.argv[1:])\nsys.exit(main())\n")
    suite.write(
        "test_it.py",
        HEAD
        + """
@pytest.fixture
def rows():
    ask()
    yield
    ask(2)
def test_it(rows):
    ask(1, "orders")
""",
    )
    done = subprocess.run(
        [sys.executable, "run.py", *suite.arguments()],
        cwd=suite.path,
        env=suite.env(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    statements = json.loads((suite.path / "report.json").read_text("utf-8"))["tests"][0]["statements"]
    assert {each["phase"]: [one["function"] for one in each["chain"]] for each in statements} == {
        "setup": ["ask", "rows"],
        "call": ["ask", "test_it"],
        "teardown": ["ask", "rows"],
    }
