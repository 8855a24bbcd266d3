"""Where a function starts others as tasks or threads, and what it hands over to be started: what its source says.

Nothing tells in public who has started a thread or a task. The source of a function that waits says which functions it
starts, and whether it does so in a loop; the bytecode would not say which name is an argument of which call. Where
there is no source, nothing is known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import NamedTuple

from pytest_querybudget.stacks.functions import COMPREHENSIONS, MAPS, UNREADABLE, Function, name_in, parsed
from pytest_querybudget.stacks.loops import Loops
from pytest_querybudget.stacks.messages import takes_messages

# What runs the coroutines that it is given, each as a task or by itself.
_OF_COROUTINES = frozenset(
    """as_completed create_task ensure_future gather run run_coroutine_threadsafe run_until_complete shield spawn
    wait""".split()
)
# What runs a function in a thread or task of its own, with its arguments, and at which place that function stands.
_OF_FUNCTIONS = {
    **dict.fromkeys(
        """apply_async run run_in_threadpool run_sync spawn start_new_thread start_soon submit sync_to_async
        to_thread""".split(),
        0,
    ),
    **dict.fromkeys("Process Thread run_in_executor".split(), 1),
}
# By these of them an application may call methods of its own, unless they are called on a context or a library.
_ANY_BODYS = frozenset("apply_async run spawn submit".split())
_LIBRARIES = frozenset("anyio asyncio context contextvars ctx from_thread trio".split())
_FUNCTIONS = frozenset("fn func function target".split())
# What these are called with may be among what somebody starts later.
_KEEPING = frozenset(
    "add append appendleft deque extend insert list partial put put_nowait set setdefault tuple".split()
)
# By these somebody else is told what to do.
_PUTTING = frozenset("put put_nowait".split())
# What is in these is handed on as it is.
_CONTAINERS = (ast.Starred, ast.List, ast.Tuple, ast.Set, ast.IfExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# How many functions are remembered.
MOST_SITES = 1_000
# The name of what is called, and as which argument it is given something: by position, -1 if not known, or by keyword.
Given = tuple[str, int | str]


class Mention(NamedTuple):
    """One place at which a function names another one: what it calls, or what it hands over.

    It is `repeated` in a loop, and `started` where a task or a thread is made of it; what is `awaited` runs in the same
    task. `timed` says that `wait_for` runs it: as a task up to Python 3.11, but messages are waited for like that, too.
    What is done `in_turn` is waited for in each round of the loop; one that `answers` takes a message in each.
    `given` are the calls among whose arguments it is.
    """

    repeated: bool
    started: bool
    awaited: bool
    timed: bool
    in_turn: bool
    called: bool
    given: frozenset[Given]
    answers: bool = False


class Site(NamedTuple):
    """What a function names, whether it starts anything `at_all`, and as which argument it is given what it loops for.

    What it was given one by one, and starts one by one, is as often as somebody has handed it over.
    """

    mentions: dict[str, list[Mention]]
    at_all: bool
    repeatedly: frozenset[int | str]


class Sites:
    """Remembers what the source says about each function that it was asked about."""

    def __init__(self, loops: Loops) -> None:
        self.loops = loops
        self.known: dict[int, tuple[CodeType, Site | None]] = {}

    def of(self, code: CodeType) -> Site | None:
        """Return what a function says about those that it starts, None where its source is not to be had."""
        known = self.known.get(id(code))
        if known is None:
            if len(self.known) >= MOST_SITES:
                self.known.clear()
            known = self.known[id(code)] = code, self._read(code)
        return known[1]

    def fills(self, code: CodeType) -> bool:
        """Return whether a function puts one thing after the other into a queue."""
        if _PUTTING.isdisjoint(self.loops.names(code)):
            return False
        site = self.of(code)
        return site is not None and any(each.repeated for name in _PUTTING for each in site.mentions.get(name, ()))

    def _read(self, code: CodeType) -> Site | None:
        try:
            node = parsed(code)
            return None if node is None else _Reader(code, self.loops).read(node)
        except UNREADABLE:
            return None


def name_of(code: CodeType) -> str:
    """Return by what name a function is mentioned: a lambda by where it is written."""
    if code.co_name == "<lambda>":
        return _name_of_lambda(code.co_filename, code.co_firstlineno)
    return code.co_name


def _name_of_lambda(filename: str, line: int) -> str:
    return f"<lambda> {filename}:{line}"


class _Context(NamedTuple):
    """Around an expression: what is done with it."""

    repeated: bool = False
    # A comprehension is a loop whatever its line; a statement may be one only for what fails.
    surely: bool = False
    # It is run where it is a coroutine, or where it is a function.
    runs_coroutine: bool = False
    runs_function: bool = False
    mapped: bool = False
    awaited: bool = False
    timed: bool = False
    in_turn: bool = False
    given: frozenset[Given] = frozenset()
    # The variables that refer to what comes of it.
    kept: frozenset[str] = frozenset()

    def plain(self) -> _Context:
        """What is done with what is only used to make something."""
        return _Context(self.repeated, self.surely, in_turn=self.in_turn, given=self.given)


class _Found(NamedTuple):
    """A mention, and the variables in which it is kept."""

    name: str
    mention: Mention
    kept: frozenset[str]


class _Reader:
    """Reads the source of one function."""

    def __init__(self, code: CodeType, loops: Loops) -> None:
        self.filename = code.co_filename
        self.looped, self.looped_in_part = loops.lines(code)
        self.found: list[_Found] = []
        # The variables of loops, each with the names of what it comes from.
        self.iterated: dict[str, set[str]] = {}
        # What is started by a variable's name, and whether in a loop.
        self.started: dict[str, bool] = {}
        # Where a variable is called for that, or handed over as a function.
        self.called: dict[str, list[Mention]] = {}
        # The names among the arguments of calls.
        self.handed: dict[str, set[Given]] = {}
        self.defined: list[Function] = []
        # Whether the loop that is being read takes messages.
        self.answering = False

    def read(self, node: Function) -> Site:
        """Return what a function says about those that it starts."""
        for each in node.body:
            self._statement(each, repeated=False)
        started = set(self.started)
        while more := set().union(*(self.iterated.get(each, ()) for each in started)) - started:
            started |= more
        mentions: dict[str, list[Mention]] = {}
        for name, mention, kept in self.found:
            given = mention.given.union(*(self.handed.get(each, ()) for each in kept))
            begun = mention.started or not (mention.awaited or kept.isdisjoint(started))
            noted = mention._replace(started=begun, given=given)
            # What is called by the name of a variable is called as often as that is, not as often as it was put there.
            calls = [one for each in kept if each not in self.iterated for one in self.called.get(each, ())]
            again = [noted._replace(repeated=each.repeated, in_turn=each.in_turn) for each in calls]
            mentions.setdefault(name, []).extend(again or [noted])
        same = {name for name, repeated in self.started.items() if repeated and name not in self.iterated}
        for each in self.defined:
            if each.name in same:
                same.update(_run_by(each))
        return Site(mentions, bool(self.started), frozenset(_arguments(node, same)))

    def _statement(self, node: ast.stmt, *, repeated: bool) -> None:
        if isinstance(node, _SCOPES):
            # What is defined inside is not done here.
            if not isinstance(node, ast.ClassDef):
                self.defined.append(node)
            return
        if isinstance(node, (ast.For, ast.AsyncFor)):
            self._expression(node.iter, _Context(repeated))
            self._bind(node.target, node.iter)
            self._loop_on_one_line(node.iter, node.body[0])
            self._rounds(node)
            self._statements(node.orelse, repeated=repeated)
        elif isinstance(node, ast.While):
            self._expression(node.test, _Context(repeated=True))
            self._loop_on_one_line(node.test, node.body[0])
            self._rounds(node)
            self._statements(node.orelse, repeated=repeated)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None:
                self._expression(node.value, _Context(repeated, kept=frozenset(_kept(targets))))
        else:
            for each in ast.iter_child_nodes(node):
                self._part(each, repeated=repeated)

    def _part(self, node: ast.AST, *, repeated: bool) -> None:
        """Read a part of a statement: an expression, a statement, or what holds some of them, as a handler does."""
        if isinstance(node, ast.stmt):
            self._statement(node, repeated=repeated)
        elif isinstance(node, ast.expr):
            self._expression(node, _Context(repeated))
        else:
            for each in ast.iter_child_nodes(node):
                self._part(each, repeated=repeated)

    def _statements(self, nodes: Iterable[ast.stmt], *, repeated: bool) -> None:
        for each in nodes:
            self._statement(each, repeated=repeated)

    def _rounds(self, loop: ast.For | ast.AsyncFor | ast.While) -> None:
        outer, self.answering = self.answering, takes_messages(loop)
        self._statements(loop.body, repeated=True)
        self.answering = outer

    def _expression(self, node: ast.expr, context: _Context) -> None:
        if isinstance(node, ast.Call):
            self._call(node, context)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            if isinstance(node.ctx, ast.Load):
                self._mention(node, context, called=False)
        elif isinstance(node, ast.Lambda):
            self._lambda(node, context)
        elif isinstance(node, ast.Await):
            within = _Context(context.repeated, context.surely, awaited=True, in_turn=True, kept=context.kept)
            self._expression(node.value, within)
        elif isinstance(node, COMPREHENSIONS):
            self._comprehension(node, context)
        elif isinstance(node, ast.NamedExpr):
            self._expression(node.value, context._replace(kept=context.kept | {node.target.id}))
        else:
            inner = context if isinstance(node, _CONTAINERS) else context.plain()
            for each in ast.iter_child_nodes(node):
                if isinstance(each, ast.expr):
                    self._expression(each, inner)

    def _lambda(self, node: ast.Lambda, context: _Context) -> None:
        self._note(_name_of_lambda(self.filename, node.lineno), node, context, called=False)
        if isinstance(node.body, ast.Call):
            # It has returned when the coroutine runs that it has made.
            made = context.plain()._replace(kept=context.kept)
            self._note(name_in(node.body.func), node.body.func, made, called=True)

    def _comprehension(self, node: ast.expr, context: _Context) -> None:
        inside = context._replace(repeated=True, surely=True, in_turn=False)
        for number, generator in enumerate(node.generators):  # type: ignore[attr-defined]
            self._expression(generator.iter, (inside if number else context).plain())
            self._bind(generator.target, generator.iter)
            for condition in generator.ifs:
                self._expression(condition, inside.plain())
        if isinstance(node, ast.DictComp):
            self._expression(node.key, inside.plain())
            self._expression(node.value, inside)
        else:
            self._expression(node.elt, inside)  # type: ignore[attr-defined]

    def _call(self, node: ast.Call, context: _Context) -> None:
        function = node.func
        name = name_in(function)
        if isinstance(function, (ast.Name, ast.Attribute)):
            receiver = self._mention(function, context, called=True)
        else:
            receiver = None
            self._expression(function, context.plain())
        kept = context.kept
        if receiver is not None and name == "start":
            # A thread, which is made before.
            self._start(receiver, context.repeated)
            if isinstance(receiver, ast.Call):
                self._expression(receiver, context._replace(runs_function=True))
                return
        if receiver is not None and name in _KEEPING:
            kept |= set(_kept([receiver]))
        is_kept = name in _KEEPING or name in _OF_FUNCTIONS or name in _OF_COROUTINES or name in MAPS
        inner = context.plain()._replace(kept=kept if is_kept else frozenset())
        place = _place_of_function(node, name)
        if 0 <= place < len(node.args) and isinstance(node.args[place], (ast.List, ast.Tuple, ast.Set)):
            # It is only called like what takes a function.
            place = -1
        called = _in_function(inner, context, name, in_threads=receiver is not None)
        other = _in_other(inner, context, name)
        at: int | str
        for at, each in enumerate(node.args):
            is_known = not any(isinstance(one, ast.Starred) for one in node.args[: at + 1])
            self._argument(each, called if at == place else other, context.given, (name, at if is_known else -1))
        for word in node.keywords:
            is_function = place >= 0 and word.arg in _FUNCTIONS
            self._argument(word.value, called if is_function else other, context.given, (name, word.arg or -1))

    def _argument(self, node: ast.expr, context: _Context, outer: frozenset[Given], given: Given) -> None:
        self._expression(node, context._replace(given=outer | {given}))
        for each in _names([node]):
            self.handed.setdefault(each, set()).add(given)

    def _mention(self, node: ast.Name | ast.Attribute, context: _Context, *, called: bool) -> ast.expr | None:
        """Note what a name stands for; return on what it is called."""
        self._note(name_in(node), node, context, called=called)
        if (context.runs_function and not called) or (context.runs_coroutine and not context.awaited):
            # Where each is waited for in turn, it shows by the frame whether there was another round.
            self._start(node, self._is_repeated(node, context) and not context.in_turn)
        if isinstance(node, ast.Attribute):
            if not isinstance(node.value, (ast.Name, ast.Attribute)) and not (called and node.attr == "start"):
                in_turn = context.in_turn or node.attr == "result"
                self._expression(node.value, context.plain()._replace(in_turn=in_turn))
            return node.value
        return None

    def _start(self, node: ast.expr, repeated: bool) -> None:
        name = name_in(node)
        if name:
            self.started[name] = self.started.get(name, False) or repeated

    def _note(self, name: str, node: ast.expr, context: _Context, *, called: bool) -> None:
        # What is made of a class is called by the thread.
        calls = context.runs_function and name[:1].isupper()
        started = (context.runs_coroutine or calls) if called else (context.runs_function or context.runs_coroutine)
        repeated = self._is_repeated(node, context)
        answers = self.answering and not (context.mapped or context.surely)
        mention = Mention(
            repeated, started, context.awaited, context.timed, context.in_turn, called, context.given, answers
        )
        self.found.append(_Found(name, mention, context.kept))
        # A coroutine is itself no function that is called again, nor is what tasks are in.
        runs = (
            context.runs_coroutine if called else context.runs_function or (context.mapped and context.runs_coroutine)
        )
        if runs:
            self.called.setdefault(name, []).append(mention)

    def _is_repeated(self, node: ast.expr, context: _Context) -> bool:
        """Return whether the bytecode has a loop there, too: a loop that only an exception leads back to is a retry."""
        if context.mapped or context.surely or not context.repeated:
            return context.mapped or context.surely
        return not self.looped.isdisjoint(range(node.lineno, (node.end_lineno or node.lineno) + 1))

    def _loop_on_one_line(self, head: ast.expr, body: ast.stmt) -> None:
        """Take a line for one in a loop where that begins in front of it: what comes first on the line is done once."""
        if body.lineno == head.end_lineno and body.lineno in self.looped_in_part:
            self.looped |= {body.lineno}

    def _bind(self, target: ast.expr, source: ast.expr) -> None:
        names = set(_names([source]))
        for each in _names([target]):
            self.iterated.setdefault(each, set()).update(names)


def _arguments(node: Function, names: set[str]) -> Iterator[int | str]:
    """Yield as which arguments a function is given these parameters, by position and by keyword."""
    positional = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
    if positional[:1] in (["self"], ["cls"]):
        positional = positional[1:]
    for number, each in enumerate(positional):
        if each in names:
            yield number
    yield from names.intersection((*positional, *(each.arg for each in node.args.kwonlyargs)))


def _run_by(node: Function) -> set[str]:
    """Return the names of what a function that is defined inside of another one runs of the other's."""
    found: set[str] = set()
    own: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.arg):
            own.add(each.arg)
        elif isinstance(each, ast.Call):
            place = _place_of_function(each, name_in(each.func))
            run = each.args[place] if 0 <= place < len(each.args) else each.func
            found.update((name_in(run), name_in(each.func)) if isinstance(each.func, ast.Name) else [name_in(run)])
    return found - own


