"""The first version: it answers correctly, and every query in it was the obvious one to write."""

from journeys.wasteful import calls, contacts, journeys, messages, models, reports, segments

EXPIRE_ON_COMMIT = True

__all__ = ["EXPIRE_ON_COMMIT", "calls", "contacts", "journeys", "messages", "models", "reports", "segments"]
