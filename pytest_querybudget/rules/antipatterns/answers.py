"""What the code does with the number that it asked for, read from the instructions that follow the call."""

from __future__ import annotations

import dis
import re
from types import CodeType

_NOISE = frozenset(
    """
    CACHE PRECALL RESUME NOP EXTENDED_ARG PUSH_NULL SEND YIELD_VALUE YIELD_FROM GET_AWAITABLE END_SEND
    JUMP_BACKWARD_NO_INTERRUPT CLEANUP_THROW NOT_TAKEN INTERPRETER_EXIT
    """.split()
)
# Methods that hand the number on.
_PASSING = frozenset("one scalar scalar_one first fetchone scalars one_or_none scalar_one_or_none unique all".split())
_CALLS = frozenset(("CALL", "CALL_FUNCTION", "CALL_METHOD"))
_CONSTANTS = frozenset(("LOAD_CONST", "LOAD_SMALL_INT"))
# The comparisons that tell none from some, by the number that stands on the right.
_QUESTIONS = {0: frozenset((">", "==", "!=", "<=")), 1: frozenset((">=", "<"))}


def asks_whether_any(code: CodeType, instruction: int) -> bool:  # noqa: C901 - one branch an instruction, flat
    """Return whether the result of a call is compared with none in the same expression, or taken for true or false.

    `instruction` is where the call stands. What is not understood is no.
    """
    constant: object = None
    for each in dis.get_instructions(code):
        if each.offset <= instruction or each.opname in _NOISE:
            continue
        name = each.opname
        if name in _CONSTANTS:
            if each.argval is None:
                continue  # An `await` sends it first.
            if constant is not None or type(each.argval) is not int:
                return False
            constant = each.argval
        elif constant is not None:
            sign = re.search(r"[<>=!]+", str(each.argval if name == "COMPARE_OP" else ""))
            if sign is not None:
                return isinstance(constant, int) and sign[0] in _QUESTIONS.get(constant, ())
            if not (name.startswith("BINARY_") and constant == 0):
                return False
            constant = None  # It was the index of a column.
        elif name.startswith(("POP_JUMP", "TO_BOOL", "UNARY_NOT")):
            return True
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            if str(each.argval) not in _PASSING:
                return False
        elif name not in _CALLS:
            return False
    return False
