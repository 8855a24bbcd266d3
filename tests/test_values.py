"""The quick dataclasses are those of the standard library in everything that is asked of them."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import sys
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import pytest_querybudget
from pytest_querybudget import Finding, Recording
from pytest_querybudget.reports.document import TestEntry
from pytest_querybudget.values import changed, quick_dataclass


def pair(**options: Any) -> tuple[Any, Any]:
    """Make one class in both ways."""
    made = []
    for decorate in (dataclasses.dataclass, quick_dataclass):

        class Base:
            name: str
            size: int = 1
            note: str = field(default="", compare=False)
            secret: str = field(default="x", repr=False)
            unhashed: list[int] = field(default_factory=list, hash=False)

        Base.__qualname__ = Base.__name__ = "Base"
        made.append(decorate(**options)(Base))
    return made[0], made[1]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("kw_only", [False, True])
def test_it_is_as_the_standard_library_makes_it(frozen: bool, slots: bool, kw_only: bool) -> None:
    ours, theirs = {}, {}
    for found, cls in zip((theirs, ours), pair(frozen=frozen, slots=slots, kw_only=kw_only), strict=True):
        one, same, other = cls(name="a"), cls(name="a", note="another"), cls(name="b")
        found["fields"] = [each.name for each in fields(cls)]
        found["shown"] = repr(one)
        found["equal"] = (one == same, one == other, one == 1, one != same, one == replace(one), copy.copy(one) == one)
        found["replaced"] = replace(one, size=3).size
        found["slots"] = hasattr(one, "__dict__")
        found["hashable"] = cls.__hash__ is not None
        if frozen:
            found["hash"] = (hash(one) == hash(same), hash(one) == hash(other), len({one, same, other}))
    assert ours == theirs


def test_what_a_class_says_itself_holds() -> None:
    @quick_dataclass(frozen=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    made: Any = Own
    assert (repr(made(1)), made(1) == made(2), hash(made(1))) == ("own", True, 7)


def test_identity() -> None:
    ours: Any = quick_dataclass(eq=False, slots=True)(type("Same", (), {"__annotations__": {"value": int}}))
    one = ours(1)
    assert one != ours(1)
    assert len({one, ours(1)}) == 2
    assert repr(one) == "Same(value=1)"


def test_a_subclass_compares_its_own_fields() -> None:
    _, base = pair(frozen=True)

    @quick_dataclass(frozen=True)
    class Sub(base):  # type: ignore[misc, valid-type]
        more: int = 0

    made: Any = Sub
    assert made(name="a", more=1) != made(name="a", more=2)
    assert made(name="a", more=1) != base(name="a")
    assert hash(made(name="a", more=1)) == hash(made(name="a", more=1))


@pytest.mark.parametrize("kind", [Finding, Recording, TestEntry])
def test_others_may_derive_from_ours(kind: Any) -> None:
    """As from one of the standard library: frozen from frozen, and only that."""
    frozen = kind.__dataclass_params__.frozen
    assert dataclasses.dataclass(frozen=frozen, kw_only=True)(type("Sub", (kind,), {}))
    with pytest.raises(TypeError, match="cannot inherit"):
        dataclasses.dataclass(frozen=not frozen, kw_only=True)(type("Sub", (kind,), {}))


def test_a_derived_one_is_frozen() -> None:
    _, base = pair(frozen=True)
    sub: Any = dataclasses.dataclass(frozen=True)(type("Sub", (base,), {}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        sub(name="a").name = "b"


def test_an_own_comparison_takes_no_hash_away() -> None:
    def same(self: Any, other: object) -> bool:
        return True

    for decorate in (dataclasses.dataclass, quick_dataclass):
        made: Any = decorate(frozen=True)(type("Own", (), {"__annotations__": {"value": int}, "__eq__": same}))
        assert hash(made(1)) == hash(made(1))


def test_an_empty_one() -> None:
    made: Any = quick_dataclass(frozen=True)(type("Empty", (), {}))
    assert made() == made()
    assert hash(made()) == hash(made())
    assert repr(made()) == "Empty()"


def various(decorate: Any) -> Any:
    """Make a class with each kind of field that there is."""

    class Various:
        given: int
        default: int = 1
        made: list[int] = field(default_factory=list)
        named: int = field(default=2, kw_only=True)
        needed: int = field(kw_only=True)
        kept: str = field(default="kept", init=False)
        counted: list[int] = field(default_factory=lambda: [7], init=False)
        late: int = field(init=False)

        def __post_init__(self) -> None:
            self.late = self.given + self.needed

    Various.__qualname__ = Various.__name__ = "Various"
    return decorate(slots=True)(Various)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ((1,), {"needed": 2}),
        ((1, 2, [3]), {"needed": 2, "named": 5}),
        ((), {"given": 1, "needed": 2, "made": None}),
        ((1,), {}),
        ((), {"needed": 2}),
        ((1,), {"needed": 2, "kept": "other"}),
        ((1, 2, [], 4), {"needed": 2}),
        ((1,), {"given": 1, "needed": 2}),
        ((1,), {"needed": 2, "unknown": 3}),
    ],
)
def test_it_takes_what_the_standard_library_takes(values: tuple[Any, ...], names: dict[str, Any]) -> None:
    results = []
    for decorate in (dataclasses.dataclass, quick_dataclass):
        cls = various(decorate)
        try:
            made = cls(*values, **names)
        except TypeError as error:
            results.append(str(error).rpartition(".")[2])
        else:
            results.append([getattr(made, each.name) for each in fields(made)])
    assert results[0] == results[1]


def test_a_factory_makes_a_new_value_for_each() -> None:
    cls = various(quick_dataclass)
    assert cls(1, needed=2).made is not cls(1, needed=2).made


@pytest.mark.parametrize("used", [False, True])
def test_it_shows_its_parameters(used: bool) -> None:
    """Also before the first instance is made."""
    signatures = []
    for decorate in (dataclasses.dataclass, quick_dataclass):
        cls = various(decorate)
        if used:
            cls(1, needed=2)
        signatures.append(str(inspect.signature(cls)))
        assert get_type_hints(cls.__init__)["default"] is int
        assert cls.__init__.__module__ == __name__
    assert signatures[0] == signatures[1]


def test_each_class_of_the_package_can_be_made() -> None:
    """What is written when the first instance comes is written without a fault."""
    for path in Path(pytest_querybudget.__file__).parent.rglob("*.py"):
        name = ".".join(path.relative_to(Path(pytest_querybudget.__file__).parents[1]).with_suffix("").parts)
        if path.stem.startswith("__"):
            continue
        for each in vars(importlib.import_module(name)).values():
            if isinstance(each, type) and dataclasses.is_dataclass(each):
                wanted = [field.name for field in fields(each) if field.init]
                assert sorted(inspect.signature(each).parameters) == sorted(wanted)


def test_its_module_may_be_gone_before_the_first_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run of pytest inside of a test takes it away."""
    cls = various(quick_dataclass)
    monkeypatch.delitem(sys.modules, __name__)
    assert cls(1, needed=2).late == 3


def test_an_own_initializer_holds() -> None:
    @quick_dataclass
    class Own:
        value: int

        def __init__(self) -> None:
            self.value = 3

    made: Any = Own
    assert made().value == 3


def test_a_plain_subclass_has_it_too() -> None:
    cls = various(quick_dataclass)
    sub: Any = type("Sub", (cls,), {})
    assert sub(1, needed=2).late == 3
    assert cls(2, needed=2).late == 4


@quick_dataclass(frozen=True, slots=True)
class Sent:
    value: int


def test_it_can_be_sent_to_another_process() -> None:
    made: Any = Sent
    assert pickle.loads(pickle.dumps(made(3))) == made(3)


def test_a_changed_copy_is_as_the_standard_library_makes_it() -> None:
    entry = TestEntry(nodeid="test_it", outcome="passed", routes={"GET /": 2}, connections=1)
    made = changed(entry, outcome="failed", duration=0.5)
    assert made == replace(entry, outcome="failed", duration=0.5)
    assert entry.outcome == "passed"
    with pytest.raises(TypeError, match="unknown"):
        changed(entry, unknown=1)
