"""Which code is the test's own, whatever it is wrapped in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from pytest_querybudget.windows import own_code
from tests.plugin.suites import Suite


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
