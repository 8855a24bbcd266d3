"""The JSON of EXPLAIN as steps: MariaDB's format, and versions 1 and 2 of MySQL's.

The formats share neither names nor nesting, so this reads them by what they have in common: an object with a
table name is a table, any other object is a step around what is nested in it, and unknown keys are stepped over.
Nothing is judged here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pytest_querybudget.recording.plans import Access
from pytest_querybudget.values import dataclass

#: A text in a document of MariaDB, which has one value a line and escapes neither quotes nor backslashes in it.
_TEXT_LINE = re.compile(r'^(\s*"[\w-]+": )"(.*)"(,?)$', re.MULTILINE)
_MERGE = re.compile(r"\b(?:sort_union|union|sort_intersect|intersect)\(")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_ACCESS: dict[str, Access] = {
    "ALL": "full", "index": "full_index", "const": "unique", "eq_ref": "unique", "system": "unique",
    "unique_subquery": "unique", "ref": "index", "ref_or_null": "index", "range": "index", "index_subquery": "index",
    "fulltext": "index", "index_merge": "bitmap", "hash_ALL": "automatic", "hash_index": "automatic",
    "hash_range": "index", "hash_index_merge": "bitmap",
}  # fmt: skip
_FACTS = {
    "cost_info", "used_columns", "possible_keys", "rowid_filter", "index_merge", "partitions", "ref", "used_key_parts",
    "key_columns", "ranges", "sort_fields", "hash_condition", "filesort_key", "functions",
}  # fmt: skip
_MATERIALIZED = ("materialized", "materialized_from_subquery")
_LOOKUPS = {
    "index_lookup": "index",
    "index_scan": "full_index",
    "index_range_scan": "index",
    "multi_range_read": "index",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step as the database prints it, with the texts unmasked.

    `alias` is the name in the statement, `table` and `schema` the real ones where they are printed. `block` marks a
    query block: what it reads is joined with each other and with nothing outside. `parts` are the columns by which
    `index` is searched and `refs` what they are compared with. `served` are conditions that the index decides,
    `conditions` those checked after reading; `sorted` says that rows are sorted here,
    `parted` that the table has partitions.
    """

    operation: str
    alias: str | None = None
    table: str | None = None
    schema: str | None = None
    access: Access = "none"
    index: str | None = None
    parts: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    rows: float | None = None
    cost: float | None = None
    sorted: bool = False
    sort_keys: str | None = None
    message: str | None = None
    block: bool = False
    parted: bool = False
    steps: tuple[Step, ...] = ()

    def walk(self) -> Iterator[Step]:
        """This step and all below it, outermost first."""
        yield self
        for step in self.steps:
            yield from step.walk()


