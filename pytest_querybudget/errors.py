"""What this plugin raises."""

from __future__ import annotations


class QueryBudgetExceeded(AssertionError):  # noqa: N818 - the name is public
    """A block or a test did more in the database than its budget allows.

    `findings` are what was found, the text is what a person reads.
    """

    # Where it is imported from, and short in a listing.
    __module__ = "pytest_querybudget"

    def __init__(self, text: str, findings: tuple[object, ...] = ()) -> None:
        super().__init__(text)
        self.findings = findings


class QueryBudgetError(Exception):
    """A budget that could not be measured, so that it could neither hold nor fail."""

    __module__ = "pytest_querybudget"
