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

from pytest_querybudget.stacks.loops import Loops, decoded


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


# Control comes back to `retried` only through an exception, to `ask` in another way or not at all.
RETRIES = """
def call(ask, retried, keys, Error):
    for attempt in range(3):
        try:
            retried()
            return retried()
        except Error:
            if attempt == 2:
                raise
            retried()
    ask()
def search(ask, retried, keys, Error):
    for key in keys:
        ask()
        if key:
            return ask()
    return ask()
def guarded(ask, retried, keys, Error):
    while True:
        with keys:
            return retried()
def patient(ask, retried, keys, Error):
    while True:
        try:
            found = retried()
            break
        except Error as error:
            retried()
        finally:
            ask
    return ask()
def each_once(ask, retried, keys, Error):
    for key in keys:
        try:
            ask()
        except Error:
            retried()
def once(ask, retried, keys, Error):
    try:
        return ask()
    except Error:
        return ask()
async def later(ask, retried, keys, Error):
    while True:
        try:
            return await retried()
        except Error:
            await retried()
async def served(ask, retried, keys, Error):
    async with keys as key:
        async for each in key:
            await ask()
        return await ask()
"""


@pytest.mark.parametrize("name", "call search guarded patient each_once once later served".split())
def test_what_only_an_exception_leads_back_to(name: str) -> None:
    names: dict[str, object] = {}
    exec(RETRIES, names)
    code = names[name].__code__  # type: ignore[attr-defined]
    loops, asked, found = Loops(), "", []
    for each in dis.get_instructions(code):
        if each.opname.startswith("LOAD_FAST"):
            told = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            asked = next((one for one in told if one in ("ask", "retried")), asked)
        elif each.opname in ("CALL", "CALL_FUNCTION") and asked:
            found.append((asked == "retried", loops.retries(code, each.offset)))
            asked = ""
    assert found
    assert [expected for expected, _ in found] == [retries for _, retries in found]
