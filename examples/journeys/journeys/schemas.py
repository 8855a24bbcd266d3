"""What the service answers, and what it takes. Both versions of the queries fill the same answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An answer that can be read straight off a mapped object."""

    model_config = ConfigDict(from_attributes=True)


class JourneySummary(Answer):
    """A journey in a list, with the names of its nodes in order."""

    id: int
    name: str
    nodes: list[str]


class ContactName(Answer):
    """As much of a contact as a list shows."""

    id: int
    name: str


class ContactCard(Answer):
    """A contact on its own page."""

    id: int
    name: str
    email: str


class ExecutionTree(Answer):
    """One contact at one node."""

    id: int
    status: str
    contact: ContactName


class NodeTree(Answer):
    """One node and who is there."""

    id: int
    name: str
    executions: list[ExecutionTree]


class JourneyTree(Answer):
    """A journey with everything below it."""

    id: int
    name: str
    nodes: list[NodeTree]


class JourneyActivity(Answer):
    """A journey with the size of what belongs to it."""

    id: int
    name: str
    nodes: int
    messages: int


class SegmentSize(Answer):
    """How many contacts a segment has."""

    id: int
    name: str
    contacts: int


class RenderedMessage(Answer):
    """A message as it leaves the house."""

    id: int
    sender: str
    text: str


class MessageLine(Answer):
    """A message in a list or an export."""

    id: int
    subject: str
    status: str


class Call(Answer):
    """A call in a list."""

    id: int
    started_at: datetime
    seconds: int


class Dashboard(Answer):
    """The figures of one tenant."""

    contacts: int
    messages: int
    executions: int


class TenantReport(Answer):
    """The nightly line of one tenant."""

    name: str
    contacts: int


class NewContact(BaseModel):
    """A contact to be imported."""

    name: str
    email: str


class Imported(BaseModel):
    """What an import did."""

    created: list[str]
    known: int
