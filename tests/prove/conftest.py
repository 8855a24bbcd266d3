"""Suites whose cures are tried."""

from tests.plugin.conftest import suite

__all__ = ["suite"]
