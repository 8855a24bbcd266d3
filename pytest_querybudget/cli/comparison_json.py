"""A comparison as JSON, complete, for other programs. Version 1: fields may be added, none renamed."""

from __future__ import annotations

import json
from typing import Any

from pytest_querybudget.compare import Change, Comparison, FindingChange
from pytest_querybudget.reports.document import to_plain


def as_json(comparison: Comparison) -> str:
    """Everything that differs, whatever its size."""
    plain: dict[str, Any] = {
        "version": 1,
        "regressions": comparison.regressions,
        "tolerance": to_plain(comparison.tolerance),
        "compared": comparison.compared,
        "totals": {each.name: _change(each) for each in comparison.totals},
    }
    for name, key in (("tests", "nodeid"), ("places", "place"), ("statements", "sql")):
        plain[name] = [{key: each.name, **_change(each)} for each in getattr(comparison, name)]
    for name in ("found", "changed", "cured"):
        plain[name] = [_finding(each) for each in getattr(comparison, name)]
    for name in ("added", "removed", "incomparable"):
        plain[name] = list(getattr(comparison, name))
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _change(change: Change) -> dict[str, Any]:
    return {
        "base": change.base,
        "head": change.head,
        "change": change.more,
        "percent": change.percent,
        "regression": change.regression,
    }


def _finding(change: FindingChange) -> dict[str, Any]:
    return {
        "identity": change.identity,
        "base": change.base,
        "head": change.head,
        "base_tests": change.base_tests,
        "head_tests": change.head_tests,
        "regression": change.regression,
        "finding": to_plain(change.entry),
    }
