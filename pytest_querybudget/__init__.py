"""Budgets for the SQL that a test sends.

The number, the shape and the plan of a test's statements become part of what the test asserts.
"""

from pytest_querybudget.block import query_budget
from pytest_querybudget.budgets import BudgetError
from pytest_querybudget.errors import QueryBudgetError, QueryBudgetExceeded
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording

__all__ = ["BudgetError", "Finding", "QueryBudgetError", "QueryBudgetExceeded", "Recording", "query_budget"]
