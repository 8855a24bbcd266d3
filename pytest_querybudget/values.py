"""Dataclasses that are made in a fraction of the time.

The standard library writes and compiles five functions for each class. Here all classes share what compares, hashes and
shows them, and `__init__` is written when the first instance is made: most of a hundred classes have none in most runs.
That was half of what the plugin adds to the start of pytest. A frozen one compares and hashes as a frozen one does;
that nobody sets its fields is left to type checkers, for which this is `dataclasses.dataclass`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar


def quick_dataclass(cls: type | None = None, /, **options: Any) -> Any:
    """Make a dataclass with the options of `dataclasses.dataclass`, but for `init`; it may have no `InitVar`."""
    frozen = options.pop("frozen", False)
    compared, shown = options.pop("eq", True), options.pop("repr", True)

    def make(plain: type) -> Any:
        own = vars(plain)
        # A class with an `__eq__` of its own has a `__hash__` of None, which Python put there.
        hashes = "__hash__" in own and not (own["__hash__"] is None and "__eq__" in own)
        with _thawed(plain):
            made: Any = dataclasses.dataclass(init=False, eq=False, repr=False, **options)(plain)
        made.__dataclass_params__.frozen, made.__dataclass_params__.init = frozen, True
        if "__init__" not in own:
            made.__init__ = _Initializer(made)
        if shown and "__repr__" not in own:
            made.__repr__ = _repr
        if compared:
            if "__eq__" not in own:
                made.__eq__ = _eq
            if not hashes:
                made.__hash__ = _hash if frozen else None
        return made

    return make if cls is None else make(cls)


class _Initializer:
    """The `__init__` of a class until somebody asks for it, and then puts the real one in its place."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        # Who runs pytest inside of pytest takes modules away again before the first instance is made.
        module: Any = sys.modules.get(cls.__module__)
        self.names = {} if module is None else vars(module)

    def __get__(self, instance: object, owner: Any = None) -> Any:
        self.cls.__init__ = made = _initializer(self.cls, self.names)
        return made.__get__(instance, owner)


def _initializer(cls: Any, of_module: dict[str, Any]) -> Any:
    """Write the function that takes a value for each field and sets it.

    It stands among the names of the class's own module, so that its annotations can be looked up.
    """
    names: dict[str, Any] = {"_given": _GIVEN}
    taken: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for index, each in enumerate(dataclasses.fields(cls)):
        value, default = each.name, f"_default{index}"
        if each.default is not dataclasses.MISSING:
            names[default] = each.default
            value = each.name if each.init else default
        elif each.default_factory is not dataclasses.MISSING:
            names[default] = each.default_factory
            value = f"{default}() if {each.name} is _given else {each.name}" if each.init else f"{default}()"
        elif not each.init:
            continue
        if each.init:
            known = "" if default not in names else f"={default if each.default is names[default] else '_given'}"
            (named if each.kw_only else taken).append(each.name + known)
        body.append(f"  self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("  self.__post_init__()")
    parameters = ", ".join(["self", *taken, *(["*", *named] if named else [])])
    head = [f"def make({', '.join(names)}):", f" def __init__({parameters}):"]
    lines = [*head, *(body or ["  pass"]), " return __init__"]
    made: dict[str, Any] = {}
    exec("\n".join(lines), of_module, made)  # noqa: S102 - as dataclasses does
    function = made["make"](**names)
    function.__qualname__ = f"{cls.__qualname__}.__init__"
    types = {each.name: each.type for each in dataclasses.fields(cls) if each.init}
    function.__annotations__ = {**types, "return": None}
    return function


class _Given:
    def __repr__(self) -> str:
        return "<factory>"


# What stands for a default that is made anew for each instance.
_GIVEN = _Given()


@contextmanager
def _thawed(cls: type) -> Iterator[None]:
    """Let a class be derived from those that are frozen in name; what others derive from them is frozen as ever."""
    known: list[Any] = [getattr(each, "__dataclass_params__", None) for each in cls.__mro__[1:]]
    frozen = [each for each in known if each is not None and each.frozen]
    for each in frozen:
        each.frozen = False
    try:
        yield
    finally:
        for each in frozen:
            each.frozen = True


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = quick_dataclass

__all__ = ["changed", "dataclass"]

T = TypeVar("T")


def changed(value: T, **changes: Any) -> T:
    """Return a copy with other values: `dataclasses.replace` for those with thousands of instances."""
    names = _names(type(value))
    return type(value)(**{**dict(zip(names, attrgetter(*names)(value), strict=True)), **changes})


def _fields(cls: Any) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(cls))


_names: Callable[[Any], tuple[str, ...]] = cache(_fields)


def _getter(cls: Any, used: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Return what gets the values of those fields of an instance that are used for something."""
    names = [each.name for each in dataclasses.fields(cls) if used(each)]
    if len(names) == 1:
        name = names[0]
        return lambda value: (getattr(value, name),)
    return attrgetter(*names) if names else lambda _: ()


_values: Callable[[Any, Callable[[Any], bool]], Callable[[Any], Any]] = cache(_getter)


def _is_compared(field: Any) -> bool:
    return bool(field.compare)


def _is_hashed(field: Any) -> bool:
    return bool(field.compare if field.hash is None else field.hash)


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    values = _values(type(self), _is_compared)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(_values(type(self), _is_hashed)(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"
