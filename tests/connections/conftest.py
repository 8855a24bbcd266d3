"""The suite to write and run is that of the plugin's tests."""

from __future__ import annotations

from tests.plugin.conftest import suite

__all__ = ["suite"]