class _Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object as pairs: MariaDB before 10.10 repeats the key `table` for each table of a join."""

    __slots__ = ()

    def get(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)


def read_document(text: str) -> Step:
    """Read what EXPLAIN FORMAT=JSON returned. Raises `ValueError` when it is no such document."""
    try:
        document = json.loads(text, object_pairs_hook=_Pairs, strict=False)
    except ValueError:
        escaped = _TEXT_LINE.sub(lambda line: f"{line[1]}{json.dumps(line[2])}{line[3]}", text)
        document = json.loads(escaped, object_pairs_hook=_Pairs, strict=False)
    if not isinstance(document, _Pairs):
        raise ValueError("not a plan")  # noqa: TRY004 - the text is wrong, not the caller
    if document.get("query_block") is not None:
        steps = tuple(_steps(document))
        return steps[0] if len(steps) == 1 else Step(operation="plan", steps=steps)
    inner = document.get("query_plan")
    return replace(_iterator(inner if isinstance(inner, _Pairs) else document), block=True)


# -- MariaDB and version 1 of MySQL


def _steps(value: _Pairs) -> Iterator[Step]:
    for key, inner in value:
        if key in _FACTS or not isinstance(inner, (_Pairs, list)):
            continue
        if isinstance(inner, _Pairs):
            yield from _step(key, inner)
        else:
            nested = tuple(step for item in inner if isinstance(item, _Pairs) for step in _item(item))
            if nested:
                yield Step(operation=key.replace("_", " "), steps=nested)


def _item(item: _Pairs) -> Iterator[Step]:
    """An entry of a list stands for what is in it: `{"table": {...}}`, `{"query_block": ..., "dependent": ...}`."""
    yield from _steps(item)


def _step(key: str, value: _Pairs) -> Iterator[Step]:
    if key == "table":
        if value.get("insert") is None:
            yield _table(value)
    elif key == "block-nl-join":
        yield from _buffered(value)
    elif key in ("read_sorted_file", "buffer_result"):
        yield from _steps(value)
    else:
        steps = tuple(_steps(value))
        keys = value.get("sort_key")
        yield Step(
            operation=key.replace("_", " "),
            block=key == "query_block",
            sorted=keys is not None or value.get("using_filesort") is True,
            sort_keys=keys,
            message=value.get("message"),
            cost=_cost(value),
            steps=steps,
        )


def _buffered(value: _Pairs) -> Iterator[Step]:
    """A table that is read into MariaDB's join buffer; the condition stands beside it."""
    extra = _texts(value.get("attached_condition"))
    for step in _steps(value):
        yield replace(step, conditions=step.conditions + extra) if step.alias else step


def _table(value: _Pairs) -> Step:
    name = value.get("table_name")
    kind = str(value.get("access_type") or "")
    inner = tuple(_steps(value))
    if name is None or str(name).startswith("<") or any(value.get(key) is not None for key in _MATERIALIZED):
        return _derived(value, name, inner)
    parts = tuple(value.get("used_key_parts") or ())
    index_condition = _texts(value.get("index_condition"))
    return Step(
        operation=kind or "table",
        alias=str(name),
        access=_access(value, kind),
        index=_index(value),
        parts=() if _ACCESS.get(kind) == "full_index" else parts,
        refs=tuple(str(each) for each in value.get("ref") or ()),
        served=index_condition,
        conditions=_texts(value.get("attached_condition")),
        rows=_number(value.get("rows_examined_per_scan"), value.get("rows")),
        cost=_cost(value),
        parted=value.get("partitions") is not None,
        steps=inner,
    )


def _derived(value: _Pairs, name: Any, inner: tuple[Step, ...]) -> Step:
    """A subquery that is kept in a temporary table, or a message in the place of a table.

    `refs` is set when it is searched for each row of another table: then its columns `parts` join it.
    """
    searched = value.get("ref") is not None
    return Step(
        operation="message"
        if name is None
        else "materialized subquery"
        if str(name).startswith("<subq")
        else "materialized",
        message=value.get("message"),
        parts=tuple(value.get("used_key_parts") or ()) if searched else (),
        refs=tuple(str(each) for each in value.get("ref") or ()),
        rows=_number(value.get("rows_examined_per_scan"), value.get("rows")),
        steps=inner,
    )


def _access(value: _Pairs, kind: str) -> Access:
    access = _ACCESS.get(kind, "none")
    if access == "index" and value.get("using_index") is True:
        return "index_only"
    written = value.get("update") is not None or value.get("delete") is not None
    if access == "full_index" and written and value.get("key") == "PRIMARY" and not value.get("key_length"):
        # MariaDB says this of an UPDATE that reads the whole table.
        return "full"
    return access


def _index(value: _Pairs) -> str | None:
    key = value.get("key")
    if key is not None:
        names = (
            _MERGE.sub("", str(key)).replace(")", "").replace(",", ", ")
            if value.get("access_type") == "index_merge"
            else str(key)
        )
        return None if names.startswith("#hash#") else names
    merged = value.get("index_merge")
    return ", ".join(dict.fromkeys(_keys(merged))) or None if merged is not None else None


