"""Which instructions lie in a loop, in whatever version of Python."""

from __future__ import annotations

import argparse
import asyncio.base_events
import dis
import inspect
import json.decoder
import tarfile
import textwrap
from collections.abc import Iterator
from types import CodeType, ModuleType

import pytest

from pytest_querybudget.capture.loops import Loops, decoded


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from codes(each)


@pytest.mark.parametrize("module", [argparse, asyncio.base_events, inspect, json.decoder, tarfile, textwrap])
def test_jumps_are_those_that_dis_tells(module: ModuleType) -> None:
    """The quick look at the bytecode is the same as the slow one."""
    jumping = {*dis.hasjrel, *dis.hasjabs} - {dis.opmap.get("JUMP_BACKWARD_NO_INTERRUPT")}
    source = inspect.getsource(module)
    number = 0
    for each in codes(compile(source, str(module.__file__), "exec")):
        told = [
            (one.offset, one.opcode, one.argval if one.opcode in jumping else -1) for one in dis.get_instructions(each)
        ]
        assert decoded(each.co_code) == told
        number += len(told)
    assert number > 500


LOOPS = """
def run(ask, keys):
    ask(0)
    for key in keys:
        ask(1)
        if key:
            return ask(0)
    else:
        ask(0)
    while keys:
        try:
            ask(1)
        except ValueError:
            break
    for key in keys:
        try:
            return ask(0)
        except ValueError:
            continue
    return keys and ask(0)
"""


def test_what_leaves_a_loop_is_not_in_it() -> None:
    """A loop that returns at its first round is a search; one more round after an exception is a retry."""
    names: dict[str, object] = {}
    exec(LOOPS, names)
    run = names["run"]
    assert inspect.isfunction(run)
    loops, found = Loops(), []
    constants = {0: False, 1: True}
    expected: bool | None = None
    for each in dis.get_instructions(run):
        if each.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and each.argval in (0, 1):
            expected = constants[each.argval]
        elif each.opname in ("CALL", "CALL_FUNCTION") and expected is not None:
            found.append((expected, loops.contains(run.__code__, each.offset)))
            expected = None
    assert len(found) >= 6  # what a loop ends with may be there twice
    assert [expected for expected, _ in found] == [looping for _, looping in found]
