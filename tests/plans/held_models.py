"""The models of an application like many: tenants, users, tickets with tags and comments, parties that inherit."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    insert,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, mapped_column, relationship
from sqlalchemy.schema import CreateIndex, CreateTable


class Base(DeclarativeBase):
    pass


class Level(enum.Enum):
    low = "low"
    high = "high"


class Tenant(Base):
    __tablename__ = "tenants"
    id = mapped_column(Integer, primary_key=True)
    slug = mapped_column(String(40), unique=True)


class User(Base):
    __tablename__ = "users"
    id = mapped_column(Integer, primary_key=True)
    tenant_id = mapped_column(ForeignKey("tenants.id"))
    email = mapped_column(String(100))
    username = mapped_column(String(50))
    is_active = mapped_column(Boolean, nullable=False)
    last_login = mapped_column(DateTime)
    settings = mapped_column(JSON().with_variant(postgresql.JSONB(), "postgresql"))
    deleted_at = mapped_column(DateTime)
    manager_id = mapped_column(ForeignKey("users.id"))
    uid = mapped_column(Uuid, unique=True)
    legacy = mapped_column(String(20), index=True)
    level = mapped_column(Enum(Level))
    score = mapped_column(Numeric(10, 2))
    tickets = relationship("Ticket", back_populates="assignee", foreign_keys="Ticket.assignee_id")
    __table_args__ = (
        UniqueConstraint("tenant_id", "email", name="uq_user_tenant_email"),
        Index("ix_user_username", "username"),
    )


ticket_tags = Table(
    "ticket_tags",
    Base.metadata,
    Column("ticket_id", ForeignKey("tickets.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tags"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String(40), unique=True)
    tickets = relationship("Ticket", secondary=ticket_tags, back_populates="tags")


class Ticket(Base):
    __tablename__ = "tickets"
    id = mapped_column(Integer, primary_key=True)
    tenant_id = mapped_column(ForeignKey("tenants.id"))
    assignee_id = mapped_column(ForeignKey("users.id"), index=True)
    reporter_id = mapped_column(ForeignKey("users.id"))
    status = mapped_column(String(20))
    priority = mapped_column(Integer)
    created_at = mapped_column(DateTime)
    due_on = mapped_column(Date, index=True)
    title = mapped_column(String(200))
    number = mapped_column(Integer)
    external = mapped_column(String(30))
    weight = mapped_column(Integer)
    assignee = relationship(User, back_populates="tickets", foreign_keys=[assignee_id])
    reporter = relationship(User, foreign_keys=[reporter_id])
    tags = relationship(Tag, secondary=ticket_tags, back_populates="tickets")
    comments = relationship("Comment", back_populates="ticket")
    __table_args__ = (
        Index("ix_ticket_tsc", "tenant_id", "status", "created_at"),
        Index("ix_ticket_created", "created_at"),
    )


class Comment(Base):
    __tablename__ = "comments"
    id = mapped_column(Integer, primary_key=True)
    ticket_id = mapped_column(ForeignKey("tickets.id"), index=True)
    author_id = mapped_column(ForeignKey("users.id"))
    created_at = mapped_column(DateTime)
    likes = mapped_column(Integer)
    ticket = relationship(Ticket, back_populates="comments")


class Party(Base):
    __tablename__ = "parties"
    id = mapped_column(Integer, primary_key=True)
    type = mapped_column(String(20))
    name = mapped_column(String(80))
    __mapper_args__: ClassVar[dict[str, str]] = {"polymorphic_on": "type", "polymorphic_identity": "party"}


class Company(Party):
    __tablename__ = "companies"
    id = mapped_column(ForeignKey("parties.id"), primary_key=True)
    vat = mapped_column(String(20), index=True)
    __mapper_args__: ClassVar[dict[str, str]] = {"polymorphic_identity": "company"}


class Audit(Base):
    __tablename__ = "audit"
    tenant_id = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq = mapped_column(Integer, primary_key=True, autoincrement=False)
    action = mapped_column(String(30))


class Strasse(Base):
    __tablename__ = "Straße"
    id = mapped_column(Integer, primary_key=True)
    nr = mapped_column("Nr.", Integer)
    group = mapped_column("group", String(20), index=True)
    groesse = mapped_column("größe in m", Integer)


class Doc(Base):
    __tablename__ = "docs"
    id = mapped_column(Integer, primary_key=True)
    tags = mapped_column(postgresql.ARRAY(String))
    meta = mapped_column(postgresql.JSONB)
    code = mapped_column(String)


def _only_elsewhere(kind: str) -> None:
    """Indexes that MySQL and MariaDB do not have."""
    where = {f"{kind}_where": Ticket.priority == 5}
    tickets = Ticket.__table__
    Index("ix_ticket_urgent", Ticket.number, _table=tickets, **where)
    Index("ix_ticket_ltitle", func.lower(Ticket.title), _table=tickets)


EXTRA = {
    "postgresql": (
        "CREATE TABLE docs (id serial PRIMARY KEY, tags varchar[], meta jsonb, code text, during tstzrange, body text)",
        "CREATE INDEX ix_doc_tags ON docs USING gin (tags)",
        "CREATE INDEX ix_doc_code ON docs (code text_pattern_ops)",
        "CREATE TABLE metrics (day date, device int, val int) PARTITION BY RANGE (day)",
        "CREATE TABLE metrics_a PARTITION OF metrics FOR VALUES FROM ('2024-01-01') TO ('2024-07-01')",
        "CREATE TABLE metrics_b PARTITION OF metrics FOR VALUES FROM ('2024-07-01') TO ('2025-01-01')",
        "CREATE INDEX ix_metrics_device ON metrics (device)",
    ),
}  # fmt: skip
VIEWS = (
    "CREATE VIEW busy_tickets AS SELECT id, tenant_id, weight FROM tickets WHERE number IS NOT NULL",
    "CREATE VIEW ticket_counts AS SELECT assignee_id, count(*) AS n FROM tickets GROUP BY assignee_id",
)


def create(connection: Connection, rows: int) -> None:
    """Tables and rows. On MariaDB without foreign keys, which have an index there."""
    kind = connection.dialect.name
    if kind == "mysql":
        for table in (each for each in Base.metadata.sorted_tables if each.name != "docs"):
            connection.execute(CreateTable(table, include_foreign_key_constraints=[]))
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                connection.execute(CreateIndex(index))
    else:
        _only_elsewhere(kind)
        Base.metadata.create_all(connection, [each for each in Base.metadata.sorted_tables if each.name != "docs"])
    for statement in (*EXTRA.get(kind, ()), *VIEWS):
        connection.execute(text(statement))
    fill(connection, rows)


def fill(connection: Connection, rows: int) -> None:
    """Some rows in each table, in the order of their keys."""
    numbers, start = range(1, rows + 1), dt.datetime.fromisoformat("2024-01-01")
    made: tuple[tuple[Any, Any], ...] = (
        (Tenant, lambda i: {"id": i, "slug": f"t{i}"}),
        (User, lambda i: {
            "id": i, "tenant_id": 1 + i % 3, "email": f"u{i}@x.org", "username": f"user{i}", "is_active": i % 4 == 0,
            "last_login": start, "settings": {"theme": f"t{i}"}, "deleted_at": None if i % 3 else start,
            "manager_id": i - 1 or None, "uid": uuid.UUID(int=i), "legacy": str(i), "level": Level.low, "score": i}),
        (Tag, lambda i: {"id": i, "name": f"tag{i}"}),
        (Ticket, lambda i: {
            "id": i, "tenant_id": 1 + i % 3, "assignee_id": i, "reporter_id": i, "status": "open", "priority": i % 6,
            "created_at": start, "due_on": start.date(), "title": f"Title {i}", "number": i, "external": f"E{i}",
            "weight": i}),
        (ticket_tags, lambda i: {"ticket_id": i, "tag_id": 1 + i % 3}),
        (Comment, lambda i: {"id": i, "ticket_id": i, "author_id": i, "created_at": start, "likes": i}),
        (Party.__table__, lambda i: {"id": i, "type": "company", "name": f"P{i}"}),
        (Company.__table__, lambda i: {"id": i, "vat": f"V{i}"}),
        (Audit, lambda i: {"tenant_id": 1 + i % 3, "seq": i, "action": f"a{i}"}),
    )  # fmt: skip
    for target, row in made:
        connection.execute(insert(target), [row(number) for number in numbers])
