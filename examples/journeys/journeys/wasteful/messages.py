"""Messages: rendering, sending, searching, exporting."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.provider import deliver
from journeys.schemas import MessageLine, RenderedMessage
from journeys.wasteful.models import Message, Setting

BATCH = 200


async def _setting(session: AsyncSession, tenant_id: int, key: str) -> str:
    wanted = select(Setting.value).where(Setting.tenant_id == tenant_id, Setting.key == key)
    return (await session.scalars(wanted)).one()


async def render_outbox(session: AsyncSession, tenant_id: int) -> list[RenderedMessage]:
    """The messages that wait, as they will leave the house."""
    waiting = select(Message).where(Message.tenant_id == tenant_id, Message.status == "queued").order_by(Message.id)
    rendered = []
    for message in await session.scalars(waiting):
        sender = await _setting(session, tenant_id, "sender")
        footer = await _setting(session, tenant_id, "footer")
        rendered.append(RenderedMessage(id=message.id, sender=sender, text=f"{message.body}\n{footer}"))
    return rendered


async def mark_sent(session: AsyncSession, message_ids: list[int]) -> int:
    """Mark these messages as sent; returns how many there were."""
    marked = 0
    for message_id in message_ids:
        update_one = update(Message).where(Message.id == message_id).values(status="sent").returning(Message.id)
        marked += len((await session.scalars(update_one)).all())
    await session.commit()
    return marked


async def send(session: AsyncSession, tenant_id: int) -> int:
    """Send what waits; returns how many the provider took."""
    waiting = select(Message).where(Message.tenant_id == tenant_id, Message.status == "queued").order_by(Message.id)
    sent = 0
    # One transaction, open for as long as the provider takes.
    for message in (await session.scalars(waiting)).all():
        if await deliver(message.body):
            message.status = "sent"
            await session.flush()
            sent += 1
    await session.commit()
    return sent


async def sent_on(session: AsyncSession, tenant_id: int, day: date) -> list[MessageLine]:
    """The messages of one day."""
    messages = await session.execute(
        select(Message.id, Message.subject, Message.status)
        .where(Message.tenant_id == tenant_id, func.date(Message.sent_at) == day.isoformat())
        .order_by(Message.sent_at, Message.id)
    )
    return [MessageLine.model_validate(message) for message in messages]


async def waiting(session: AsyncSession, tenant_id: int, limit: int) -> list[MessageLine]:
    """The oldest messages that wait."""
    messages = await session.execute(
        select(Message.id, Message.subject, Message.status)
        .where(Message.tenant_id == tenant_id, Message.status == "queued")
        .order_by(Message.id)
        .limit(limit)
    )
    return [MessageLine.model_validate(message) for message in messages]


async def export(session: AsyncSession, tenant_id: int) -> list[MessageLine]:
    """All messages of a tenant, read in batches."""
    page = select(Message.id, Message.subject, Message.status).where(Message.tenant_id == tenant_id)
    lines: list[MessageLine] = []
    # OFFSET reads, and throws away, all rows of the batches before.
    while batch := (await session.execute(page.order_by(Message.id).limit(BATCH).offset(len(lines)))).all():
        lines += [MessageLine.model_validate(message) for message in batch]
    return lines
