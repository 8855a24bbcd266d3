"""A test file with budgets that fit: pure, from source text and figures to source text.

Nothing is ever raised. A budget is lowered where it has slack; a test without one, neither its own nor one of its
class or module, gets one; parameters that differ get one each, where their values are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field

import libcst as cst

from pytest_querybudget.markers import parameters
from pytest_querybudget.markers.figures import Case, Names
from pytest_querybudget.markers.imports import with_import
from pytest_querybudget.markers.parameters import Parametrize, param_call
from pytest_querybudget.markers.syntax import Budget, Function, Outline, budgets, dotted, elements, outline
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """The new text, which is the old one when there is nothing to do, and why tests were left alone."""

    source: str
    left: dict[Names, str] = field(default_factory=dict)


_PARTLY = "not all of it ran and passed"

Edit = Callable[[cst.CSTNode], cst.CSTNode]


def rewrite(
    source: str,
    figures: Mapping[Names, Sequence[Case]],
    *,
    exact: bool = False,
    complete: bool = True,
    inherited: frozenset[str] = frozenset(),
) -> Rewrite:
    """Write budgets into one test file.

    `exact` adds `exact=True` where one number holds for all. `complete` says that every test of the suite ran, so that
    a budget for several tests may be lowered too. `inherited` are the names of classes that other files inherit from.
    Raises `ValueError` when the source is no Python.
    """
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise ValueError(f"line {error.raw_line}: {error.message.splitlines()[0]}") from None
    plan = _Plan(outline(module), exact=exact, complete=complete, inherited=inherited)
    plan.make(figures)
    if not plan.edits:
        return Rewrite(source=source, left=plan.left)
    module = module.visit(_Editor(plan.edits))
    if plan.imports:
        module = with_import(module)
    return Rewrite(source=module.code, left=plan.left)


class _Plan:
    """What to change, by the node that it concerns."""

    def __init__(self, found: Outline, *, exact: bool, complete: bool, inherited: frozenset[str]) -> None:
        self.found, self.exact, self.complete, self.inherited = found, exact, complete, inherited
        self.edits: dict[int, Edit] = {}
        self.left: dict[Names, str] = {}
        self.imports = False

    def make(self, figures: Mapping[Names, Sequence[Case]]) -> None:
        """Decide for every function, then for the classes and for the file."""
        cases: dict[Names, list[Case]] = {}
        for names, measured in figures.items():
            target = self.found.definition(names)
            if target is None:
                self.left[names] = "no function of this file"
            else:
                cases.setdefault(target, []).extend(measured)
        for names, measured in cases.items():
            reason = self._function(names, measured)
            if reason:
                self.left[names] = reason
        if self.complete:
            self._groups(figures)

    def _function(self, names: Names, cases: list[Case]) -> str | None:
        """Decide for one function, and say why when it is left alone."""
        function = self.found.functions[names]
        if function.times > 1:
            return "defined more than once"
        if any(_last(each.decorator) == "given" for each in function.node.decorators):
            return "runs examples, which differ"
        pairs = parameters.match(function.node, cases)
        if not pairs and not self.complete and any(case.param is not None for case in cases):
            return "not all of its parameters ran"
        whole = all(case.passed for case in cases) and (not pairs or self._sees_all(pairs[0], cases))
        if pairs:
            self._lower_parameters(*pairs, cases)
        if function.budgets:
            for budget in function.budgets if whole else ():
                self._lower(budget, cases)
            return None if whole else _PARTLY
        return None if self._outer_budgets(names) else self._add(function, cases, pairs, whole=whole)

    def _sees_all(self, decorators: list[Parametrize], cases: list[Case]) -> bool:
        sets = 1
        for each in decorators:
            sets *= len(each.values)
        return self.complete or len({case.param for case in cases}) == sets

    def _outer_budgets(self, names: Names) -> bool:
        around = [names[:end] for end in range(len(names))]
        around += [base for each in around for base in self.found.ancestors(each)]
        return any(self.found.classes[each].budgets for each in around if each in self.found.classes)

    def _add(
        self,
        function: Function,
        cases: list[Case],
        pairs: tuple[list[Parametrize], list[tuple[int, ...]]] | None,
        *,
        whole: bool,
    ) -> str | None:
        passed = [case for case in cases if case.passed]
        most = max((case.queries() for case in passed), default=0)
        if not most:
            return None if whole else _PARTLY
        if pairs:
            cases_left = [each for each in zip(pairs[1], cases, strict=True) if not self._has_own(pairs[0], each[0])]
            if not cases_left:
                return None
            best = self._best_decorator(pairs[0], cases_left, whole=whole)
            if best is not None:
                self._add_to_parameters(*best)
                return None
        if not whole:
            return _PARTLY
        exact = self.exact and all(case.queries() == most for case in cases)
        self.edits[id(function.node)] = lambda node: _decorated(node, self._marker(most, exact=exact))
        return None

    def _has_own(self, decorators: list[Parametrize], indexes: tuple[int, ...]) -> bool:
        """Whether one of the values that a case ran with has a budget of its own."""
        values = (each.values[index] for each, index in zip(decorators, indexes, strict=True))
        return any(any(budgets(_marks(value), self.found)) for value in values)

    def _best_decorator(
        self, decorators: list[Parametrize], cases: list[tuple[tuple[int, ...], Case]], *, whole: bool
    ) -> tuple[Parametrize, dict[int, list[Case]]] | None:
        """The decorator whose values explain the figures best.

        None when they explain no more than one number for the whole function would, if that is to be had.
        """
        if len(decorators) > 1 and not self.complete:
            return None  # a value may have run with some of the others only
        best, slack = None, _slack([case for _, case in cases]) if whole else None
        for position, decorator in enumerate(decorators):
            groups: dict[int, list[Case]] = {}
            for indexes, case in cases:
                groups.setdefault(indexes[position], []).append(case)
            safe = {index: group for index, group in groups.items() if all(case.passed for case in group)}
            loose = sum(_slack(group) for group in safe.values())
            if safe and (slack is None or loose < slack):
                best, slack = (decorator, safe), loose
        return best

    def _add_to_parameters(self, decorator: Parametrize, groups: dict[int, list[Case]]) -> None:
        for index, group in groups.items():
            value, many = decorator.values[index], len(decorator.arguments) > 1
            figures = {case.queries() for case in group}
            marker = self._marker(max(figures), exact=self.exact and len(figures) == 1)
            name = self._param()
            self.edits[id(value)] = lambda node, mark=marker, name=name, many=many: _marked(  # type: ignore[misc]
                node, mark, name, many=many
            )

    def _lower_parameters(
        self, decorators: list[Parametrize], indexes: list[tuple[int, ...]], cases: list[Case]
    ) -> None:
        for position, decorator in enumerate(decorators):
            for index, value in enumerate(decorator.values):
                group = [case for case, each in zip(cases, indexes, strict=True) if each[position] == index]
                ran = len(decorators) == 1 or self.complete
                if ran and group and all(case.passed for case in group):
                    for budget in budgets(_marks(value), self.found):
                        self._lower(budget, group)

    def _groups(self, figures: Mapping[Names, Sequence[Case]]) -> None:
        for names, group in self.found.classes.items():
            family = {each for each in self.found.classes if each == names or names in self.found.ancestors(each)}
            if not group.budgets or group.times > 1 or self.inherited & {each[-1] for each in family if each}:
                continue
            covered = [case for name, cases in figures.items() if self._covers(names, family, name) for case in cases]
            if covered and all(case.passed for case in covered):
                for budget in group.budgets:
                    self._lower(budget, covered)

    def _covers(self, group: Names, family: set[Names], names: Names) -> bool:
        """Whether a budget of a class or of the file is the nearest that a test has, or may be.

        One that has a nearer budget of its own is out; that of a parameter or a base is not looked for.
        """
        if not group or any(names[: len(each)] == each for each in family):
            target = self.found.definition(names)
            function = self.found.functions.get(target) if target else None
            inner = [names[:end] for end in range(len(group) + 1, len(names))]
            nearer = any(self.found.classes[each].budgets for each in inner if each in self.found.classes)
            return not (function and function.budgets) and not (nearer and names[: len(group)] == group)
        return False

    def _lower(self, budget: Budget, cases: Sequence[Case]) -> None:
        for limit in budget.limits:
            most = max(case.queries(limit.kind) for case in cases)
            if most < limit.value:
                self.edits[id(limit.node)] = lambda _, most=most: cst.Integer(str(most))  # type: ignore[misc]

    def _marker(self, number: int, *, exact: bool) -> str:
        if self.found.pytest:
            mark = f"{self.found.pytest}.mark"
        elif self.found.mark:
            mark = self.found.mark
        else:
            mark, self.imports = "pytest.mark", True
        return f"{mark}.max_queries({number}{', exact=True' if exact else ''})"

    def _param(self) -> str:
        if self.found.pytest or not self.found.param:
            self.imports = self.imports or not self.found.pytest
            return f"{self.found.pytest or 'pytest'}.param"
        return self.found.param


def _slack(cases: Sequence[Case]) -> int:
    """How far the cases are below the one number that would hold for all of them."""
    figures = [case.queries() for case in cases]
    return max(figures) * len(figures) - sum(figures)


class _Editor(cst.CSTTransformer):
    """Makes the planned changes, and leaves every other byte as it is."""

    def __init__(self, edits: Mapping[int, Edit]) -> None:
        self.edits = edits
        self.bodies: set[int] = set()

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Walk past the bodies of functions, most of the file: nothing is changed in them."""
        if isinstance(node, cst.FunctionDef):
            self.bodies.add(id(node.body))
        return id(node) not in self.bodies

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
        edit = self.edits.get(id(original_node))
        return edit(updated_node) if edit else updated_node


