"""Whether a loop takes one message after the other: what it does for each is an answer, and not a part of one task.

A consumer of a queue, a socket that is read line by line, a heartbeat: each round waits for somebody else, who decides
how many there are. Only the source tells what a round waits for; where there is none, a loop is a loop.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from types import CodeType, FrameType
from typing import Any

from pytest_querybudget.stacks.functions import COMPREHENSIONS, MAPS, UNREADABLE, name_in, parsed

# What takes a message wherever it is called on something, and what does so only where it is awaited: a file has it.
_TAKING = frozenset(
    """accept basic_get blpop brpop get_message get_nowait poll receive receive_bytes receive_json receive_text recv
    recv_bytes recv_json recv_multipart recv_pyobj recv_string recvfrom xread xreadgroup""".split()
)
_AWAITED = frozenset("read readexactly readline readuntil".split())
# What yields messages, and what is called so where it is one thing that does.
_YIELDING = frozenset("iter_bytes iter_json iter_text listen subscribe".split())
_YIELDERS = frozenset("consumer messages pubsub queue socket subscriber subscription websocket ws".split())
# What a queue or a clock is asked for, where a loop goes on until somebody says so and not until all is done.
_WAITING = frozenset("get sleep wait".split())
_WORDS = _TAKING | _AWAITED | _YIELDING | _YIELDERS | _WAITING
# What has a function `wait` that waits for tasks, which somebody in here has started.
_OF_TASKS = frozenset("asyncio concurrent futures".split())
# A queue is asked for its next message without saying which.
_HOW = frozenset(("block", "timeout"))
_LOOPS = (ast.While, ast.For, ast.AsyncFor)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# How many functions are remembered.
MOST_FUNCTIONS = 1_000


class Messages:
    """Remembers of each function that it was asked about in which lines it waits for messages in a loop."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[CodeType, frozenset[int]]] = {}

    def are_taken(self, frame: FrameType) -> bool:
        """Return whether the loop that a function stands in takes a message in each round."""
        code = frame.f_code
        known = self.known.get(id(code))
        if known is None:
            if len(self.known) >= MOST_FUNCTIONS:
                self.known.clear()
            known = self.known[id(code)] = code, _lines(code)
        return frame.f_lineno in known[1]


def _lines(code: CodeType) -> frozenset[int]:
    if _WORDS.isdisjoint((*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars)):
        return frozenset()
    try:
        node = parsed(code)
    except UNREADABLE:
        return frozenset()
    return frozenset(() if node is None else _taking(node.body))


def _taking(nodes: Sequence[ast.AST]) -> Iterator[int]:
    """Yield the lines in loops that take messages; what is in another loop inside of one is of that one."""
    for loop in _inside(nodes):
        if not isinstance(loop, _LOOPS):
            continue
        if takes_messages(loop):
            inner = {line for each in _inside(loop.body) if _repeats(each) for line in _span(each)}
            yield from (line for line in _span(loop) if line not in inner)
        yield from _taking(loop.body)


def _repeats(node: ast.AST) -> bool:
    maps = isinstance(node, ast.Call) and name_in(node.func) in MAPS
    return maps or isinstance(node, (*_LOOPS, *COMPREHENSIONS))


def _span(node: Any) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def takes_messages(loop: ast.stmt) -> bool:
    """Return whether each round of a loop waits for a message, or for a time."""
    if isinstance(loop, ast.AsyncFor):
        return _yields_messages(loop.iter)
    if not isinstance(loop, ast.While):
        # It goes through what there is.
        return False
    goes_on = isinstance(loop.test, ast.Constant) or any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) for each in ast.walk(loop.test)
    )
    passed = [loop.test, *_passed(loop.body)]
    return any(_is_taking(each, goes_on=goes_on) for each in _inside(passed))


def _passed(nodes: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Yield what each round passes: not what is done on a condition, or for what has failed."""
    for node in nodes:
        if isinstance(node, ast.If):
            yield node.test
        elif isinstance(node, ast.Try):
            yield from _passed(node.body)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield from (each.context_expr for each in node.items)
            yield from _passed(node.body)
        else:
            yield node


def _inside(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield what these nodes consist of, but for what is in a loop inside, or in a function that they define."""
    waiting: list[ast.AST] = [*reversed(nodes)]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_LOOPS, *_SCOPES)):
            waiting += reversed([*ast.iter_child_nodes(node)])


def _yields_messages(node: ast.expr) -> bool:
    return name_in(node.func) in _YIELDING if isinstance(node, ast.Call) else name_in(node) in _YIELDERS


def _is_taking(node: ast.AST, *, goes_on: bool) -> bool:
    if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
        return isinstance(node.value.func, ast.Attribute) and node.value.func.attr in _AWAITED
    if not isinstance(node, ast.Call):
        return False
    name = name_in(node.func)
    if name in _WAITING:
        return goes_on and _waits(node, name)
    return isinstance(node.func, ast.Attribute) and name in _TAKING


def _waits(node: ast.Call, name: str) -> bool:
    if name == "sleep":
        # To sleep for no time is to let others run.
        return not (node.args and isinstance(node.args[0], ast.Constant) and not node.args[0].value)
    if not isinstance(node.func, ast.Attribute):
        return False
    if name == "get":
        return not node.args and all(each.arg in _HOW for each in node.keywords)
    return name_in(node.func.value) not in _OF_TASKS
