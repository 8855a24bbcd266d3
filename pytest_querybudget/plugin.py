"""The hooks of pytest, which call the run and nothing else.

PYTEST_DONT_REWRITE: a second run in one process would warn that it came too late for that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_querybudget import hookspecs
from pytest_querybudget.rules.registry import NAMES
from pytest_querybudget.settings import add_options, take_short_name
from pytest_querybudget.start import budget_fixture, growth_fixture, start

if TYPE_CHECKING:
    from pytest_querybudget.prove import Prover
    from pytest_querybudget.run import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser, NAMES)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(args: list[str], parser: pytest.Parser) -> Generator[None, Any, Any]:
    """Read the short names of options, once all others are known."""
    result = yield
    take_short_name(args, parser)
    return result


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks of this plugin."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Make the run, unless it is switched off."""
    start(config)


@pytest.fixture
def query_budget(request: pytest.FixtureRequest) -> Any:
    """Hold a block to a budget: what is inside `with query_budget(max_queries=2):` may send no more.
    `query_budget.recording` is what the test has sent so far, and `query_budget.app(app)` an ASGI or WSGI application
    that is measured request by request.
    """  # noqa: D205, D402 - `pytest --fixtures` shows the first paragraph
    return budget_fixture(request.config)


@pytest.fixture
def query_growth(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Hold a function to as many queries for many rows as for a few:
    `query_growth(list_orders, seed=add_orders, sizes=(2, 8))`, where `add_orders(n)` adds n rows.
    """  # noqa: D205 - `pytest --fixtures` shows the first paragraph
    yield from growth_fixture(request.config)


class Hooks:
    """The hooks of a run that is not switched off."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, Any, Any]:
        """Check every budget before the first test runs, when other plugins have chosen among the tests."""
        number = len(items)
        result = yield
        if len(items) < number:
            # A plugin that cuts a suite into shards may not call `pytest_deselected`.
            self.run.note_deselected()
        self.run.check_items(items)
        return result

    # These are wrappers of the older kind on purpose: what a test raises does not pass through them, and so shows no
    # frame of this plugin, in whatever style it is printed.

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Record the setup."""
        self.run.begin(item)
        outcome = yield
        self.run.end_setup(outcome)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Record the call, and hold it to its budget."""
        parts = self.run.begin_call(item)
        outcome = yield
        self.run.end_call(outcome, parts)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_pyfunc_call(self) -> Generator[None, Any, None]:
        """Let go of the test function's frame as soon as it has returned."""
        yield
        self.run.release()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, None]:
        """Record the teardown."""
        self.run.begin_teardown()
        outcome = yield
        self.run.end_teardown(outcome)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
        """Hang the entry of a finished test on its report."""
        report = yield
        # What fails in a method of `unittest.TestCase` comes to the call only now.
        self.run.end_report(item, call.excinfo and call.excinfo.value, report)
        return report

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember which tests there are."""
        self.run.note_collected(each.nodeid for each in session.items)

    def pytest_collectreport(self, report: Any) -> None:
        """Remember what could not be collected."""
        self.run.note_collection(report)

    def pytest_deselected(self) -> None:
        """Remember that some tests were left out."""
        self.run.note_deselected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Remember which tests a worker has collected."""
        self.run.note_collected(ids)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Collect the entry."""
        self.run.note_report(report)

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the run did not come to its end."""
        self.run.note_interrupt()

    def pytest_internalerror(self) -> None:
        """Remember that the run did not come to its end."""
        self.run.note_interrupt()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports."""
        self.run.ending.finish(session)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the summary."""
        self.run.ending.print_summary(terminalreporter)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Collect what a worker of pytest-xdist had left."""
        self.run.collect_worker(node, error)


class TracebackHooks:
    """What comes between what knows of an error and what makes a report of it."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def pytest_runtest_makereport(self, call: pytest.CallInfo[Any]) -> None:
        """Let the report of what has failed show no frame of this plugin."""
        if call.excinfo is not None:
            self.run.begin_report(call.excinfo.value)


class FixtureHooks:
    """The hooks of fixtures, for rules that tell what a fixture takes from what a test does."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, None]:
        """Note whose the connections are that are taken meanwhile."""
        self.run.begin_fixture(fixturedef)
        yield
        self.run.end_fixture(fixturedef, request)

    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        """Let go of a fixture."""
        self.run.forget_fixture(fixturedef)


class ProofHooks:
    """The hooks of `--querybudget-prove`."""

    def __init__(self, prover: Prover) -> None:
        self.prover = prover

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        """Try cures when a test is over and everybody has heard of it."""
        return (yield from self.prover.around(item, nextitem))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Tell what fixtures of wider scope commit from what the test does."""
        return (yield from self.prover.around_fixture(fixturedef.scope))
