"""The parts of one test that are judged by themselves: `setUp`, subtests, examples of a property test."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import CodeType, FunctionType
from typing import Any
from unittest import TestCase
from uuid import UUID

Open = Callable[..., Any]
# Where the fixture `subtests` comes from; a suite may have one of its own.
_SUBTESTS = ("_pytest", "pytest_subtests")
# What `TestCase.run` calls between `setUp` and `tearDown`; a test can see what stands in the place of its method.
_CALL = "_callTestMethod"
# What shows itself without doing anything else.
_PLAIN = frozenset((str, int, float, complex, bool, bytes, type(None), date, datetime, time, timedelta, Decimal, UUID))
_CONTAINERS = frozenset((tuple, list, set, frozenset))


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
    # A proxy in a closure would say what it stands for if it were asked, and may have to make that first.
    functions = [each for each in cells if type(each) is FunctionType and each is not function]
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
        found += _of_test_case(item, instance, function, open_window)
    if type(subtests).__module__.partition(".")[0] in _SUBTESTS:
        found.append(_replaced(subtests, "test", _parted(subtests.test, open_window)))
    return found


def _of_test_case(
    item: Any, instance: TestCase, function: Callable[..., Any], open_window: Open
) -> Iterator[AbstractContextManager[None]]:
    kind = type(instance)
    caller: Any = next((each for each in kind.__mro__ if _CALL in vars(each)), None)
    if caller is not None and kind.run.__module__.startswith("unittest."):
        between = _between_fixtures(getattr(caller, _CALL), open_window)
        yield _replaced(caller, _CALL, _only_of(instance, getattr(caller, _CALL), between))
    else:
        # Another framework runs it in its own way. pytest leaves it to the instance to find an async method, and gives
        # it any other one.
        holder, name = (instance, item.name) if inspect.iscoroutinefunction(function) else (item, "obj")
        yield _replaced(holder, name, _between_fixtures(function, open_window))
    yield _replaced(TestCase, "subTest", _only_of(instance, TestCase.subTest, _parted(TestCase.subTest, open_window)))


def _only_of(instance: object, before: Callable[..., Any], now: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that is another one for one instance."""

    @functools.wraps(before)
    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        return (now if self is instance else before)(self, *arguments, **keywords)

    return method


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
        self._inner = inner
        self._label = label
        self._open_window = open_window

    def __enter__(self) -> Any:
        """Open the window, and begin the subtest."""
        self._open_window("call", self._label)
        return self._inner.__enter__()

    def __exit__(self, *error: object) -> Any:
        """End the subtest; what follows is the test's own again."""
        __tracebackhide__ = True
        try:
            return self._inner.__exit__(*error)
        finally:
            self._open_window("call")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, function: Any) -> Any:
        """Make a subtest of each call of a function, as far as the subtest can do that."""
        return self._inner(function)


def _parted(begin: Callable[..., Any], open_window: Open) -> Callable[..., Part]:
    numbers = itertools.count(1)

    def part(*arguments: Any, **keywords: Any) -> Part:
        given = arguments[1:] if arguments and isinstance(arguments[0], TestCase) else arguments
        words = [_word(each) for each in given] + [f"{key}={_word(each, repr)}" for key, each in keywords.items()]
        label = "subtest " + (", ".join(words)[:80] or str(next(numbers)))
        return Part(begin(*arguments, **keywords), label, open_window)

    return part


def _word(value: Any, shown: Callable[[Any], str] = str) -> str:
    """Return a plain value as text, and any other as its type: to show itself it might send a statement, or fail."""
    kind = type(value)
    if issubclass(kind, Enum):
        return f"{kind.__name__}.{value._name_}"
    return shown(value) if _is_plain(value) else f"<{kind.__name__}>"


def _is_plain(value: Any, deepest: int = 3) -> bool:
    kind = type(value)
    if kind in _CONTAINERS and deepest:
        return all(_is_plain(each, deepest - 1) for each in value)
    if kind is dict and deepest:
        return all(_is_plain(each, deepest - 1) for pair in value.items() for each in pair)
    return kind in _PLAIN


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