def _decorated(node: cst.CSTNode, marker: str) -> cst.CSTNode:
    function = cst.ensure_type(node, cst.FunctionDef)
    new = cst.Decorator(decorator=cst.parse_expression(marker))
    return function.with_changes(decorators=[new, *function.decorators])


def _marked(value: cst.BaseExpression, marker: str, param: str, *, many: bool) -> cst.CSTNode:
    """A value of a `parametrize` list with one more mark."""
    mark, call = cst.parse_expression(marker), param_call(value)
    if call:
        return _with_mark(call, mark)
    keyword = cst.Arg(keyword=cst.Name("marks"), value=mark, equal=_TIGHT)
    args = list(_arguments(value)) if many else [cst.Arg(value=value, comma=_COMMA)]
    return cst.Call(func=cst.parse_expression(param), args=[*args, keyword])


_TIGHT = cst.AssignEqual(whitespace_before=cst.SimpleWhitespace(""), whitespace_after=cst.SimpleWhitespace(""))
_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _arguments(value: cst.BaseExpression) -> Iterator[cst.Arg]:
    written_out = isinstance(value, (cst.Tuple, cst.List)) and "#" not in cst.Module(body=[]).code_for_node(value)
    values = value.elements if isinstance(value, (cst.Tuple, cst.List)) and written_out else ()
    if not values or any(isinstance(each, cst.StarredElement) for each in values):
        yield cst.Arg(star="*", value=value, comma=_COMMA)
        return
    for each in values:
        yield cst.Arg(value=each.value, comma=_COMMA)


def _with_mark(call: cst.Call, mark: cst.BaseExpression) -> cst.Call:
    for index, arg in enumerate(call.args):
        if arg.keyword and arg.keyword.value == "marks":
            marks = [cst.Element(each) for each in (*elements(arg.value), mark)]
            new = arg.with_changes(value=cst.List(marks))
            return call.with_changes(args=[*call.args[:index], new, *call.args[index + 1 :]])
    if not call.args:
        return call
    *before, last = call.args
    # A trailing comma, with the line break that may follow it, stays at the end.
    new = cst.Arg(keyword=cst.Name("marks"), value=mark, equal=_TIGHT, comma=last.comma)
    return call.with_changes(args=[*before, last.with_changes(comma=_COMMA), new])


def _marks(value: cst.BaseExpression) -> list[cst.BaseExpression]:
    call = param_call(value)
    if call:
        for arg in call.args:
            if arg.keyword and arg.keyword.value == "marks":
                return elements(arg.value)
    return []


def _last(node: cst.BaseExpression) -> str:
    return (dotted(node.func if isinstance(node, cst.Call) else node) or "").rpartition(".")[2]
