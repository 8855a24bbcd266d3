"""What keeps a fault of a listener from the application that SQLAlchemy tells."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar


class Faulting(Protocol):
    """Something that listens, with what hears of its faults."""

    fault: Callable[[Exception], None]


T = TypeVar("T", bound=Faulting)
P = ParamSpec("P")


def harmless(listener: Callable[Concatenate[T, P], Any]) -> Callable[Concatenate[T, P], None]:
    """Tell a fault of a listener to its own object, never to who called it: a suite may hand in any connection."""

    @wraps(listener)
    def guarded(self: T, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            listener(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self.fault(error)

    return guarded
