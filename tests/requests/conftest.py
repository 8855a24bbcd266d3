"""Suites that talk to an application."""

from tests.plugin.conftest import suite

__all__ = ["suite"]
