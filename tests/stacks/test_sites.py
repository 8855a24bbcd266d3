"""What the source of a function says is read from that function alone, and without a word."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pytest_querybudget.stacks.functions import MOST_LINES
from pytest_querybudget.stacks.loops import Loops
from pytest_querybudget.stacks.sites import Sites

FAN = """
def fan(pool, keys):
    return [pool.submit(one, key) for key in keys]
"""
Read = Callable[[str, str], bool]


@pytest.fixture
def starts_one(tmp_path: Path) -> Read:
    """Return what tells whether the function `fan` of a file is known to start `one` in a loop."""

    def read(source: str, behind: str = "") -> bool:
        path = tmp_path / "module.py"
        path.write_text(source, encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fan = _imported(path).fan
        path.write_text(source + behind, encoding="utf-8")
        site = Sites(Loops()).of(getattr(fan, "__wrapped__", fan).__code__)
        return site is not None and any(each.started and each.repeated for each in site.mentions.get("one", ()))

    return read


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("module", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_rest_of_a_file_is_not_parsed(starts_one: Read) -> None:
    """It may be as long as it wants."""
    assert starts_one(FAN, "\n)))) this is no Python\n")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("class Pool:\n" + FAN.replace("\n", "\n    ") + "\nfan = Pool.fan\n", id="a method"),
        pytest.param(
            "import functools\ndef kept(function):\n    return functools.wraps(function)(lambda: None)\n"
            + FAN.replace("def", "@kept\ndef"),
            id="decorated",
        ),
        pytest.param(FAN.replace("    return", "    first = 1\n\n# not indented\n    return"), id="a comment outside"),
        pytest.param(FAN.replace("    return", "    text = '''\nnot indented\n'''\n    return"), id="a text outside"),
    ],
)
def test_a_function_is_found_wherever_it_stands(starts_one: Read, source: str) -> None:
    """As `inspect.getsource` finds it."""
    assert starts_one(source, "")


@pytest.mark.parametrize("text", [r"'\d'", r"f'\d{keys}'", r"b'\d'", r"r'\d\''", r"'\\\d'", "'a\\\nb'"])
def test_what_python_warns_of_is_read_in_silence(starts_one: Read, text: str) -> None:
    """The suite may count warnings, or take them for errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert starts_one(FAN.replace("    return", f"    text = {text}\n    return"), "")
    assert [str(each.message) for each in caught] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("total = " + " + ".join(["keys"] * 1500), id="deep"),
        pytest.param("\n    ".join(["total = 1"] * (MOST_LINES + 1)), id="long"),
    ],
)
def test_what_is_too_much_is_not_read(starts_one: Read, body: str) -> None:
    """It is no fault either."""
    assert not starts_one(FAN.replace("    return", f"    {body}\n    return"), "")


@pytest.mark.parametrize(
    ("call", "is_started"),
    [
        ("pool.submit(ctx.run, one, key)", True),
        ("pool.submit(self.context.run, one, key)", True),
        ("loop.run_in_executor(None, contextvars.copy_context().run, one, key)", True),
        ("asyncio.to_thread(anyio.from_thread.run, one, key)", True),
        ("group.start_soon(anyio.to_thread.run_sync, one, key)", True),
        ("group.start_soon(partial(to_thread.run_sync, one, key))", True),
        ("pool.submit(case.run, one)", False),
        ("pool.submit(Case().run, one)", False),
        ("pool.submit(run, one)", False),
        ("pool.submit(form.submit, one)", False),
        ("pool.map(to_thread, one)", False),
        ("pool.submit(case.one, key)", True),
        ("pool.submit(one.run, key)", False),
    ],
)
def test_which_argument_is_the_function(starts_one: Read, call: str, *, is_started: bool) -> None:
    """What a library runs is the next one, but a method that is called as what does so is itself what runs."""
    assert starts_one(f"def fan(self, pool, keys):\n    return [{call} for key in keys]\n", "") == is_started
