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
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import CodeType, FunctionType
from typing import Any
from unittest import TestCase
from uuid import UUID

Open = Callable[..., Any]
# `unittest` leaves frames of such modules out of the texts that it makes itself.
__unittest = True
# What `TestCase.run` calls before and after the test method.
_SETUP, _TEARDOWN = "_callSetUp", "_callTearDown"
_PATHS = (PurePosixPath, PureWindowsPath, type(Path()))
_PLAIN = frozenset((str, int, float, complex, bool, bytes, type(None), date, timedelta, Decimal, UUID, *_PATHS))
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
    if callable(getattr(subtests, "test", None)):
        found.append(_replaced(subtests, "test", _parted(subtests.test, open_window)))
    return found


def _of_test_case(
    item: Any, instance: TestCase, function: Callable[..., Any], open_window: Open
) -> list[AbstractContextManager[None]]:
    found: list[AbstractContextManager[None]] = []
    if TestCase.subTest.__module__ == "unittest.case":
        # A suite may have patched it for several tests.
        parts = _Parts(instance, open_window)
        found += [_replaced(TestCase, "subTest", parts.method()), parts]
    if _is_run_by_unittest(type(instance)):
        # Nothing stands between `unittest` and the method: a test can see who calls it, and as what.
        begin: Any = getattr(instance, _SETUP)
        end: Any = getattr(instance, _TEARDOWN)
        found.append(_replaced(instance, _SETUP, _after(begin, lambda: open_window("call"))))
        found.append(_replaced(instance, _TEARDOWN, _wrapped(end, lambda: open_window("teardown"), lambda: None)))
    else:
        # Another framework runs it in its own way. pytest leaves it to the instance to find an async method, and gives
        # it any other one.
        holder, name = (instance, item.name) if inspect.iscoroutinefunction(function) else (item, "obj")
        between = _wrapped(function, lambda: open_window("call"), lambda: open_window("teardown"))
        found.append(_replaced(holder, name, between))
    return found


def _is_run_by_unittest(kind: type) -> bool:
    """Return whether `unittest` runs a test, also on behalf of a `run` that calls that of its base."""
    for each in kind.__mro__:
        run = vars(each).get("run")
        if run is None:
            continue
        if each.__module__.startswith("unittest."):
            return hasattr(each, _SETUP) and hasattr(each, _TEARDOWN)
        names = getattr(getattr(run, "__code__", None), "co_names", ())
        if "run" not in names or "super" not in names:
            break
    return False


def _after(function: Callable[..., Any], opened: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def begin(*arguments: Any) -> Any:
        __tracebackhide__ = True
        result = function(*arguments)
        opened()
        return result

    return begin


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in the place of an attribute for a while; an object that takes none stays as it is.

    Whoever has put another one there in the meantime keeps it.
    """
    own = getattr(holder, "__dict__", {})
    before = own[name] if name in own else getattr(holder, name)
    inherited = name not in own and not isinstance(getattr(type(holder), name, None), property)
    try:
        setattr(holder, name, value)
    except (AttributeError, TypeError):
        yield
        return
    try:
        yield
    finally:
        if inherited:
            if own.get(name) is value:
                delattr(holder, name)
        elif getattr(holder, name, None) is value:
            setattr(holder, name, before)


class Part:
    """A subtest with a window of its own. No frame of it shows in the traceback of what fails inside."""

    def __init__(self, inner: Any, label: str, open_window: Open) -> None:
        self._inner = inner
        self._label = label
        self._open_window = open_window

    def __enter__(self) -> Any:
        """Open the window, and begin the subtest."""
        __tracebackhide__ = True
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


class _Parts(AbstractContextManager[None]):
    """Makes a part of each subtest of one `TestCase`, until it is closed; those of others are as they were."""

    def __init__(self, instance: TestCase, open_window: Open) -> None:
        self.instance: TestCase | None = instance
        self.begin = TestCase.subTest
        self.parted = _parted(self.begin, open_window, methods=True)

    def method(self) -> Callable[..., Any]:
        """Return what stands in the place of `TestCase.subTest`; a patch of the suite may bring it back later on."""

        @functools.wraps(self.begin)
        def begin(case: TestCase, *arguments: Any, **keywords: Any) -> Any:
            __tracebackhide__ = True
            return (self.parted if case is self.instance else self.begin)(case, *arguments, **keywords)

        return begin

    def __exit__(self, *_error: object) -> None:
        self.instance = None
        self.parted = self.begin


def _parted(begin: Callable[..., Any], open_window: Open, *, methods: bool = False) -> Callable[..., Any]:
    """Return what makes a part of each subtest; `methods` get the test before all else."""
    numbers = itertools.count(1)

    @functools.wraps(begin)
    def part(*arguments: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        inner = begin(*arguments, **keywords)
        if not (hasattr(type(inner), "__enter__") and hasattr(type(inner), "__exit__")):
            # A fixture of the suite's own, that has a name in common with pytest's.
            return inner
        return Part(inner, _label(arguments[1:] if methods else arguments, keywords, next(numbers)), open_window)

    return part


def _label(arguments: tuple[Any, ...], keywords: dict[str, Any], number: int) -> str:
    """Name a subtest by its plain values: to show any other, it might send a statement, or fail."""
    words = [_word(each) for each in arguments] + [f"{key}={_word(each, repr)}" for key, each in keywords.items()]
    label = ", ".join(words)[:80] or str(number)
    return f"subtest {label} ({number})" if any(each.endswith(">") for each in words) else f"subtest {label}"


def _word(value: Any, shown: Callable[[Any], str] = str) -> str:
    """Return a plain value as text, and any other as its type."""
    kind = type(value)
    try:
        if issubclass(kind, Enum):
            return f"{kind.__name__}.{value._name_}"
        if _is_plain(value):
            return shown(value)
    except Exception:  # noqa: BLE001, S110 - as a number of thousands of digits: a name is not worth a test
        pass
    return f"<{kind.__name__}>"


def _is_plain(value: Any, deepest: int = 3) -> bool:
    """Return whether a value shows itself without asking what the application has written, as its time zones."""
    kind = type(value)
    if kind in _CONTAINERS and deepest:
        return all(_is_plain(each, deepest - 1) for each in value)
    if kind is dict and deepest:
        return all(_is_plain(each, deepest - 1) for pair in value.items() for each in pair)
    if kind in (datetime, time):
        return value.tzinfo is None
    return kind in _PLAIN


def _numbered(function: Callable[..., Any], open_window: Open) -> Callable[..., Any]:
    numbers = itertools.count(1)

    def begin() -> None:
        open_window("call", f"example {next(numbers)}")

    return _wrapped(function, begin, lambda: None)


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
