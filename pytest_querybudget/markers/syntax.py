"""What a test file says of budgets: its tests, classes, markers and parameters, found in its concrete syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import field

import libcst as cst

from pytest_querybudget.markers.figures import Names
from pytest_querybudget.values import dataclass

_KINDS = frozenset({"select", "insert", "update", "delete", "ddl", "other"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A number in a budget that may be lowered: its node, and the kind of statement that it limits (None: all)."""

    node: cst.Integer
    kind: str | None

    @property
    def value(self) -> int:
        """The number as it stands there."""
        return int(ast.literal_eval(self.node.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget for the number of statements; without limits it is none that can be lowered."""

    limits: tuple[Limit, ...] = ()


@dataclass(slots=True, kw_only=True)
class Class:
    """A class of the file, or the file itself: its bases by their last name, its budgets, whether it is redefined."""

    bases: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    times: int = 1


@dataclass(slots=True, kw_only=True)
class Function:
    """A test function; `times` is how often the file defines that name."""

    node: cst.FunctionDef
    budgets: tuple[Budget, ...]
    times: int = 1


@dataclass(slots=True, kw_only=True)
class Outline:
    """What a file defines, and how it calls pytest; the empty tuple of names is the file itself."""

    functions: dict[Names, Function] = field(default_factory=dict)
    classes: dict[Names, Class] = field(default_factory=dict)
    pytest: str | None = None
    mark: str | None = None
    param: str | None = None
    aliases: frozenset[str] = frozenset()

    def definition(self, names: Names) -> Names | None:
        """Where a test is defined in this file: in its class, or in the classes of this file that it inherits from."""
        if names in self.functions:
            return names
        for base in self.ancestors(names[:-1]):
            if (*base, names[-1]) in self.functions:
                return (*base, names[-1])
        return None

    def ancestors(self, names: Names) -> Iterator[Names]:
        """The classes of this file that a class inherits from, nearest first."""
        seen, queue = {names}, [names]
        while queue:
            for base in self.classes[queue[0]].bases if queue[0] in self.classes else ():
                if (base,) in self.classes and (base,) not in seen:
                    seen.add((base,))
                    queue.append((base,))
                    yield (base,)
            queue.pop(0)

    def foreign_bases(self, names: Names) -> set[str]:
        """The last names of what a class inherits from in other files."""
        family = [names, *self.ancestors(names)]
        bases = {base for each in family if each in self.classes for base in self.classes[each].bases}
        return {base for base in bases if (base,) not in self.classes}


def outline(module: cst.Module) -> Outline:
    """Read a file."""
    found = Outline(classes={(): Class()})
    _read_imports(module, found)
    found.aliases = frozenset(_aliases(module))
    module.visit(_Reader(found))
    found.classes[()].budgets += _pytestmark(module.body, found)
    return found


class _Reader(cst.CSTVisitor):
    """Walks classes and functions, not what is inside of functions."""

    def __init__(self, found: Outline) -> None:
        self.found = found
        self.names: Names = ()

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:  # noqa: N802 - libcst's name
        self.names = (*self.names, node.name.value)
        known = self.found.classes.get(self.names)
        bases = [dotted(each.value) for each in node.bases]
        self.found.classes[self.names] = Class(
            bases=tuple(base.rpartition(".")[2] for base in bases if base),
            budgets=(*decorated(node, self.found), *_pytestmark(node.body.body, self.found)),
            times=known.times + 1 if known else 1,
        )
        return True

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:  # noqa: ARG002, N802 - libcst's names
        self.names = self.names[:-1]

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802 - libcst's name
        names = (*self.names, node.name.value)
        known = self.found.functions.get(names)
        self.found.functions[names] = Function(
            node=node, budgets=tuple(decorated(node, self.found)), times=known.times + 1 if known else 1
        )
        return False


def decorated(node: cst.ClassDef | cst.FunctionDef, found: Outline) -> Iterator[Budget]:
    """The budgets among the decorators."""
    for decorator in node.decorators:
        yield from budgets([decorator.decorator], found)


def budgets(marks: Sequence[cst.BaseExpression], found: Outline) -> Iterator[Budget]:
    """The budgets among marks: `max_queries(…)`, `query_budget(max_queries=…)`, or a name that stands for one."""
    for mark in marks:
        call = mark if isinstance(mark, cst.Call) else None
        name = dotted(call.func if call else mark) or ""
        if name in found.aliases:
            yield Budget()
        elif name.endswith("mark.max_queries"):
            yield Budget(limits=tuple(_limits(call)) if call else ())
        elif name.endswith("mark.query_budget") and call:
            for arg in call.args:
                if arg.keyword and arg.keyword.value == "max_queries":
                    yield Budget(limits=_limit(arg.value, None))


def _limits(call: cst.Call) -> Iterator[Limit]:
    keywords = {arg.keyword.value: arg.value for arg in call.args if arg.keyword}
    phase = keywords.get("phase")
    if phase is not None and not (isinstance(phase, cst.SimpleString) and phase.evaluated_value == "call"):
        return  # fixtures of a whole session run in whichever test comes first: their figures are no floor
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else "n"
        if not arg.star and name == "n" and (arg.keyword or index == 0):
            yield from _limit(arg.value, None)
        elif name in _KINDS:
            yield from _limit(arg.value, name)


def _limit(value: cst.BaseExpression, kind: str | None) -> tuple[Limit, ...]:
    return (Limit(node=value, kind=kind),) if isinstance(value, cst.Integer) else ()


def _pytestmark(body: Sequence[cst.BaseStatement | cst.BaseSmallStatement], found: Outline) -> tuple[Budget, ...]:
    marks: list[cst.BaseExpression] = []
    for name, value in assignments(body):
        if name == "pytestmark":
            marks += elements(value)
    return tuple(budgets(marks, found))


def elements(value: cst.BaseExpression) -> list[cst.BaseExpression]:
    """The items of a list or tuple that is written out; anything else is its own only item."""
    return [each.value for each in value.elements] if isinstance(value, (cst.List, cst.Tuple)) else [value]


def assignments(
    body: Sequence[cst.BaseStatement | cst.BaseSmallStatement],
) -> Iterator[tuple[str, cst.BaseExpression]]:
    """The names that a body assigns, with their values."""
    for line in body:
        for each in line.body if isinstance(line, cst.SimpleStatementLine) else [line]:
            if isinstance(each, cst.Assign):
                for target in each.targets:
                    yield dotted(target.target) or "", each.value
            elif isinstance(each, (cst.AnnAssign, cst.AugAssign)) and each.value is not None:
                yield dotted(each.target) or "", each.value


def _aliases(module: cst.Module) -> Iterator[str]:
    nothing = Outline()
    for name, value in assignments(module.body):
        if name != "pytestmark" and any(budgets(elements(value), nothing)):
            yield name


def _read_imports(module: cst.Module, found: Outline) -> None:
    for line in module.body:
        for each in line.body if isinstance(line, cst.SimpleStatementLine) else []:
            if isinstance(each, cst.Import):
                for name in each.names:
                    if name.evaluated_name == "pytest":
                        found.pytest = name.evaluated_alias or "pytest"
            elif isinstance(each, cst.ImportFrom) and each.module and dotted(each.module) == "pytest":
                for name in each.names if not isinstance(each.names, cst.ImportStar) else ():
                    if name.evaluated_name == "mark":
                        found.mark = name.evaluated_alias or "mark"
                    elif name.evaluated_name == "param":
                        found.param = name.evaluated_alias or "param"


def dotted(node: cst.CSTNode) -> str | None:
    """`a.b.c` as text, or None for any other expression."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr.value}" if before else None
    return None
