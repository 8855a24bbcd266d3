"""Segments: their sizes, and who is in them."""

from __future__ import annotations

import asyncio

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.db import Database
from journeys.schemas import ContactName, SegmentSize
from journeys.wasteful.models import Contact, Segment


async def sizes(session: AsyncSession, tenant_id: int) -> list[SegmentSize]:
    """How many contacts each segment of a tenant has."""
    segments = (await session.scalars(select(Segment).where(Segment.tenant_id == tenant_id).order_by(Segment.id))).all()
    counted = []
    for segment in segments:
        size = await session.scalar(text(f"SELECT count(*) FROM contacts WHERE segment_id = {segment.id}"))
        counted.append(SegmentSize(id=segment.id, name=segment.name, contacts=size))
    return counted


async def preview(database: Database, contact_ids: list[int]) -> list[ContactName]:
    """The contacts that a segment would hold, in the order asked for."""

    async def load(contact_id: int) -> ContactName | None:
        async with database.sessions() as session:
            wanted = select(Contact.id, Contact.name).where(Contact.id == contact_id)
            contact = (await session.execute(wanted)).one_or_none()
        return None if contact is None else ContactName.model_validate(contact)

    # A task, a session and a connection for each contact.
    found = await asyncio.gather(*(load(contact_id) for contact_id in contact_ids))
    return [contact for contact in found if contact is not None]
