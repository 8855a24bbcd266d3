"""The parts of one test that are judged by themselves: `setUp`, subtests, examples of a property test."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any
from unittest import TestCase

Open = Callable[..., Any]


def own_code(function: Any) -> frozenset[CodeType]:
    """Return the code objects of a test function: its own, and those of the functions inside it."""
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", None)
    function = inspect.unwrap(inner or function)
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return frozenset() if code is None else frozenset(_nested(code))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _nested(each)


@contextmanager
def divided(item: Any, open_window: Open) -> Iterator[None]:
    """Open a window for each part of a test while it runs, and put the test back as it was.

    `unittest` runs `setUp` and `tearDown` inside of the call, Hypothesis runs the function once for each example.
    """
    function = getattr(item, "obj", None)
    handle = getattr(function, "hypothesis", None)
    if handle is not None and hasattr(handle, "inner_test"):
        inner = handle.inner_test
        handle.inner_test = _numbered(inner, open_window)
        try:
            yield
        finally:
            handle.inner_test = inner
    elif isinstance(getattr(item, "instance", None), TestCase) and callable(function):
        open_window("setup")
        instance, name = item.instance, item.name
        item.obj = _between_fixtures(function, open_window)
        # pytest hands `obj` to the test case itself only when it is no coroutine function.
        setattr(instance, name, item.obj)
        try:
            yield
        finally:
            item.obj = function
            instance.__dict__.pop(name, None)
    else:
        yield


def _numbered(function: Callable[..., Any], open_window: Open) -> Callable[..., Any]:
    numbers = itertools.count(1)

    def begin() -> None:
        open_window("call", f"example {next(numbers)}")

    return _wrapped(function, begin, lambda: None)


def _between_fixtures(function: Callable[..., Any], open_window: Open) -> Callable[..., Any]:
    return _wrapped(function, lambda: open_window("call"), lambda: open_window("teardown"))


def _wrapped(function: Callable[..., Any], before: Callable[[], Any], after: Callable[[], Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*arguments: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            before()
            try:
                return await function(*arguments, **keywords)
            finally:
                after()

        return run_async

    @functools.wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        before()
        try:
            return function(*arguments, **keywords)
        finally:
            after()

    return run
