"""Suites that grow."""

from tests.plugin.conftest import suite

__all__ = ["suite"]
