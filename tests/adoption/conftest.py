"""The suites of the plugin's own tests."""

from __future__ import annotations

from tests.plugin.conftest import suite

__all__ = ["suite"]
