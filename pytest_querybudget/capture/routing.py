"""Sends the statements of each web request to a window of its own, also where requests run at the same time.

A journal looks for the request of the running task or thread only once a request has come through a wrapped
application: until then this costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.recording.model import Statement, Window


class Request:
    """One request: its name, whether it still runs, and the windows that its statements went to."""

    __slots__ = ("label", "running", "windows")

    def __init__(self, label: str) -> None:
        self.label = label
        self.running = True
        self.windows: list[Window] = []

    def begin(self, journals: Iterable[Journal]) -> None:
        """Have a window in each journal, whether or not the request sends anything."""
        for each in journals:
            routed(each).enter(self)

    def rename(self, label: str) -> None:
        """Take another name, once the route is known."""
        self.label = label
        for each in self.windows:
            each.label = label


#: The request that the running task or thread works for; contexts are copied to tasks, greenlets and worker threads.
CURRENT: ContextVar[Request | None] = ContextVar("querybudget_request", default=None)


class Part:
    """What a journal keeps for one request: its window, and what repeats are measured against."""

    __slots__ = ("seen", "senders", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.seen: dict[int, int] = {}
        self.senders: dict[int, Statement] = {}


def _by_request(name: str) -> Any:
    """Return an attribute that is the request's inside of a request, and the journal's own elsewhere."""

    def read(journal: RoutedJournal) -> Any:
        part = journal.part()
        return journal.__dict__[name] if part is None else getattr(part, name)

    def write(journal: RoutedJournal, value: Any) -> None:
        journal.__dict__[name] = value

    return property(read, write)


class RoutedJournal(Journal):
    """A journal with a window for each request beside its own."""

    window = _by_request("window")
    seen = _by_request("seen")
    senders = _by_request("senders")
    parts: dict[Request, Part]

    def part(self) -> Part | None:
        """Return the part of the request that is being worked for; what outlives its test belongs to no other."""
        request = CURRENT.get()
        if request is None:
            return None
        part = self.parts.get(request)
        return self.enter(request) if part is None and request.running else part

    def enter(self, request: Request) -> Part:
        """Begin the window of a request."""
        outer: Window = self.__dict__["window"]
        window = Window(outer.phase, request.label, perf_counter() - self.started, outer=outer)
        part = self.parts[request] = Part(window)
        self.recording.windows.append(window)
        request.windows.append(window)
        return part


def routed(journal: Journal) -> RoutedJournal:
    """Make a journal look for requests from here on."""
    if not isinstance(journal, RoutedJournal):
        journal.__class__ = RoutedJournal
        journal.parts = {}  # type: ignore[attr-defined]
    return journal  # type: ignore[return-value]
