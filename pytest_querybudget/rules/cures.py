"""Cures as code: loader options, look-ups and writes that replace a loop."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_querybudget.findings.loaders import LoaderOption, Step
from pytest_querybudget.recording.model import Hop, Meaning
from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """What a cure must know of the query that it changes.

    `entities` are what it selects, `subclasses` those whose columns were missing, `deep` whether a tree was walked over
    more than one level, `given` whether the application wrote its text, `by_identity` whether it is `session.get()`,
    `by_query` whether it is `Query.get()`, `committed` whether a commit came between the loads, `expiring` whether one
    came after each of them.
    """

    entities: tuple[str, ...] = ()
    subclasses: tuple[str, ...] = ()
    deep: bool = False
    given: bool = False
    by_identity: bool = False
    by_query: bool = False
    committed: bool = False
    expiring: bool = False


_WORDS = {
    "lazy": "was loaded lazily",
    "deferred": "was loaded on access",
    "subclass": "was loaded on access",
    "expired": "was loaded again after it had expired",
    "refresh": "was refreshed",
}


def loop_words(meaning: Meaning) -> str:
    """Say what was loaded, and how."""
    if meaning.load == "lazy":
        return f"{meaning.relationship} {_WORDS['lazy']}"
    if meaning.load in ("deferred", "subclass") and meaning.attributes:
        names = ", ".join(f"{meaning.entity}.{each}" for each in meaning.attributes)
        verb = "was" if len(meaning.attributes) == 1 else "were"
        return f"{names} {verb} loaded on access"
    return f"{meaning.entity} {_WORDS[meaning.load]}"


def loader_cure(meaning: Meaning, query: Query, origin: Place | None) -> str | None:
    """Return the change to the query at `origin` that brings everything at once."""
    where = f" to the query at {origin.path}:{origin.line}" if origin else ""
    if meaning.load == "expired":
        return _expired_cure(meaning, query)
    if meaning.load == "refresh":
        return (
            f"Refresh them together: session.scalars(select({meaning.entity}).where(...)"
            ".execution_options(populate_existing=True)).all()"
        )
    found = loader_options(meaning, query)
    if not found and meaning.load in ("lazy", "deferred", "subclass"):
        # It came along with something else, and which way is not to be seen.
        what = meaning.relationship or f"the columns of {meaning.entity}"
        return f"Load {what} with loader options of what brings in its {meaning.entity}{where and f',{where[3:]}'}."
    first = "Commit once after the loop: each commit expires what was loaded. Then " if is_undone(found, query) else ""
    add, give = (f"{first}add", f"{first}pass") if first else ("Add", "Pass")
    options = ", ".join(map(str, found))
    if query.by_query:
        return f"{add} .options({options}){where}, before .get(...)."
    if query.by_identity:
        return f"{give} options=[{options}]{where}."
    if not origin:
        # No query brought them in: the application made them, or the session had them for longer.
        where = " to one query that loads them all, before the loop"
    return f"{add} .options({options}){where}{alias_note(options)}."


def is_undone(options: Iterable[LoaderOption], query: Query) -> bool:
    """Return whether commits expire what loader options bring; what is joined comes again with the reload."""
    return query.expiring and any(step.function == "selectinload" for each in options for step in each.steps)


def alias_note(options: str) -> str:
    """Say what stands for the query's own alias in loader options: its name is only known to the application."""
    found = re.search(r"\balias_of_(\w+)", options)
    return f", where {found[0]} is its aliased({found[1]})" if found else ""


def _expired_cure(meaning: Meaning, query: Query) -> str:
    if meaning.cause == "commit" and query.committed:
        return (
            "Commit once after the loop, or create the session with expire_on_commit=False: "
            f"each commit expires every {meaning.entity} that the session holds."
        )
    if meaning.cause == "commit":
        return (
            "Create the session with expire_on_commit=False, or read before the commit: "
            f"it expires every {meaning.entity} that the session holds."
        )
    return f"Load them together: session.scalars(select({meaning.entity}).where(...)).all(), after what expired them."


def loader_options(meaning: Meaning, query: Query) -> tuple[LoaderOption, ...]:
    """Return the loader options, the whole path from the entity that the query selects; none where none would help."""
    if meaning.load not in ("lazy", "deferred", "subclass") or not is_clear(meaning):
        return ()
    hops = _collapsed(meaning.path)
    steps = tuple(_steps(hops, query))
    if meaning.load == "subclass":
        base = meaning.base or meaning.entity
        classes = query.subclasses or (meaning.entity,)
        return (LoaderOption((*steps, Step("selectin_polymorphic", base, classes=classes))),)
    if meaning.load == "deferred":
        return tuple(LoaderOption((*steps, Step("undefer", meaning.entity, each))) for each in meaning.attributes)
    first = hops[0] if hops else None
    ancestors = first.ancestors if first else ()
    root = next((each for each in ancestors if first and each in query.entities and each not in first.bases), None)
    if first and root:
        # An option for an attribute of a subclass takes effect only once the query loads that subclass.
        return LoaderOption((Step("selectin_polymorphic", root, classes=(first.owner,)),)), LoaderOption(steps)
    return (LoaderOption(steps),) if steps else ()


