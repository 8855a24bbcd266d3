"""The mail provider, as far as this example needs one: every message takes its time."""

from __future__ import annotations

import asyncio

SECONDS_PER_MESSAGE = 0.02


async def deliver(text: str) -> bool:
    """Hand one message over; true when the provider took it."""
    await asyncio.sleep(SECONDS_PER_MESSAGE)
    return bool(text)
