"""The audit against programs whose reads are known because they were generated: no false alarm, and most is found."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field

import pytest

from tests.plugin.suites import Suite

LARGE = {"Customer": ("bio", "photo", "settings"), "Order": ("note", "terms", "document"), "Item": ("text", "picture")}
PATHS = (
    ("Customer",),
    ("Order",),
    ("Item",),
    ("Customer", "orders"),
    ("Order", "items"),
    ("Order", "customer"),
    ("Item", "order"),
    ("Customer", "orders", "items"),
    ("Item", "order", "customer"),
)
ENTITIES = {"orders": "Order", "order": "Order", "items": "Item", "customer": "Customer"}
LOADERS = ("selectinload", "joinedload", "subqueryload", "lazyload")
# How a column is read, and how an object is read as a whole.
READS = (
    "{o}.{c}",
    "getattr({o}, '{c}')",
    "attrgetter('{c}')({o})",
    "[{o}.{c} for _ in range(2)]",
    "type({o}).{c}.__get__({o}, type({o}))",
    "(lambda found: found.{c})({o})",
    "f'{{{o}.{c}!r}}'",
    "Seen_{e}_{c}.model_validate({o})",
)
WHOLE = (
    "vars({o})",
    "{o}.__dict__.copy()",
    "pickle.dumps({o})",
    "copy.copy({o})",
    "dict(inspect({o}).dict)",
    "[each.loaded_value for each in inspect({o}).attrs]",
    "Session(engine).merge({o}, load=False)",
)
# What reads nothing of what was loaded, done with the objects afterwards.
NOISE = (
    "",
    "session.flush()",
    "session.expire_all()",
    "session.commit()",
    "session.rollback()",
    "session.expunge_all()",
    "session.close()",
    "len({o})",
    "session.scalar(select(func.count()).select_from(Order))",
)


@dataclass
class Program:
    """One function of an application, and what it leaves unread: columns and relationships, as `Class.attribute`."""

    source: str
    columns: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)


def program(name: str, dice: random.Random) -> Program:
    """Make a program: a query along a path, loops down to the objects that it reads, and what it reads of them."""
    path = dice.choice(PATHS)
    entities = [path[0], *(ENTITIES[each] for each in path[1:])]
    loader = dice.choice(LOADERS)
    reached = dice.randint(1, len(path)) if loader != "lazyload" else len(path)
    options = _options(path, entities, loader)
    made = Program(
        f"def {name}(session):\n    found = session.scalars(select({path[0]}){options}).unique().all()\n    read = []\n"
    )
    variable = "found"
    for depth in range(reached):
        indent = "    " * (depth + 1)
        step = variable if depth == 0 else f"listed({variable}.{path[depth]})"
        made.source += f"{indent}for o{depth} in {step}:\n"
        variable = f"o{depth}"
        entity = entities[depth]
        lines, read = _reads(variable, entity, dice, must=depth == reached - 1)
        made.source += "".join(f"{indent}    read.append({line})\n" for line in lines)
        made.source += f"{indent}    read.append(id({variable}))\n"
        if read is not None:
            made.columns |= {f"{entity}.{each}" for each in LARGE[entity] if each not in read}
    if reached < len(path):
        made.loads.add(f"{entities[reached - 1]}.{path[reached]}")
    made.source += f"    {dice.choice(NOISE).format(o='found')}\n    return str(read)\n"
    return made


def _options(path: tuple[str, ...], entities: list[str], loader: str) -> str:
    if len(path) == 1:
        return ""
    steps = [f"{loader}({owner}.{key})" for owner, key in zip(entities, path[1:], strict=False)]
    return f".options({'.'.join(steps)})"


def _reads(variable: str, entity: str, dice: random.Random, *, must: bool) -> tuple[list[str], set[str] | None]:
    """Return what is read of an object, and the large columns among it: None when that is all of it."""
    if dice.random() < 0.15:
        return [dice.choice(WHOLE).format(o=variable)], None
    read = {each for each in LARGE[entity] if dice.random() < 0.4}
    lines = [dice.choice(READS).format(o=variable, c=each, e=entity) for each in sorted(read)]
    if must and not read:
        lines.append(f"{variable}.id")
    return lines, read


def suite_of(programs: dict[str, Program]) -> tuple[str, str]:
    """Return the application and its tests."""
    validators = "".join(
        f"class Seen_{entity}_{each}(BaseModel):\n    model_config = ConfigDict(from_attributes=True)\n    {each}: Any\n"
        for entity, columns in LARGE.items()
        for each in columns
    )
    listed = "def listed(value):\n    return list(value) if isinstance(value, list) else [value]\n"
    application = (
        f"from pydantic import BaseModel, ConfigDict\nfrom warehouse import *\n{validators}{listed}"
        + "".join(each.source for each in programs.values())
    )
    tests = "from application import *\n" + "".join(
        f"def test_{name}():\n    with Session(engine) as session:\n        {name}(session)\n" for name in programs
    )
    return application, tests


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_programs(warehouse: Suite, seed: int) -> None:
    """Whatever is reported was not read (precision 1), and at least nine in ten of what was not read is reported."""
    dice = random.Random(seed)
    programs = {f"program_{number}": program(f"program_{number}", dice) for number in range(120)}
    application, tests = suite_of(programs)
    warehouse.write("application.py", application)
    warehouse.write("test_it.py", tests)
    outcome = warehouse.run("", "--querybudget-audit")
    assert outcome.counts == {"passed": len(programs)}
    true = expected = 0
    false = []
    for name, made in programs.items():
        found: set[str] = set()
        for each in outcome.tests[f"test_{name}"]["findings"]:
            if each["rule"] == "no_unused_columns":
                words = each["message"].partition(" loaded with")[0].replace(",", " ").split()
                found |= {word for word in words if word.partition(".")[0] in LARGE}
            elif each["rule"] == "no_unused_loads":
                found.add(each["relationship"] or each["message"])
        truth = made.columns | made.loads
        false += [f"{name}: {each}\n{made.source}" for each in sorted(found - truth)]
        true += len(found & truth)
        expected += len(truth)
    # Shown with `-rP`.
    sys.stdout.write(f"seed {seed}: {true} of {expected} found, {len(false)} false\n")
    assert not false, "\n".join(false)
    assert true >= 0.9 * expected


# How one position of a row is read, and how all of them are.
POSITIONS = (
    "{r}.{c}",
    "{r}[{i}]",
    "{r}[{b}]",
    "getattr({r}, '{c}')",
    "attrgetter('{c}')({r})",
    "{r}._mapping['{c}']",
    "{r}._mapping.get('{c}')",
    "{r}._mapping[columns[{i}]]",
    "{r}[{i}:{i} + 1]",
    "f'{{{r}.{c}!r}}'",
)
ALL_POSITIONS = (
    "list({r})",
    "tuple({r})",
    "[*{r}]",
    "{r}._asdict()",
    "dict({r}._mapping)",
    "list({r}._mapping.values())",
    "repr({r})",
    "{r} == {r}",
    "hash(str({r}))",
    "pickle.dumps({r})",
    "len({r})",
    "next(iter({r}))",
)
RESULTS = (
    "session.execute({q}).all()",
    "session.execute({q})",
    "list(session.execute({q}))",
    "session.execute({q}).fetchmany(10)",
    "session.execute({q}.execution_options(yield_per=2))",
    "session.query(*columns)",
    "session.connection().execute({q})",
    "[row for part in session.execute({q}).partitions(2) for row in part]",
    "session.execute(text(str({q}))).all()",
)


def rows_program(name: str, dice: random.Random) -> Program:
    """Make a program that selects columns, and what it reads of the rows."""
    entity = dice.choice(list(LARGE))
    columns = dice.sample([*LARGE[entity], "id"], dice.randint(2, len(LARGE[entity]) + 1))
    read = [each for each in columns if dice.random() < 0.5] or columns[:1]
    result = dice.choice(RESULTS)
    lines = []
    for each in read:
        index = columns.index(each)
        # A connection knows a row's columns by the attributes of no class.
        named = "text(" in result or "connection()" in result
        forms = [form for form in POSITIONS if not named or "columns[" not in form]
        lines.append(dice.choice(forms).format(r="row", c=each, i=index, b=index - len(columns)))
    whole = dice.random() < 0.2
    if whole:
        lines.append(dice.choice(ALL_POSITIONS).format(r="row"))
    listed = ", ".join(f"{entity}.{each}" for each in columns)
    body = "".join(f"        read.append({line})\n" for line in dice.sample(lines, len(lines)))
    made = Program(
        f"def {name}(session):\n    columns = [{listed}]\n    read = []\n"
        f"    for row in {result.format(q='select(*columns)')}:\n{body}    return str(read)\n"
    )
    if not whole and "text(" not in result:
        made.columns = {f"{TABLES[entity]}.{each}" for each in columns if each not in read and each != "id"}
    return made


TABLES = {"Customer": "customer", "Order": "orders", "Item": "item"}


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_rows(warehouse: Suite, seed: int) -> None:
    """The positions of rows that were never read are known exactly, but for texts, of which no type is known."""
    dice = random.Random(seed)
    programs = {f"program_{number}": rows_program(f"program_{number}", dice) for number in range(150)}
    application, tests = suite_of(programs)
    warehouse.write("application.py", application)
    warehouse.write("test_it.py", tests)
    outcome = warehouse.run("", "--querybudget-audit")
    assert outcome.counts == {"passed": len(programs)}
    for name, made in programs.items():
        found: set[str] = set()
        for each in outcome.tests[f"test_{name}"]["findings"]:
            if each["rule"] == "no_unused_columns":
                words = each["message"].partition(" selected in")[0].replace(",", " ").split()
                found |= {word for word in words if word.partition(".")[0] in TABLES.values()}
        assert found == made.columns, f"{name}: {found}\n{made.source}"