def is_clear(meaning: Meaning) -> bool:
    """Return whether it is known how the query leads to what was loaded: SQLAlchemy refuses a path with a gap."""
    return not meaning.unclear and all(
        one.target in other.bases or one.target in other.ancestors for one, other in itertools.pairwise(meaning.path)
    )


def _collapsed(path: tuple[Hop, ...]) -> list[Hop]:
    """Return a path with the levels of a tree as one hop."""
    hops: list[Hop] = []
    for each in path:
        if not (hops and each.recursive and hops[-1].key == each.key):
            hops.append(each)
    return hops


def _steps(hops: list[Hop], query: Query) -> Iterator[Step]:
    """Yield one step a hop: eager for what was lazy, and only named for what the query loads already."""
    for index, hop in enumerate(hops):
        following = hops[index + 1] if index + 1 < len(hops) else None
        narrowed = following and hop.target not in following.bases and hop.target in following.ancestors
        # A collection that comes joined with what is joined would ask the application to call .unique(); what is got
        # by its key does that by itself.
        brings = hop.wide or (following is not None and following.uselist and not following.lazy)
        widens = brings and not (query.by_identity or query.by_query)
        function, depth = _function(hop, deep=query.deep, joins=not query.given and not widens)
        yield Step(
            function,
            _owner(hop, query.entities) if index == 0 else hop.owner,
            hop.key,
            of_type=following.owner if following and narrowed else None,
            depth=depth,
        )


def _owner(hop: Hop, entities: tuple[str, ...]) -> str:
    """Return the name of the first hop's entity as the query selects it."""
    for each in entities:
        if each in hop.bases or each.removeprefix("alias_of_") in hop.bases:
            return each
    return hop.owner


def _function(hop: Hop, *, deep: bool, joins: bool) -> tuple[str, int | None]:
    if not hop.lazy:
        return "defaultload", None
    if hop.recursive and deep:
        return "selectinload", -1
    return ("joinedload" if joins and not hop.uselist else "selectinload"), None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What a cure must know of a loop of look-ups: by what columns, and what the statement is.

    `attributes` are the mapped attributes of columns, `entity` what is selected; `patterns` means LIKE, and `fixed` are
    the columns of conditions that are the same each time, `differing` those of others that are not.
    """

    sql: str
    keys: tuple[str, ...]
    attributes: Mapping[str, str]
    entity: str | None
    limited: bool
    aggregate: bool
    patterns: bool
    fixed: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def lookup_cure(found: Lookup) -> str:
    """Return the one query that replaces a loop of look-ups by key."""
    keys = [each for each in found.keys if each]
    if found.patterns:
        return "Ask for all patterns at once, before the loop: .where(or_(*(column.like(each) for each in patterns)))."
    if not keys or not all(_is_plain(each, found.sql) for each in keys):
        return "Load them together before the loop, with one query that takes all keys, and look them up in a dict."
    cure = _by_keys(found, keys)
    rest = [*_conditions(found.fixed, "stays", "stay"), *_conditions(found.differing, *_DIFFERING)]
    return "; ".join([cure.removesuffix("."), *rest]) + "." if rest else cure


_DIFFERING = ("differs each time: hold it against the rows", "differ each time: hold them against the rows")


def _by_keys(found: Lookup, keys: Sequence[str]) -> str:
    """Return the one query for all keys."""
    columns = [found.attributes.get(each) or _core(each) for each in keys]
    column = columns[0] if len(columns) == 1 else f"tuple_({', '.join(columns)})"
    if found.aggregate:
        return f"Compute them together before the loop: .where({column}.in_(keys)).group_by({', '.join(columns)})"
    if found.limited:
        return (
            f"Load them together before the loop: .where({column}.in_(keys)), with "
            f"func.row_number().over(partition_by={columns[0]}, order_by=...) to keep the first rows of each."
        )
    start = f"select({found.entity})" if found.entity else "select(...)"
    if column.startswith(keys[0].rpartition(".")[0] + ".c.") or not found.entity:
        names = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        return f"Load them together before the loop: WHERE {names} IN (...), that is .where({column}.in_(keys))"
    return f"Load them together before the loop: {start}.where({column}.in_(keys))"


def _conditions(columns: Sequence[str], one: str, several: str) -> Iterator[str]:
    """Say what becomes of conditions: without those that stay, the one query would bring in too much."""
    if columns:
        *others, last = columns
        yield (
            f"the conditions on {', '.join(others)} and {last} {several}"
            if others
            else f"the condition on {last} {one}"
        )


def _is_plain(column: str, sql: str) -> bool:
    """Return whether a statement compares the column itself, and not an expression of it."""
    name = re.escape(column.rpartition(".")[2])
    parameter = r"(?:\?|%\(\w+\)s|%s|:\w+|\$\d+)"
    compared = (
        rf"\b{name}[\"`\]]?\s*(?:=\s*{parameter}|IN\s*\()|{parameter}(?:::\w+)?\s*=\s*(?:[\w\"`.]+\.)?[\"`\[]?{name}\b"
    )
    return re.search(compared, sql, re.IGNORECASE) is not None


def _core(column: str) -> str:
    table, _, name = column.rpartition(".")
    return f"{table.rpartition('.')[2]}.c.{name}" if table else f"column({name!r})"
