"""Runs a test once more, so that neither the user's reports nor other plugins see it.

Only what makes a test run takes part: pytest's own runner, and the hooks of the suite. Fixtures of function scope are
set up anew; wider ones are kept as they are from one test to the next.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import re
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

# The plugins of pytest that run tests; others watch them.
_RUNNING = ("runner", "unittest", "tmpdir")
_STOPPING = (KeyboardInterrupt, pytest.exit.Exception)

Phase = Callable[[str], AbstractContextManager[Any]]


def why_not(item: Any) -> str | None:
    """Say why a test cannot be run a second time unseen, if so."""
    option = item.config.option
    fixtures = set(getattr(item, "fixturenames", ()))
    if not isinstance(item, pytest.Function):
        return f"a {type(item).__name__} cannot be set up anew"
    if item.get_closest_marker("xfail"):
        return "the test is expected to fail"
    if hasattr(getattr(item, "obj", None), "hypothesis"):
        return "Hypothesis would choose other examples"
    if fixtures & {"record_xml_attribute", "record_testsuite_property"}:
        return "the test writes into the JUnit report"
    if fixtures & {"subtests", "benchmark"}:
        return "its subtests, or its benchmark, would be reported twice"
    if getattr(option, "usepdb", False) or getattr(option, "setupshow", False) or getattr(option, "setuponly", False):
        return "a debugger, or a listing of fixtures, would show the second run"
    if "caplog" in fixtures and (item.config.getini("log_cli") or getattr(option, "log_cli_level", None)):
        return "a test with caplog would log to the terminal"
    return None


def run_again(item: Any, nextitem: Any, phase: Phase) -> str | None:
    """Run a test that has been torn down, each phase inside of `phase(name)`; return how it failed, None if it passed.

    Raises what stops the session, and nothing else.
    """
    if item.session.shouldfail or item.session.shouldstop:
        nextitem = None
    removed = _watchers(item)
    failures: list[str] = []
    with _unseen(item):
        item._initrequest()  # noqa: SLF001 - as plugins that repeat a failed test do
        try:
            failures += _run(item, "setup", removed, phase)
            if not failures:
                failures += _run(item, "call", removed, phase)
            failures += _run(item, "teardown", removed, phase, nextitem=nextitem)
        finally:
            item._request = False  # noqa: SLF001
            item.funcargs = None
            gc.collect()
    return failures[0] if failures else None


def _run(item: Any, when: Any, removed: list[Any], phase: Phase, **arguments: Any) -> Iterator[str]:
    """Run one phase, and yield in what words it failed: only the type of what was raised, for values are nobody's."""
    manager = item.config.pluginmanager
    hook = manager.subset_hook_caller(f"pytest_runtest_{when}", remove_plugins=removed)
    making = manager.subset_hook_caller(
        "pytest_runtest_makereport", remove_plugins=[*removed, *filter(_is_of_suite(item), manager.get_plugins())]
    )

    def run() -> None:
        with phase(when):
            hook(item=item, **arguments)

    call = pytest.CallInfo.from_call(run, when=when, reraise=_STOPPING)
    report = making(item=item, call=call)
    if report.skipped:
        yield "it is skipped"
    elif not report.passed:
        raised = f"{call.excinfo.typename} in " if call.excinfo is not None else ""
        yield f"{raised}its {when}"


def _watchers(item: Any) -> list[Any]:
    """Return the plugins that take no part: all but those that run tests, and those of the suite itself."""
    manager = item.config.pluginmanager
    running = [*_RUNNING, *(["logging-plugin"] if "caplog" in item.fixturenames else [])]
    kept = {id(manager.get_plugin(name)) for name in running}
    of_suite = _is_of_suite(item)
    return [each for each in manager.get_plugins() if id(each) not in kept and not of_suite(each)]


def _is_of_suite(item: Any) -> Callable[[Any], bool]:
    root = item.config.rootpath

    def is_of_suite(plugin: Any) -> bool:
        path = Path(getattr(plugin, "__file__", None) or "/")
        if not path.is_relative_to(root) or "site-packages" in path.parts:
            return False
        return path.name != "conftest.py" or path.parent in item.path.parents

    return is_of_suite


# What nobody sees


@contextmanager
def _unseen(item: Any) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(_silent(item.config))
        stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        for enter in (_unlogged, _unraised):
            stack.enter_context(enter())
        stack.enter_context(_same_item(item))
        stack.enter_context(_same_directories(item))
        stack.enter_context(_same_context(item))
        yield


@contextmanager
def _silent(config: Any) -> Iterator[None]:
    """Throw away what is printed; where pytest does not capture, at least what Python prints."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with ExitStack() as stack:
        if capture is not None:
            capture.resume_global_capture()
            stack.callback(capture.read_global_capture)
            stack.callback(capture.suspend_global_capture, in_=False)
        if capture is None or config.option.capture in ("no", "tee-sys"):
            stack.enter_context(contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())))
            stack.enter_context(contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())))
        yield


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what is logged from the handlers that are there already: log files, live logs."""
    handlers = list(logging.getLogger().handlers)
    for each in handlers:
        each.addFilter(_nothing)
    try:
        yield
    finally:
        for each in handlers:
            each.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def _unraised() -> Iterator[None]:
    """Keep exceptions of threads and finalizers from the plugins that collect them."""
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks


@contextmanager
def _same_item(item: Any) -> Iterator[None]:
    """Leave the lists of the item as they were: sections of reports, properties, markers."""
    lists = [getattr(item, name, []) for name in ("_report_sections", "user_properties", "own_markers")]
    before = [list(each) for each in lists]
    try:
        yield
    finally:
        for each, content in zip(lists, before, strict=True):
            each[:] = content


@contextmanager
def _same_directories(item: Any) -> Iterator[None]:
    """Remove the temporary directories of the second run, so that later ones have the numbers they would have."""
    factory = getattr(item.config, "_tmp_path_factory", None)
    base = getattr(factory, "_basetemp", None)
    # Older versions of pytest look for the highest number, newer ones count.
    counted = getattr(factory, "_next_number", {})
    before, numbers = set(base.iterdir()) if base is not None else set(), dict(counted)
    prefix = re.sub(r"\W", "_", item.name)[:30]
    try:
        yield
    finally:
        counted.clear()
        counted.update(numbers)
        for each in set(base.iterdir()) - before if base is not None else ():
            if re.fullmatch(rf"{re.escape(prefix)}\d+", each.name):
                shutil.rmtree(each, ignore_errors=True)


@contextmanager
def _same_context(item: Any) -> Iterator[None]:
    """Let coverage count the lines of the second run where it has counted them in the first."""
    contexts = item.config.pluginmanager.get_plugin("_cov_contexts")
    if contexts is None:
        yield
        return
    contexts.switch_context(item, "run")
    try:
        yield
    finally:
        contexts.switch_context(item, "teardown")
