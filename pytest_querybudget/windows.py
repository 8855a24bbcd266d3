"""The parts of one test that are judged by themselves: `setUp`, subtests, examples of a property test."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
    if code is None:
        return frozenset()
    hidden = _hidden_test(getattr(function, "__func__", function), code)
    return _nested(code) if hidden is None else own_code(hidden)


def _hidden_test(function: Any, code: CodeType, deepest: int = 8) -> Any:
    """Return the test function behind decorators that do not say so in `__wrapped__`.

    It is in the closure, or among the names of a wrapper that was generated; it is named as a test is.
    """
    generated = code.co_filename.startswith("<")
    if deepest == 0 or (code.co_name.startswith("test") and not generated):
        return None
    cells = [each.cell_contents for each in function.__closure__ or () if _is_filled(each)]
    if generated:
        cells += [function.__globals__.get(name) for name in code.co_names]
    functions = [each for each in cells if inspect.isfunction(each) and each is not function]
    tests = (each for each in functions if each.__name__.startswith("test"))
    deeper = (_hidden_test(each, each.__code__, deepest - 1) for each in functions)
    return next(tests, None) or next((each for each in deeper if each is not None), None)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _nested(code: CodeType) -> frozenset[CodeType]:
    inner = [_nested(each) for each in code.co_consts if isinstance(each, CodeType)]
    return frozenset([code]).union(*inner) if inner else frozenset([code])


def divide(item: Any, open_window: Open) -> list[AbstractContextManager[None]]:
    """Return what opens a window for each part of a test, as long as it is entered: it puts the test back as it was.

    `unittest` runs `setUp` and `tearDown` inside of the call, Hypothesis runs the function once for each example,
    and a subtest is a block of the function.
    """
    function = getattr(item, "obj", None)
    handle: Any = getattr(function, "hypothesis", None)
    instance = getattr(item, "instance", None)
    subtests: Any = getattr(item, "funcargs", {}).get("subtests")
    found: list[AbstractContextManager[None]] = []
    if hasattr(handle, "inner_test"):
        found.append(_replaced(handle, "inner_test", _numbered(handle.inner_test, open_window)))
    if isinstance(instance, TestCase) and callable(function):
        open_window("setup")
        # pytest leaves it to the instance to find an async method, and gives it any other one.
        holder, name = (instance, item.name) if inspect.iscoroutinefunction(function) else (item, "obj")
        found.append(_replaced(holder, name, _between_fixtures(function, open_window)))
        found.append(_replaced(instance, "subTest", _parted(instance.subTest, open_window)))
    if hasattr(subtests, "test"):
        found.append(_replaced(subtests, "test", _parted(subtests.test, open_window)))
    return found


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in the place of an attribute for a while; an object that takes none stays as it is."""
    before = getattr(holder, name)
    inherited = name not in getattr(holder, "__dict__", {}) and not isinstance(
        getattr(type(holder), name, None), property
    )
    try:
        setattr(holder, name, value)
    except AttributeError:
        yield
        return
    try:
        yield
    finally:
        if inherited:
            delattr(holder, name)
        else:
            setattr(holder, name, before)


class Part:
    """A subtest with a window of its own. No frame of it shows in the traceback of what fails inside."""

    def __init__(self, inner: Any, label: str, open_window: Open) -> None:
        self.inner = inner
        self.label = label
        self.open_window = open_window

    def __enter__(self) -> Any:
        """Open the window, and begin the subtest."""
        self.open_window("call", self.label)
        return self.inner.__enter__()

    def __exit__(self, *error: object) -> Any:
        """End the subtest; what follows is the test's own again."""
        __tracebackhide__ = True
        try:
            return self.inner.__exit__(*error)
        finally:
            self.open_window("call")


def _parted(begin: Callable[..., Any], open_window: Open) -> Callable[..., Part]:
    numbers = itertools.count(1)

    @functools.wraps(begin)
    def part(*arguments: Any, **keywords: Any) -> Part:
        words = [str(each) for each in arguments] + [f"{key}={value!r}" for key, value in keywords.items()]
        label = "subtest " + (", ".join(words)[:80] or str(next(numbers)))
        return Part(begin(*arguments, **keywords), label, open_window)

    return part


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
