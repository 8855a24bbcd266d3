"""The rule `no_connection_leaks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.connections import Held
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import Options, Rule, no_arguments
from pytest_querybudget.rules.max_connections import unwatched
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak(Finding):
    """Connections that were taken at one place and not given back. `reclaimed`: the garbage collector did that."""

    rule = "no_connection_leaks"
    reclaimed: bool = False
    fixture: str | None = None

    @property
    def message(self) -> str:
        """How many, and what became of them."""
        what = "a connection was" if self.count == 1 else f"{self.count} connections were"
        fixture = f" while fixture {self.fixture} was set up" if self.fixture else ""
        if self.reclaimed:
            given = "it" if self.count == 1 else "them"
            return f"{what} taken from the pool{fixture} and never closed: the garbage collector gave {given} back"
        return f"{what} taken from the pool{fixture} and still out at the end"

    @property
    def fix(self) -> str | None:
        """Close it on every way out."""
        return "Close what took it on every way out: with Session(...) as session, with engine.connect() as connection."


class NoConnectionLeaks(Rule):
    """Every connection goes back to its pool.

    ## What it does

    Fails a test that has taken a connection from a pool which is still checked out when the test and its fixtures have
    finished, with the lines that took it. It is judged after the teardown, so that pytest shows an error of the test
    beside its result.

    - What a fixture of wider scope takes while it is set up is its own, and so is what the test takes through an object
      that such a fixture returned (a session for the whole module), or set on the class or module (`setup_class`,
      `setUpClass`, `setup_module`): it is meant for the next test.
    - A connection that the garbage collector gave back was leaked as well: when that happens depends on chance, and
      with an async driver the connection is thrown away.
    - A connection that the pool itself has closed (`invalidate`, `engine.dispose()` of a pool that closes what is
      out) need not be given back; one that was detached has to be closed.
    - A test that fails is not judged: its traceback holds whatever it had.
    - What is taken during teardown is not judged: it cannot be told whether the fixture is one of this test alone.

    ## Why is this bad

    A pool has five connections, and ten more at need. A way out that forgets one of them (an early return, an
    exception, a generator that is not read to its end) stops the application after fifteen requests, not in any test.

    ## Example

    ```python
    def transcript(call_id):
        session = Session(engine)
        call = session.get(Call, call_id)
        if call is None:
            return None  # the session stays open
        ...
    ```

    ## Use instead

    ```python
    def transcript(call_id):
        with Session(engine) as session:
            call = session.get(Call, call_id)
            ...
    ```

    ## Options

    None. `with query_budget(no_connection_leaks=True):` is about the block: what was taken inside has to be back when
    it ends.

    ## When to allow it

    With `allow_queries("no_connection_leaks", reason=...)` where something outlives the test on purpose. Better is a
    fixture of wider scope that owns it.
    """

    name = "no_connection_leaks"
    needs_pools = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take nothing."""
        no_arguments(self, arguments, keywords)
        return Options(phase="teardown")

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002 - the signature of a rule
        """Yield why leaks cannot be seen."""
        yield from unwatched(self, watched=recording.connections.watched)

    def check(self, recording: Recording, options: Options) -> Iterator[Leak]:  # noqa: ARG002
        """Yield what is still out, and what came back by chance, place by place."""
        for held, count in recording.connections.leaked.items():
            yield _leak(held, count, reclaimed=False)
        for held, count in recording.connections.reclaimed.items():
            yield _leak(held, count, reclaimed=True)


def _leak(held: Held, count: int, *, reclaimed: bool) -> Leak:
    return Leak(
        sql="",
        tables=(),
        count=count,
        location=held.places[0] if held.places else None,
        chain=held.places,
        reclaimed=reclaimed,
        fixture=held.fixture,
    )
