"""The rule `forbid_columns`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.columns import covered, table_columns
from pytest_querybudget.rules.projection import Columns, Projection, columns_finding


class ForbiddenColumns(Columns):
    """Columns that a pattern covers."""

    __slots__ = ()
    rule = "forbid_columns"

    @property
    def message(self) -> str:
        """Name the columns."""
        return f"the result has forbidden columns: {', '.join(self.columns)}"

    @property
    def fix(self) -> str | None:
        """The option that leaves them out."""
        if self.attributes:
            return self.option(*(f"defer({each})" for each in self.attributes))
        return "Name the columns that are wanted, without these." if self.entity is None else None


class ForbidColumns(Projection):
    """These columns may not be selected.

    ## What it does

    Fails a test in which a SELECT returns a column that one of the patterns covers. A pattern is `table.column`, with
    `*` and `?` as wildcards.

    ## Why is this bad

    Some columns are too large to be loaded with a list (JSON documents, texts, blobs), and some should not leave the
    database by accident (password hashes, tokens).

    ## Example

    ```python
    @pytest.mark.forbid_columns("*.metadata", "call_logs.transcript")
    def test_call_list(session):
        session.scalars(select(CallLog)).all()
    ```

    ## Use instead

    ```python
    session.scalars(select(CallLog).options(defer(CallLog.transcript))).all()
    ```

    ## Options

    - patterns of the columns that may not be selected.

    ## When to allow it

    With `allow_queries("forbid_columns", match="*call_logs*", reason=...)` for the one query that needs them.
    """

    name = "forbid_columns"

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement with columns that a pattern covers."""
        for each in recording.statements(options.phase):
            if each.shape.kind == "select":
                columns = [column for column in table_columns(each) if covered(column, options.patterns)]
                if columns:
                    yield columns_finding(ForbiddenColumns, each, columns, ())
