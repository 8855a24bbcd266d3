"""Literals where parameters belong."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern


class LiteralValues(Pattern):
    """Values in the text of a statement that should be parameters.

    Each value makes another statement: the database parses and plans every one of them, caches of statements fill up
    with texts that never come again, and a value from outside is an injection.

    ```python
    connection.execute(text(f"SELECT count(*) FROM contacts WHERE segment_id = {segment.id}"))
    ```

    Use instead:

    ```python
    connection.execute(text("SELECT count(*) FROM contacts WHERE segment_id = :segment_id"), {"segment_id": segment.id})
    ```

    Reported are SELECTs that one place sends with different literals. A literal that stays the same
    (`status = 'open'`) is part of the statement.
    """

    name = "literals"

    def find(self, case: Case) -> Iterator[Hit]:
        """Compare the literals of the texts that were sent."""
        shape = case.statement.shape
        if not shape.literal or "__[POSTCOMPILE" in case.facts.text:
            return
        together = _together(case)
        texts = {sample.text for each in together for sample in each.samples if sample.text is not None}
        if len(together) > 1:
            texts |= {each.shape.text for each in together}
        found = {text: shape.literals(text) for text in sorted(texts)}
        if len(set(found.values())) < 2 or together[0] is not case.statement:
            return
        positions = _varying(list(found.values()))
        column = next(
            (
                each.column
                for each in shape.describe(min(found)).binds
                if each.literal and each.column and (not positions or each.name in positions)
            ),
            None,
        )
        name = (column or "value").rpartition(".")[2]
        yield Hit(
            f"{len(found)} different texts of one statement, each with its own literals"
            + (f" for {column}" if column else ""),
            f'Send the value as a parameter: ":{name}" in the text, and {{"{name}": ...}} beside it.',
        )


def _together(case: Case) -> list[Statement]:
    """Return what one place sends with lists of other lengths: another text, and the same statement."""
    statement, sql = case.statement, case.facts.sql
    return [
        each
        for each in case.window
        if each.stack is statement.stack and each.shape.literal and each.shape.facts.sql == sql
    ]


def _varying(literals: list[tuple[str, ...]]) -> set[str]:
    """Return the positions of the literals that differ, as far as the texts have equally many."""
    columns = list(zip(*literals, strict=False))
    return {str(index) for index, values in enumerate(columns) if len(set(values)) > 1}
