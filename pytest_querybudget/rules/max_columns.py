"""The rule `max_columns`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.base import count_option
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.columns import columns_of
from pytest_querybudget.rules.figures import Ceiling


class TooManyColumns(Exceeded):
    """A result wider than allowed."""

    __slots__ = ()
    rule = "max_columns"
    of_one = True


class MaxColumns(Ceiling):
    """A ceiling on the columns of the widest result.

    ## What it does

    Fails a test in which the result of one SELECT has more columns than the limit.

    ## Why is this bad

    Each column is read, sent and turned into a Python value for each row. A list that shows a name and loads forty
    columns, one of them a JSON document, spends most of its time on what nobody sees.

    ## Example

    ```python
    @pytest.mark.max_columns(3)
    def test_contact_names(session):
        [contact.name for contact in session.scalars(select(Contact))]
    ```

    ## Use instead

    ```python
    session.execute(select(Contact.id, Contact.name))
    session.scalars(select(Contact).options(load_only(Contact.name)))
    ```

    ## Options

    - `n`: the most columns of one result.

    ## When to allow it

    When the caller really reads them all.
    """

    name = "max_columns"
    takes = "n"
    unit = "column in one result", "columns in one result"
    finding = TooManyColumns

    def read_limit(self, value: Any) -> float:
        """Return a number of columns."""
        return count_option(self, "n", value)

    def figure(self, statements: Sequence[Statement]) -> tuple[float, Statement | None]:
        """Return the width of the widest result."""
        reads = [each for each in statements if each.shape.kind == "select"]
        widest = max(reads, key=lambda each: len(columns_of(each)), default=None)
        return (len(columns_of(widest)), widest) if widest else (0, None)

    def advice(self, statement: Statement | None) -> str | None:
        """Name the option that leaves columns out."""
        entities = statement.shape.entities if statement else ()
        if statement is None or not entities or statement.shape.given:
            return "Select only the columns that are read."
        if statement.meaning is not None:
            name = statement.meaning.relationship
            return name and f"Add .options(defaultload({name}).load_only(...)) to the query that leads to it."
        entity = entities[0].removeprefix("alias_of_")
        return f"Select the columns that are read, or add .options(load_only(...)) to the query for {entity}."
