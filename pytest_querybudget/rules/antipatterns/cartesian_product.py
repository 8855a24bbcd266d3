"""Tables in one FROM that nothing connects."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import OUTER, UNKNOWN, Query, Relation, Structure
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import fixed, is_single


class CartesianProduct(Pattern):
    """An implicit cartesian product: two tables in one FROM, and no condition that connects them.

    Every row of one comes with every row of the other. With SQLAlchemy it is mostly a column of another table, in a
    filter or in the select list, whose join was forgotten. SQLAlchemy warns of it too; a warning is easily overlooked.

    ```python
    select(Contact, Message).where(Contact.tenant_id == 1)
    ```

    Use instead:

    ```python
    select(Contact, Message).join(Message, Message.contact_id == Contact.id).where(Contact.tenant_id == 1)
    ```

    A product that is asked for (`CROSS JOIN`, `JOIN ... ON true`) is none, nor is one with functions, lists of values,
    or a query or key that gives one row.
    """

    name = "cartesian_product"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look for relations that no chain of conditions leads to."""
        for query in case.structure.queries:
            if query.role == "exists" or len(query.relations) < 2:
                continue
            groups = _connected(case.structure, query)
            if len(groups) > 1:
                names = [_name(query.relations[min(each)]) for each in groups]
                yield Hit(
                    f"nothing connects {' and '.join(names)} in one FROM: "
                    "every row of one comes with every row of the other",
                    f"Join them: .join({names[1]}, ...) with the condition that connects the two; "
                    "for figures of both, use a query or a scalar subquery for each.",
                )


def _name(relation: Relation) -> str:
    return relation.table or relation.label


def _connected(structure: Structure, query: Query) -> list[set[int]]:
    """Return the relations in groups that conditions connect."""
    group = {number: {number} for number in range(len(query.relations))}

    def connect(numbers: list[int]) -> None:
        for other in numbers[1:]:
            if group[other] is not group[numbers[0]]:
                group[numbers[0]] |= group[other]
                for each in group[other]:
                    group[each] = group[numbers[0]]

    everything = list(group)
    named_outer: list[int] = []
    for factor in query.factors:
        numbers = sorted(each for each in factor.relations if each >= 0)
        if UNKNOWN in factor.relations:
            connect(everything)
        elif factor.clause == "on" and not numbers and factor.relation > 0:
            # ON true: that product is meant.
            connect([factor.relation - 1, factor.relation])
        else:
            connect(numbers)
        named_outer += numbers if OUTER in factor.relations else []
    connect(named_outer)
    single = fixed(structure, query)
    for number, relation in enumerate(query.relations):
        if number in single or _is_meant(structure, relation):
            connect([0 if number else 1, number])
    return list({id(each): each for each in group.values()}.values())


def _is_meant(structure: Structure, relation: Relation) -> bool:
    """Return whether a relation may stand in a FROM without a condition."""
    if relation.function or relation.lateral or relation.conditional or relation.join == "cross":
        return True
    if relation.query is None:
        return False
    inner = structure.queries[relation.query]
    return inner.values or inner.limited or inner.recursive or is_single(structure, inner)
