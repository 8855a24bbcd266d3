"""What a statement loaded into mapped objects, and what of it was read: plain values that hold no object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from types import MappingProxyType

from pytest_querybudget.recording.model import Hop
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A mapped column: the attribute, `table.column` (or nothing for an expression), and its type in words.

    `weight` orders columns by how much they usually hold; 0 is a small one. `vital` ones are what the ORM itself works
    with: keys, and what relationships, versions and inheritance need. `own` says that the entity which the query
    names has it, and not only a class that inherits from it.
    """

    key: str
    name: str
    kind: str
    weight: int = 0
    vital: bool = False
    own: bool = True


@dataclass(slots=True, eq=False, repr=False)
class Loaded:
    """The objects that one statement brought in at one place of its result.

    `path` leads to them from the entity that the query selects. `how` is `query`, `lazy`, `joined`, `apart` (a
    statement of its own, like `selectinload`) or `row`, for rows of columns without an entity. `mapped` says that the
    mapping asks for an eager load. `entity` is the class, `label` how the query names it.
    """

    entity: str
    label: str
    path: tuple[Hop, ...]
    how: str
    mapped: bool = False
    # The loader option that loads eagerly in this way.
    option: str = ""
    parent: Loaded | None = None
    columns: dict[str, Column] = field(default_factory=dict)
    # Attributes that stand for others: those of a composite.
    implied: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    # Names that were read of any of the objects, whatever they are.
    read: set[str] = field(default_factory=set)
    # How many objects were new to their session: only what they were filled with came from this statement.
    fresh: int = 0
    # Whether something was done with an object that reads no attribute by name, or that may have read them all.
    touched: bool = False
    whole: bool = False
    # Whether an object outlived the call of the application that loaded it: the test may have got hold of it.
    returned: bool = False
    # Whether an object outlived the block that is judged: what is still to be read is not known.
    held: bool = False

    @property
    def looked_at(self) -> bool:
        """Whether anything at all was done with one of the objects."""
        return self.touched or self.whole or bool(self.read)

    def ancestors(self) -> Iterator[Loaded]:
        """Yield what the objects hang on, the nearest first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    def names_read(self) -> set[str]:
        """Return the attributes that were read, those that others stand for among them."""
        return self.read.union(*(self.implied.get(each, ()) for each in self.read))
