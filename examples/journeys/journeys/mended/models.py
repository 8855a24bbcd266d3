"""The same tables with the indexes that the queries need, and the domain of an e-mail address as a column."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Computed, ForeignKey, Index, Text, UniqueConstraint, literal_column
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
    __table_args__ = (UniqueConstraint("tenant_id", "key", name="uq_settings_tenant_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    key: Mapped[str]
    value: Mapped[str]


class Segment(Base):
    """A group of contacts."""

    __tablename__ = "segments"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    rules: Mapped[dict[str, Any]]


class Contact(Base):
    """A person whom a tenant writes to and calls."""

    __tablename__ = "contacts"
    __table_args__ = (
        Index("ix_contacts_tenant_email", "tenant_id", "email", unique=True),
        Index("ix_contacts_tenant_domain", "tenant_id", "email_domain"),
        # An expression index serves a filter that is written exactly as it is.
        Index("ix_contacts_tenant_plan", "tenant_id", literal_column("json_extract(metadata, '$.plan')")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id"), index=True)
    name: Mapped[str]
    email: Mapped[str]
    email_domain: Mapped[str] = mapped_column(Computed("substr(email, instr(email, '@') + 1)"), deferred=True)
    views: Mapped[int] = mapped_column(default=0)
    details: Mapped[dict[str, Any]] = mapped_column("metadata")


class Journey(Base):
    """A graph of nodes that contacts walk through."""

    __tablename__ = "journeys"
    __table_args__ = (Index("ix_journeys_tenant_status", "tenant_id", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    status: Mapped[str]
    definition: Mapped[dict[str, Any]]

    nodes: Mapped[list[Node]] = relationship(order_by="Node.position")
    messages: Mapped[list[Message]] = relationship(order_by="Message.id")


class Node(Base):
    """One step of a journey."""

    __tablename__ = "nodes"
    __table_args__ = (Index("ix_nodes_journey_position", "journey_id", "position"),)

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
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), index=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    status: Mapped[str]
    payload: Mapped[dict[str, Any]]

    contact: Mapped[Contact] = relationship()


class Message(Base):
    """One message of a journey to a contact."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_tenant_sent", "tenant_id", "sent_at"),
        # A partial index holds only the few messages that still wait.
        Index("ix_messages_queued", "tenant_id", "status", sqlite_where=literal_column("status = 'queued'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"), index=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    status: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime | None]


class CallLog(Base):
    """One telephone call; the transcript is long and loads only when asked for."""

    __tablename__ = "call_logs"
    __table_args__ = (Index("ix_call_logs_contact_started", "contact_id", "started_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    started_at: Mapped[datetime]
    seconds: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    transcript: Mapped[str] = mapped_column(Text, deferred=True)