def _place_of_function(node: ast.Call, name: str) -> int:
    """Return which argument of the call of `name` is a function that it calls, -1 where none is."""
    if name in MAPS:
        return 0
    place = 0 if name == "partial" else _OF_FUNCTIONS.get(name, -1)
    if 0 <= place < len(node.args) and _is_a_librarys(node.args[place]):
        # It starts what starts that.
        further = place + 1 + _OF_FUNCTIONS[name_in(node.args[place])]
        if further < len(node.args) and isinstance(node.args[further], (ast.Name, ast.Attribute, ast.Lambda, ast.Call)):
            return further
    return place


def _is_a_librarys(node: ast.expr) -> bool:
    """Return whether an expression stands for what a library runs functions with, and not for what is called so."""
    name = name_in(node)
    if name not in _ANY_BODYS or not isinstance(node, ast.Attribute):
        return name in _OF_FUNCTIONS and name not in _ANY_BODYS
    on = node.value.func if isinstance(node.value, ast.Call) else node.value
    return not _LIBRARIES.isdisjoint((name_in(on), *name_in(on).lower().split("_")))


def _in_function(inner: _Context, outer: _Context, name: str, *, in_threads: bool) -> _Context:
    """Return the context of the argument of `name` that is a function."""
    maps = name in MAPS
    handed_on = maps or name == "partial"
    return inner._replace(
        mapped=maps or (handed_on and outer.mapped),
        in_turn=inner.in_turn and not maps,
        runs_coroutine=outer.runs_coroutine if handed_on else name in _OF_COROUTINES,
        runs_function=(maps and in_threads) or outer.runs_function if handed_on else True,
    )


def _in_other(inner: _Context, outer: _Context, name: str) -> _Context:
    """Return the context of any other argument of `name`."""
    timed = name == "wait_for"
    return inner._replace(runs_coroutine=name in _OF_COROUTINES or (timed and outer.runs_coroutine), timed=timed)


def _names(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """Yield the names that expressions consist of, but for what calls and attributes make of others."""
    for node in nodes:
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield name_in(node)
        elif not isinstance(node, (ast.Lambda, ast.Await, *COMPREHENSIONS)):
            children = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
            yield from _names(each for each in children if isinstance(each, ast.expr))


def _kept(targets: Iterable[ast.expr]) -> Iterator[str]:
    """Yield the names of the variables in which targets are."""
    for each in targets:
        if isinstance(each, ast.Subscript):
            yield from _kept([each.value])
        elif isinstance(each, (ast.Tuple, ast.List, ast.Starred)):
            yield from _kept(one for one in ast.iter_child_nodes(each) if isinstance(one, ast.expr))
        elif name_in(each):
            yield name_in(each)
