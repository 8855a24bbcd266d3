"""Whether an instruction lies in a loop of its own function.

The bytecode says it for every way to write a loop (`for`, `while`, a comprehension, a generator expression) and
without the source: an instruction is in a loop when control can come back to it.
"""

from __future__ import annotations

from dis import EXTENDED_ARG, Instruction, get_instructions, hasjabs, hasjrel, opmap
from itertools import pairwise
from types import CodeType
from typing import NamedTuple, TypeVar

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
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_OF_VARIABLES = frozenset(
    """LOAD_CLASSDEREF LOAD_DEREF LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK
    LOAD_FAST_LOAD_FAST STORE_FAST_LOAD_FAST""".split()
)
_LOADS = _OF_VARIABLES | {"LOAD_ATTR", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_GLOBAL", "LOAD_METHOD", "LOAD_NAME"}
_SLICING = _opcodes("BUILD_SLICE", "BINARY_SLICE")


class Names(NamedTuple):
    """The names that a function uses, and of those the ones that no variable has and that only its loops use.

    Comprehensions and lambdas are part of the function; what it defines itself is there by the id of its code, too.
    """

    all: frozenset[str | int]
    outside: frozenset[str | int]
    repeated: frozenset[str | int]
    # Those that are used more than once.
    several: frozenset[str | int]


class Loops:
    """Remembers, for each code object it was asked about, which instructions lie in a loop."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[CodeType, frozenset[int]]] = {}
        self.parting: dict[int, tuple[CodeType, bool]] = {}
        self.naming: dict[int, tuple[CodeType, Names]] = {}

    def parts(self, code: CodeType) -> bool:
        """Return whether a function looks as if it worked off a list in parts: it cuts slices, or names its parts."""
        known = self.parting.get(id(code))
        if known is None:
            names = {*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars}
            words = {word for name in names for word in name.lower().split("_")}
            found = not words.isdisjoint(_PARTS) or any(isinstance(each, slice) for each in code.co_consts)
            found = found or not _SLICING.isdisjoint(code.co_code[::2])
            known = _remember(self.parting, code, found)
        return known[1]

    def names(self, code: CodeType) -> Names:
        """Return the names of functions, attributes and variables that a function uses."""
        known = self.naming.get(id(code))
        if known is None:
            known = _remember(self.naming, code, _names(code))
        return known[1]

    def contains(self, code: CodeType, instruction: int) -> bool:
        """Return whether the instruction at this offset of `code` lies in a loop of `code`."""
        known = self.known.get(id(code))
        if known is None:
            known = _remember(self.known, code, looping(code))
        return instruction in known[1]


def _remember(known: dict[int, tuple[CodeType, T]], code: CodeType, fact: T) -> tuple[CodeType, T]:
    """Remember a fact by the id of a code object, which is kept alive for that."""
    if len(known) >= MOST_CODES:
        # Migrations are executed anew for each test, and each time they are other code.
        known.clear()
    known[id(code)] = code, fact
    return code, fact


def _names(code: CodeType) -> Names:
    repeating = looping(code)
    repeated: set[str | int] = set()
    once: set[str | int] = set()
    several: set[str | int] = set()
    outside: set[str | int] = set()
    for each in get_instructions(code):
        looped = each.offset in repeating
        if isinstance(each.argval, CodeType):
            nested = _names(each.argval)
            looped = looped or each.argval.co_name in _COMPREHENSIONS
            several |= nested.several | (nested.all & (repeated | once))
            repeated |= nested.repeated
            (repeated if looped else once).update(nested.all - nested.repeated, {id(each.argval)})
            outside |= nested.outside
        elif each.opname in _LOADS:
            found = _loaded(code, each)
            several |= (repeated | once).intersection(found)
            (repeated if looped else once).update(found)
            outside.update(() if each.opname in _OF_VARIABLES else found)
    return Names(frozenset(repeated | once), frozenset(outside), frozenset(repeated - once), frozenset(several))


def _loaded(code: CodeType, instruction: Instruction) -> tuple[str, ...]:
    """Return the names that an instruction loads: one may load two variables, or store one and load another."""
    if not isinstance(instruction.argval, tuple):
        # A function that is defined inside gets its variables by name, too.
        passed = instruction.opname == "LOAD_FAST" and instruction.argval in (*code.co_cellvars, *code.co_freevars)
        return () if passed else (str(instruction.argval),)
    return tuple(map(str, instruction.argval[instruction.opname.startswith("STORE") :]))


def looping(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions of `code`, and of their caches, from which control can come back.

    Control that comes back only through an exception does not count: that is a retry.
    """
    if _BACKWARD.isdisjoint(code.co_code[::2]):
        return frozenset()
    instructions = decoded(code.co_code)
    if not any(0 <= target <= offset for offset, _, target in instructions):
        return frozenset()
    follow = _blocks(instructions)
    cycles = _in_cycles(follow)
    starts = [*follow, len(code.co_code)]
    return frozenset(offset for start, end in pairwise(starts) if start in cycles for offset in range(start, end, 2))


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


def _blocks(instructions: list[tuple[int, int, int]]) -> dict[int, list[int]]:
    """Return the basic blocks in order, by the offsets of their first instructions, and which ones follow each."""
    targets = {target for _, _, target in instructions}
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
        if target >= 0:
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
