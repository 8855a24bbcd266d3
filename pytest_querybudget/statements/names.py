"""The names by which the values of a statement are told apart."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_querybudget.values import dataclass


@dataclass(slots=True)
class ValueNames:
    """Names each placeholder as the parameters of the statement do, and each literal by its position.

    `positional` are the names behind positional placeholders, in order, as a compiled statement knows them.
    """

    dialect: str = ""
    positional: Sequence[str] | None = None
    numbered: Sequence[str] | None = None
    literals: int = 0
    parameters: int = 0

    def literal(self) -> str:
        """The name of the next literal: its index in `literals(sql)`."""
        self.literals += 1
        return str(self.literals - 1)

    def parameter(self, text: str) -> str | None:
        """The name of the next placeholder, or None for an operator that looks like one."""
        if text == "?" and self.dialect == "postgresql":
            return None
        if text in ("?", "%s"):
            return self._next()
        if text[0] == "_":
            if self.positional is not None:
                self._next()
            return text[len("__[POSTCOMPILE_") : -1].split("~~", 1)[0]
        if text[0] == "%":
            return text[2:-2]
        return self._number(int(text[1:]) - 1) if text[1:].isdigit() else text[1:]

    def _next(self) -> str:
        self.parameters += 1
        index = self.parameters - 1
        known = self.positional
        return known[index] if known is not None and index < len(known) else str(index)

    def _number(self, index: int) -> str:
        known = self.numbered
        return known[index] if known is not None and 0 <= index < len(known) else str(max(index, 0))
