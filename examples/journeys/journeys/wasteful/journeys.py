"""Journeys: listing, reading, enrolling, pausing."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.schemas import JourneySummary, JourneyTree
from journeys.wasteful.models import Journey, Node, NodeExecution


async def list_journeys(session: AsyncSession, tenant_id: int) -> list[JourneySummary]:
    """The journeys of a tenant, each with the names of its nodes."""
    journeys = await session.scalars(select(Journey).where(Journey.tenant_id == tenant_id).order_by(Journey.id))
    return [await _summary(journey) for journey in journeys]


async def _summary(journey: Journey) -> JourneySummary:
    nodes = await journey.awaitable_attrs.nodes
    return JourneySummary(id=journey.id, name=journey.name, nodes=[node.name for node in nodes])


async def read_journey(session: AsyncSession, journey_id: int) -> JourneyTree | None:
    """One journey with its nodes, and the contacts at each of them."""
    journey = await session.get(Journey, journey_id)
    if journey is None:
        return None
    # The serializer walks the relationships, and each step loads.
    return await session.run_sync(lambda _: JourneyTree.model_validate(journey))


async def enrol(session: AsyncSession, journey_id: int, contact_ids: list[int]) -> int:
    """Put contacts on the first node of a journey; returns how many."""
    first = select(Node).where(Node.journey_id == journey_id).order_by(Node.position).limit(1)
    node = (await session.scalars(first)).one()
    journey = (await session.scalars(select(Journey).where(Journey.id == journey_id))).one()
    for contact_id in contact_ids:
        execution = NodeExecution(
            tenant_id=journey.tenant_id, node_id=node.id, contact_id=contact_id, status="waiting", payload={}
        )
        session.add(execution)
        await session.flush()
    await session.commit()
    return len(contact_ids)


async def pause(session: AsyncSession, tenant_id: int) -> list[str]:
    """Pause the running journeys of a tenant; returns their names."""
    running = select(Journey).where(Journey.tenant_id == tenant_id, Journey.status == "running").order_by(Journey.id)
    journeys = (await session.scalars(running)).all()
    for journey in journeys:
        journey.status = "paused"
    await session.commit()
    # The commit has expired every journey; each name is loaded again.
    return [await journey.awaitable_attrs.name for journey in journeys]