def _keys(value: Any) -> Iterator[str]:
    pairs = value if isinstance(value, _Pairs) else [(None, each) for each in value] if isinstance(value, list) else ()
    for key, inner in pairs:
        if key == "key":
            yield str(inner)
        else:
            yield from _keys(inner)


def _cost(value: _Pairs) -> float | None:
    info = value.get("cost_info")
    if isinstance(info, _Pairs):
        return _number(info.get("query_cost"), info.get("prefix_cost"))
    return _number(value.get("cost"))


def _number(*values: Any) -> float | None:
    for value in values:
        if isinstance(value, (int, float, str)):
            try:
                return float(value)
            except ValueError:
                continue
    return None


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (value,) if isinstance(value, str) else ()


# -- version 2 of MySQL: what the iterators do


def _iterator(value: _Pairs) -> Step:
    kind = value.get("access_type")
    steps = tuple(_iterator(each) for each in value.get("inputs") or () if isinstance(each, _Pairs))
    if kind == "filter" and len(steps) == 1 and isinstance(value.get("condition"), str):
        return _filtered(steps[0], (value.get("condition"),))
    if kind == "join":
        return _joined(value, steps)
    if value.get("table_name") is not None and kind in ("table", "index"):
        return _iterated_table(value, kind, steps)
    fields = value.get("sort_fields") or ()
    return Step(
        operation=str(kind or value.get("operation") or "step").replace("_", " "),
        sorted=kind == "sort",
        sort_keys=", ".join(str(each) for each in fields) or None,
        message=str(value.get("operation")) if kind in ("zero_rows", "rows_fetched_before_execution") else None,
        rows=_number(value.get("estimated_rows")),
        cost=_number(value.get("estimated_total_cost")),
        block=value.get("heading") is not None or kind == "materialize",
        steps=steps,
    )


def _filtered(step: Step, conditions: tuple[str, ...]) -> Step:
    """Hand a condition down to what it filters: it is parted by table later."""
    if step.alias is None and len(step.steps) == 1 and not step.block:
        return replace(step, steps=(_filtered(step.steps[0], conditions),))
    return replace(step, conditions=step.conditions + conditions)


def _joined(value: _Pairs, steps: tuple[Step, ...]) -> Step:
    """Conditions of a hash join stand beside it; the tables that it names take them."""
    hashed = _texts(value.get("hash_condition")) + _texts(value.get("extra_condition"))
    if hashed and len(steps) > 1:
        steps = (*steps[:-1], _filtered(steps[-1], hashed))
    return Step(
        operation=str(value.get("join_type") or "join"),
        rows=_number(value.get("estimated_rows")),
        cost=_number(value.get("estimated_total_cost")),
        steps=steps,
    )


def _iterated_table(value: _Pairs, kind: str, steps: tuple[Step, ...]) -> Step:
    how = str(value.get("index_access_type") or "")
    operation = str(value.get("operation") or "")
    access: Access = "full" if kind == "table" else "index"
    if kind == "index":
        access = "full_index" if how == "index_scan" else "index"
        if access == "index" and value.get("covering") is True:
            access = "index_only"
        if operation.startswith(("Single-row", "Constant row")):
            access = "unique"
    lookup = value.get("lookup_condition")
    pairs = [each.partition("=") for each in _QUOTED.sub("'?'", lookup).split(", ")] if isinstance(lookup, str) else []
    return Step(
        operation=how.replace("_", " ") or "table scan",
        alias=str(value.get("alias") or value.get("table_name")),
        table=str(value.get("table_name")),
        schema=value.get("schema_name"),
        access=access,
        index=value.get("index_name"),
        parts=tuple(name.strip() for name, _, _ in pairs),
        refs=tuple(other.strip() for _, _, other in pairs),
        served=_texts(value.get("ranges")) + _texts(value.get("pushed_index_condition")),
        rows=_number(value.get("estimated_rows")),
        cost=_number(value.get("estimated_total_cost")),
        steps=steps,
    )
