"""The rule `only_columns`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.columns import covered, table_columns
from pytest_querybudget.rules.projection import Columns, Projection, columns_finding


class OtherColumns(Columns):
    """Columns that no pattern covers."""

    __slots__ = ()
    rule = "only_columns"

    @property
    def message(self) -> str:
        """Name the columns."""
        return f"the result has columns that no pattern covers: {', '.join(self.columns)}"

    @property
    def fix(self) -> str | None:
        """The option that leaves them out."""
        kept: dict[str, list[str]] = {each.partition(".")[0]: [] for each in self.attributes}
        for each in self.kept:
            kept[each.partition(".")[0]].append(each)
        if kept and all(kept.values()):
            # One option takes attributes of one entity.
            return self.option(*(f"load_only({', '.join(each)})" for each in kept.values()))
        return "Select the columns that are wanted instead of the whole entity." if self.entity else None


class OnlyColumns(Projection):
    """Only these columns may be selected.

    ## What it does

    Fails a test in which a SELECT returns a column that none of the patterns covers. A pattern is `table.column`, with
    `*` and `?` as wildcards. Values that are computed and belong to no table are not looked at.

    ## Why is this bad

    An entity that is loaded for its name brings all its other columns along, large ones too.

    ## Example

    ```python
    @pytest.mark.only_columns("contacts.id", "contacts.name")
    def test_contact_names(session):
        session.scalars(select(Contact)).all()
    ```

    ## Use instead

    ```python
    session.scalars(select(Contact).options(load_only(Contact.name))).all()
    ```

    ## Options

    - patterns of the columns that may be selected.

    ## When to allow it

    Add the column to the patterns when it is read.
    """

    name = "only_columns"

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement with columns that no pattern covers."""
        for each in recording.statements(options.phase):
            if each.shape.kind != "select":
                continue
            columns = table_columns(each)
            others = [column for column in columns if not covered(column, options.patterns)]
            if others:
                yield columns_finding(
                    OtherColumns, each, others, [column for column in columns if column not in others]
                )
