"""The tables as the first version created them: primary keys, and no other index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Text
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(AsyncAttrs, DeclarativeBase):
    """The declarative base; JSON columns are plain dictionaries."""

    type_annotation_map = {dict[str, Any]: JSON}


class Tenant(Base):
    """A customer of the service."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Setting(Base):
    """One configured value of a tenant."""

    __tablename__ = "settings"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    key: Mapped[str]
    value: Mapped[str]


class Segment(Base):
    """A group of contacts."""

    __tablename__ = "segments"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    rules: Mapped[dict[str, Any]]


class Contact(Base):
    """A person whom a tenant writes to and calls."""

    __tablename__ = "contacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id"))
    name: Mapped[str]
    email: Mapped[str]
    views: Mapped[int] = mapped_column(default=0)
    details: Mapped[dict[str, Any]] = mapped_column("metadata")


class Journey(Base):
    """A graph of nodes that contacts walk through."""

    __tablename__ = "journeys"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    status: Mapped[str]
    definition: Mapped[dict[str, Any]]

    nodes: Mapped[list[Node]] = relationship(order_by="Node.position")
    messages: Mapped[list[Message]] = relationship(order_by="Message.id")


class Node(Base):
    """One step of a journey."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"))
    name: Mapped[str]
    position: Mapped[int]
    configuration: Mapped[dict[str, Any]]

    executions: Mapped[list[NodeExecution]] = relationship(order_by="NodeExecution.id")


class NodeExecution(Base):
    """One contact at one node."""

    __tablename__ = "node_executions"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    status: Mapped[str]
    payload: Mapped[dict[str, Any]]

    contact: Mapped[Contact] = relationship()


class Message(Base):
    """One message of a journey to a contact."""

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    status: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime | None]


class CallLog(Base):
    """One telephone call; the transcript is long and loads only when asked for."""

    __tablename__ = "call_logs"

    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    started_at: Mapped[datetime]
    seconds: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    transcript: Mapped[str] = mapped_column(Text, deferred=True)
