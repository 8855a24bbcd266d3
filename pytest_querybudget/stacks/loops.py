"""Whether an instruction lies in a loop of its own function.

The bytecode says it for every way to write a loop (`for`, `while`, a comprehension, a generator expression) and
without the source: an instruction is in a loop when control can come back to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dis import EXTENDED_ARG, get_instructions, hasjabs, hasjrel, opmap
from itertools import pairwise
from types import CodeType, FrameType
from typing import TypeVar

T = TypeVar("T")
# How many functions are remembered.
MOST_CODES = 10_000


def _opcodes(*names: str) -> frozenset[int]:
    """Return the numbers of those instructions that this version of Python has."""
    return frozenset(opmap[each] for each in names if each in opmap)


_CACHE = 0
# `await` and `yield from` poll their awaitable with a jump back; that is waiting, not looping.
_WAITING = _opcodes("JUMP_BACKWARD_NO_INTERRUPT")
_NO_FALLTHROUGH = _opcodes(
    *"JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD RETURN_VALUE RETURN_CONST RAISE_VARARGS RERAISE".split()
)
_ABSOLUTE = frozenset(hasjabs) - _WAITING
_BACK = frozenset(number for name, number in opmap.items() if "BACKWARD" in name) - _WAITING
_FORTH = frozenset(hasjrel) - _BACK - _WAITING
# No loop is without one of these: most functions have none, and need not be taken apart.
_BACKWARD = _ABSOLUTE | _BACK
# What a function calls the parts of a list that it works off.
_PARTS = frozenset(
    """batch batched batches block blocks bucket buckets chunk chunked chunks islice page pages part partition
    partitions parts portion portions slice slices sliced window windows""".split()
)
_SLICING = _opcodes("BUILD_SLICE", "BINARY_SLICE")
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
# What bounds a slice that only leaves out a header, or what comes last.
_TRIMMED = frozenset({None, 0, 1, -1})
# Before Python 3.11 an instruction of its own begins what an exception leaves; where it ends is where that jumps to.
_GUARDING = _opcodes("SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH")
_POPPING = _opcodes("POP_BLOCK")


class Loops:
    """Remembers, for each code object it was asked about, which instructions lie in a loop."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[CodeType, frozenset[int]]] = {}
        self.parting: dict[int, tuple[CodeType, bool]] = {}
        self.naming: dict[int, tuple[CodeType, frozenset[str | int]]] = {}
        self.retrying: dict[int, tuple[CodeType, frozenset[int]]] = {}

    def parts(self, code: CodeType) -> bool:
        """Return whether a function looks as if it worked off a list in parts: it cuts slices, or names its parts."""
        known = self.parting.get(id(code))
        if known is None:
            names = {*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars}
            words = {word for name in names for word in name.lower().split("_")}
            known = _remember(self.parting, code, not words.isdisjoint(_PARTS) or _cuts(code))
        return known[1]

    def names(self, code: CodeType) -> frozenset[str | int]:
        """Return the names that a function uses, with what it defines inside, and the ids of the code of that."""
        known = self.naming.get(id(code))
        if known is None:
            known = _remember(self.naming, code, frozenset(_names(code)))
        return known[1]

    def contains(self, code: CodeType, instruction: int) -> bool:
        """Return whether the instruction at this offset of `code` lies in a loop of `code`."""
        known = self.known.get(id(code))
        if known is None:
            known = _remember(self.known, code, looping(code))
        return instruction in known[1]

    def holds(self, frame: FrameType) -> bool:
        """Return whether a frame stands in a loop of its function."""
        return self.contains(frame.f_code, frame.f_lasti)

    def lines(self, code: CodeType) -> tuple[frozenset[int], frozenset[int]]:
        """Return the lines of a function that lie in a loop of it, and those that do so at least in part.

        In part does a line that has a loop on it, which may be that of a comprehension.
        """
        looped = looping(code)
        pieces = [(start, end, line) for start, end, line in code.co_lines() if line is not None]
        whole = frozenset(line for start, _, line in pieces if start in looped)
        return whole, frozenset(line for start, end, line in pieces if not looped.isdisjoint(range(start, end, 2)))

    def retries(self, code: CodeType, instruction: int) -> bool:
        """Return whether control can come back to the instruction at this offset, but only through an exception."""
        known = self.retrying.get(id(code))
        if known is None:
            known = _remember(self.retrying, code, looping(code, retrying=True))
        return instruction in known[1] and not self.contains(code, instruction)


def _cuts(code: CodeType) -> bool:
    """Return whether a function cuts slices, but for those without a first line, or without a last one."""
    if not _SLICING.isdisjoint(code.co_code[::2]):
        bounds: list[object] = []
        for each in get_instructions(code):
            if each.opcode in _SLICING:
                if not _TRIMMED.issuperset(bounds[-2:]):
                    return True
            else:
                bounds.append(each.argval if each.opname in _CONSTANTS else ...)
    # From Python 3.14 on, one whose bounds are written down is a constant.
    slices = [each for each in code.co_consts if isinstance(each, slice)]
    return any(not _TRIMMED.issuperset((each.start, each.stop)) for each in slices)


def _remember(known: dict[int, tuple[CodeType, T]], code: CodeType, fact: T) -> tuple[CodeType, T]:
    """Remember a fact by the id of a code object, which is kept alive for that."""
    if len(known) >= MOST_CODES:
        # Migrations are executed anew for each test, and each time they are other code.
        known.clear()
    known[id(code)] = code, fact
    return code, fact


