"""Which literal of a `parametrize` list is which parameter set of a node id."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

import libcst as cst

from pytest_querybudget.markers.figures import Case
from pytest_querybudget.markers.syntax import dotted, elements
from pytest_querybudget.values import dataclass

_MOST_SETS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parametrize:
    """One `parametrize` decorator whose values are written out: its argument names and its values."""

    arguments: tuple[str, ...]
    values: tuple[cst.BaseExpression, ...]
    ids: tuple[tuple[str, ...], ...]


def match(function: cst.FunctionDef, cases: list[Case]) -> tuple[list[Parametrize], list[tuple[int, ...]]] | None:
    """Tell for each case which value of each decorator it ran with.

    None when it cannot be told for every case: values that are computed, parameters of fixtures or classes,
    ids made by a function.
    """
    calls = [each.decorator for each in function.decorators if isinstance(each.decorator, cst.Call)]
    found = [_read(call) for call in calls if (dotted(call.func) or "").endswith("mark.parametrize")]
    decorators = [each for each in reversed(found) if each]
    sets = 1
    for each in decorators:
        sets *= len(each.values)
    if not decorators or len(decorators) != len(found) or sets > _MOST_SETS:
        return None
    known: dict[str, tuple[int, ...]] = {}
    for indexes in itertools.product(*(range(len(each.values)) for each in decorators)):
        for name in _names(decorators, indexes):
            if known.setdefault(name, indexes) != indexes:
                return None  # two values could have this id
    if any(case.param not in known for case in cases):
        return None
    return decorators, [known[case.param] for case in cases if case.param is not None]


def _names(decorators: list[Parametrize], indexes: tuple[int, ...]) -> Iterator[str]:
    # The decorator next to the function comes first in the id.
    choices = (each.ids[index] for each, index in zip(decorators, indexes, strict=True))
    return ("-".join(parts) for parts in itertools.product(*choices))


def _read(node: cst.Call) -> Parametrize | None:
    given = {arg.keyword.value if arg.keyword else ("argnames", "argvalues")[index]: arg.value
             for index, arg in enumerate(node.args) if not arg.star and (arg.keyword or index < 2)}  # fmt: skip
    names, values = given.get("argnames"), given.get("argvalues")
    if names is None or not isinstance(values, (cst.List, cst.Tuple)):
        return None
    arguments = _arguments(names)
    if not arguments or any(isinstance(each, cst.StarredElement) for each in values.elements):
        return None
    ids = _explicit(given.get("ids"), len(values.elements))
    if len(ids) != len(values.elements):
        return None
    return Parametrize(
        arguments=arguments,
        values=tuple(each.value for each in values.elements),
        ids=tuple(
            (own,) if own is not None else _ids(each.value, arguments, index)
            for index, (each, own) in enumerate(zip(values.elements, ids, strict=True))
        ),
    )


def _arguments(names: cst.BaseExpression) -> tuple[str, ...]:
    texts = [_literal(each) for each in elements(names)]
    if isinstance(names, (cst.List, cst.Tuple)):
        return tuple(text for text in texts if isinstance(text, str))
    return tuple(part.strip() for part in str(texts[0]).split(",") if part.strip()) if texts[0] else ()


def _explicit(ids: cst.BaseExpression | None, count: int) -> list[str | None]:
    """The ids that are written out, None for one that pytest makes; empty when a function makes them."""
    if ids is None or dotted(ids) == "None":
        return [None] * count
    texts = [_literal(each) for each in elements(ids)] if isinstance(ids, (cst.List, cst.Tuple)) else []
    return [_escaped(each) if isinstance(each, str) else None for each in texts]


def _ids(value: cst.BaseExpression, arguments: tuple[str, ...], index: int) -> tuple[str, ...]:
    values = elements(value) if len(arguments) > 1 else [value]
    call = param_call(value)
    if call:
        for arg in call.args:
            if arg.keyword and arg.keyword.value == "id":
                own = _literal(arg.value)
                return (_escaped(own),) if isinstance(own, str) else ()
        values = [
            each for arg in call.args if not arg.keyword for each in (elements(arg.value) if arg.star else [arg.value])
        ]
    if len(values) != len(arguments):
        return ()
    choices = [_id(each, name, index) for each, name in zip(values, arguments, strict=True)]
    return tuple(dict.fromkeys("-".join(parts) for parts in itertools.product(*choices)))


def _id(value: cst.BaseExpression, name: str, index: int) -> tuple[str, ...]:
    """What pytest may call a value: a literal by itself, a class or an enum's member by name, all else by number."""
    literal = _literal(value)
    if isinstance(literal, str):
        return (_escaped(literal),)
    if isinstance(literal, (bool, int, float, complex)) or dotted(value) == "None":
        return (str(literal),)
    path = dotted(value)
    spelled = (path, path.rpartition(".")[2]) if path else ()
    return (f"{name}{index}", *spelled)


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def _literal(node: cst.BaseExpression) -> object:
    try:
        return ast.literal_eval(cst.Module(body=[]).code_for_node(node))
    except (ValueError, SyntaxError):
        return None


def param_call(value: cst.CSTNode) -> cst.Call | None:
    """A value that is a `pytest.param(…)`."""
    if isinstance(value, cst.Call) and (dotted(value.func) or "").rpartition(".")[2] == "param":
        return value
    return None
