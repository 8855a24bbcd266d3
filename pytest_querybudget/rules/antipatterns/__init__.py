"""The patterns of `no_antipatterns`, one module each: what it looks like, why it hurts, what to write instead."""

from __future__ import annotations

from pytest_querybudget.rules.antipatterns.cartesian_product import CartesianProduct
from pytest_querybudget.rules.antipatterns.count_for_exists import CountForExists
from pytest_querybudget.rules.antipatterns.deep_offset import DeepOffset
from pytest_querybudget.rules.antipatterns.function_on_column import FunctionOnColumn
from pytest_querybudget.rules.antipatterns.leading_wildcard import LeadingWildcard
from pytest_querybudget.rules.antipatterns.limit_without_order import LimitWithoutOrder
from pytest_querybudget.rules.antipatterns.literal_values import LiteralValues
from pytest_querybudget.rules.antipatterns.not_in_subquery import NotInSubquery
from pytest_querybudget.rules.antipatterns.order_by_random import OrderByRandom
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.antipatterns.select_star import SelectStar
from pytest_querybudget.rules.antipatterns.whole_table_aggregate import WholeTableAggregate

PATTERNS: tuple[Pattern, ...] = (
    NotInSubquery(),
    LeadingWildcard(),
    SelectStar(),
    DeepOffset(),
    LimitWithoutOrder(),
    FunctionOnColumn(),
    LiteralValues(),
    CartesianProduct(),
    CountForExists(),
    OrderByRandom(),
    WholeTableAggregate(),
)

__all__ = ["PATTERNS", "Case", "Hit", "Pattern"]
