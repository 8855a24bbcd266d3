"""Contacts: names, cards, look-ups, imports, searches."""

from __future__ import annotations

from sqlalchemy import exists, func, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.mended.models import Contact, Message
from journeys.schemas import ContactCard, ContactName, Imported, NewContact


async def names(session: AsyncSession, tenant_id: int) -> list[ContactName]:
    """The names of a tenant's contacts."""
    contacts = await session.execute(
        select(Contact.id, Contact.name).where(Contact.tenant_id == tenant_id).order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]


async def read(session: AsyncSession, contact_id: int) -> ContactCard | None:
    """One contact. Views are counted from the access log: a GET writes nothing."""
    card = select(Contact.id, Contact.name, Contact.email).where(Contact.id == contact_id)
    contact = (await session.execute(card)).one_or_none()
    return None if contact is None else ContactCard.model_validate(contact)


async def lookup(session: AsyncSession, contact_ids: list[int]) -> list[ContactName]:
    """Several contacts, in the order asked for; unknown ones are left out."""
    contacts = await session.execute(select(Contact.id, Contact.name).where(Contact.id.in_(contact_ids)))
    found = {contact.id: ContactName.model_validate(contact) for contact in contacts}
    return [found[contact_id] for contact_id in contact_ids if contact_id in found]


async def import_contacts(session: AsyncSession, tenant_id: int, rows: list[NewContact]) -> Imported:
    """Create the contacts whose address is not known yet."""
    emails = [row.email for row in rows]
    known = set(
        await session.scalars(select(Contact.email).where(Contact.tenant_id == tenant_id, Contact.email.in_(emails)))
    )
    created = {row.email: row for row in rows if row.email not in known}
    if created:
        shared = {"tenant_id": tenant_id, "views": 0, "details": {}}
        await session.execute(insert(Contact), [{**shared, **row.model_dump()} for row in created.values()])
        await session.commit()
    return Imported(created=list(created), known=len(rows) - len(created))


async def find_by_email(session: AsyncSession, tenant_id: int, email: str) -> ContactCard | None:
    """The contact with this address, however it is capitalised: addresses are stored in lower case."""
    contact = (
        await session.execute(
            select(Contact.id, Contact.name, Contact.email).where(
                Contact.tenant_id == tenant_id, Contact.email == email.lower()
            )
        )
    ).one_or_none()
    return None if contact is None else ContactCard.model_validate(contact)


async def by_domain(session: AsyncSession, tenant_id: int, domain: str) -> list[ContactName]:
    """The contacts whose address ends with this domain."""
    contacts = await session.execute(
        select(Contact.id, Contact.name)
        .where(Contact.tenant_id == tenant_id, Contact.email_domain == domain)
        .order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]


async def by_plan(session: AsyncSession, tenant_id: int, plan: str) -> list[ContactName]:
    """The contacts on this plan, which is a key of their JSON metadata."""
    contacts = await session.execute(
        select(Contact.id, Contact.name)
        # The path is spelt as in the index: a bound path would never match it.
        .where(Contact.tenant_id == tenant_id, func.json_extract(Contact.details, literal_column("'$.plan'")) == plan)
        .order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]


async def not_written_to(session: AsyncSession, tenant_id: int) -> list[ContactName]:
    """The contacts who never got a message."""
    written_to = exists().where(Message.contact_id == Contact.id)
    contacts = await session.execute(
        select(Contact.id, Contact.name).where(Contact.tenant_id == tenant_id, ~written_to).order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]
