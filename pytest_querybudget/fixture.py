"""The value of the `query_budget` fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_querybudget.block import Block, Surroundings
from pytest_querybudget.budgets import Budget
from pytest_querybudget.errors import QueryBudgetError
from pytest_querybudget.recording.model import Recording

if TYPE_CHECKING:
    from pytest_querybudget.run import Run


class BudgetFixture:
    """The `query_budget` fixture.

    `with query_budget(max_queries=2) as recording:` holds a block to a budget; `query_budget.recording` is the
    recording of the whole test so far.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def recording(self) -> Recording:
        """What the test has sent so far."""
        current = self._run.current
        if current is None:
            raise QueryBudgetError("no test runs, or recording is switched off")
        return current.recording

    def app(self, app: Any) -> Any:
        """Return an ASGI or WSGI application that does what `app` does, each of its requests measured by itself.

        A limit with `per="request"` is for each of them, the reports show them by method and route, and no rule takes
        two of them for a loop. Raises `BudgetError` for anything else.
        """
        from pytest_querybudget.requests import wrapped

        instruments = self._run.instruments
        return wrapped(app, lambda: instruments.capture.journals if instruments.capture else ())

    def __call__(self, **rules: Any) -> Block:
        """Return a context manager that holds its block to these rules. Raises `BudgetError`."""
        run = self._run
        # A test that runs again to try a cure sends something else, and is held to nothing.
        again = run.current is not None and run.current.again
        budget = run.budgets.of_keywords(rules) if rules and not again else Budget()
        outer = run.current.budget if run.current else Budget()
        capture = run.instruments.need_capture()
        surroundings = Surroundings(
            open=lambda: capture,
            watch=run.instruments.need,
            why_blind=run.instruments.why_blind,
            note=run.note_block,
            planner=run.instruments.need_planner,
        )
        # What the block declares is nearer than what the test has switched off.
        off = budget.off | (outer.off - budget.declarations.keys())
        held = Budget(declarations=budget.declarations, permissions=outer.permissions, off=off)
        return Block(held, run.judge, run.block_text_of, surroundings)
