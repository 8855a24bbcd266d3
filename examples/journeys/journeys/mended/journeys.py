"""Journeys: listing, reading, enrolling, pausing."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only, selectinload

from journeys.mended.models import Contact, Journey, Node, NodeExecution
from journeys.schemas import JourneySummary, JourneyTree


async def list_journeys(session: AsyncSession, tenant_id: int) -> list[JourneySummary]:
    """The journeys of a tenant, each with the names of its nodes."""
    journeys = await session.scalars(
        select(Journey)
        .where(Journey.tenant_id == tenant_id)
        .order_by(Journey.id)
        .options(load_only(Journey.name), selectinload(Journey.nodes).load_only(Node.name))
    )
    return [
        JourneySummary(id=journey.id, name=journey.name, nodes=[node.name for node in journey.nodes])
        for journey in journeys
    ]


async def read_journey(session: AsyncSession, journey_id: int) -> JourneyTree | None:
    """One journey with its nodes, and the contacts at each of them."""
    executions = selectinload(Journey.nodes).load_only(Node.name).selectinload(Node.executions)
    journey = await session.get(
        Journey,
        journey_id,
        options=[
            load_only(Journey.name),
            executions.load_only(NodeExecution.status).joinedload(NodeExecution.contact).load_only(Contact.name),
        ],
    )
    return None if journey is None else JourneyTree.model_validate(journey)


async def enrol(session: AsyncSession, journey_id: int, contact_ids: list[int]) -> int:
    """Put contacts on the first node of a journey; returns how many."""
    first = (
        select(Node.id, Journey.tenant_id)
        .join(Journey, Journey.id == Node.journey_id)
        .where(Node.journey_id == journey_id)
        .order_by(Node.position)
        .limit(1)
    )
    node_id, tenant_id = (await session.execute(first)).one()
    shared = {"tenant_id": tenant_id, "node_id": node_id, "status": "waiting", "payload": {}}
    await session.execute(insert(NodeExecution), [{**shared, "contact_id": contact_id} for contact_id in contact_ids])
    await session.commit()
    return len(contact_ids)


async def pause(session: AsyncSession, tenant_id: int) -> list[str]:
    """Pause the running journeys of a tenant; returns their names."""
    running = (
        select(Journey)
        .where(Journey.tenant_id == tenant_id, Journey.status == "running")
        .order_by(Journey.id)
        .options(load_only(Journey.name, Journey.status))
    )
    journeys = (await session.scalars(running)).all()
    for journey in journeys:
        journey.status = "paused"
    await session.commit()
    return [journey.name for journey in journeys]