def _names(code: CodeType) -> Iterator[str | int]:
    yield from (*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield id(each)
            yield from _names(each)


def looping(code: CodeType, *, retrying: bool = False) -> frozenset[int]:
    """Return the offsets of the instructions of `code`, and of their caches, from which control can come back.

    Control that comes back only through an exception counts where `retrying` says so: that is a retry.
    """
    if _BACKWARD.isdisjoint(code.co_code[::2]):
        return frozenset()
    instructions = decoded(code.co_code)
    if not any(0 <= target <= offset for offset, _, target in instructions):
        return frozenset()
    handled = list(_handled(code, instructions)) if retrying else []
    follow = _blocks(instructions, {each for one in handled for each in one})
    for start, end, handler in handled:
        for block, following in follow.items():
            if start <= block < end:
                following.append(handler)
    cycles = _in_cycles(follow)
    starts = [*follow, len(code.co_code)]
    return frozenset(offset for start, end in pairwise(starts) if start in cycles for offset in range(start, end, 2))


def _handled(code: CodeType, instructions: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield each piece of code from which an exception leads elsewhere: where it begins and ends, and to where."""
    for index, (_, number, target) in enumerate(instructions):
        if number in _GUARDING:
            yield from ((offset, offset + 2, target) for offset in _guarded(instructions, index + 1))
    # From Python 3.11 on there is a table, as `Objects/exception_handling_notes.txt` in Python's source has it.
    numbers = _numbers(getattr(code, "co_exceptiontable", b""))
    for start, length, handler, _ in zip(*[numbers] * 4, strict=False):
        yield 2 * start, 2 * (start + length), 2 * handler


def _guarded(instructions: list[tuple[int, int, int]], first: int) -> Iterator[int]:
    """Yield the offsets of what runs from an instruction on, until its block is popped on each way."""
    indices = {offset: index for index, (offset, _, _) in enumerate(instructions)}
    waiting, seen = [(first, 1)], set()
    while waiting:
        index, depth = waiting.pop()
        if index in seen or index >= len(instructions):
            continue
        seen.add(index)
        offset, number, target = instructions[index]
        yield offset
        depth += (number in _GUARDING) - (number in _POPPING)
        if not depth:
            continue
        if number not in _NO_FALLTHROUGH:
            waiting.append((index + 1, depth))
        if target in indices and number not in _GUARDING:
            waiting.append((indices[target], depth))


def _numbers(table: bytes) -> Iterator[int]:
    """Yield the numbers in a table of exceptions: six bits a byte, a seventh where more follow."""
    number = 0
    for each in table:
        number = number << 6 | each & 63
        if not each & 64:
            yield number
            number = 0


def decoded(text: bytes) -> list[tuple[int, int, int]]:
    """Return each instruction as its offset, its code and where it jumps to, -1 where it does not.

    `dis.get_instructions` also describes the arguments, which takes ten times as long. Jumps are counted from the
    instruction after the inline caches.
    """
    found: list[tuple[int, int, int]] = []
    offset = extended = 0
    end = len(text)
    while offset < end:
        code, argument = text[offset], text[offset + 1] | extended
        after = offset + 2
        while after < end and text[after] == _CACHE:
            after += 2
        target = -1
        if code in _FORTH:
            target = after + 2 * argument
        elif code in _BACK:
            target = after - 2 * argument
        elif code in _ABSOLUTE:
            target = 2 * argument
        found.append((offset, code, target))
        extended = argument << 8 if code == EXTENDED_ARG else 0
        offset = after
    return found


def _blocks(instructions: list[tuple[int, int, int]], others: set[int]) -> dict[int, list[int]]:
    """Return the basic blocks in order, by the offsets of their first instructions, and which ones follow each.

    At the `others` blocks begin, too.
    """
    targets = others.union(target for _, _, target in instructions)
    follow: dict[int, list[int]] = {}
    after: list[int] = []
    falls, begins = False, True
    for offset, code, target in instructions:
        if begins or offset in targets:
            if falls:
                after.append(offset)
            after = follow[offset] = []
        falls = code not in _NO_FALLTHROUGH
        begins = target >= 0 or not falls
        if target >= 0 and code not in _GUARDING:
            after.append(target)
    return follow


def _in_cycles(follow: dict[int, list[int]]) -> frozenset[int]:
    """Return the nodes of a graph that lie on a cycle (strongly connected components, Tarjan 1972, iterative)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    result: set[int] = set()
    for root, first in follow.items():
        if root in number:
            continue
        work = [(root, iter(first))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for each in successors:
                if each not in follow:
                    continue
                if each not in number:
                    number[each] = low[each] = len(number)
                    stack.append(each)
                    on_stack.add(each)
                    work.append((each, iter(follow[each])))
                    break
                if each in on_stack:
                    low[node] = min(low[node], number[each])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    _close(node, stack, on_stack, follow, result)
    return frozenset(result)


def _close(node: int, stack: list[int], on_stack: set[int], follow: dict[int, list[int]], result: set[int]) -> None:
    component = []
    while True:
        each = stack.pop()
        on_stack.discard(each)
        component.append(each)
        if each == node:
            break
    if len(component) > 1 or node in follow[node]:
        result.update(component)
