"""A full run fails if it did not show what the documents promise."""

from __future__ import annotations

import pytest

from tests.support.promises import promises_of


def pytest_configure(config: pytest.Config) -> None:
    """Watch a full run."""
    plugin = promises_of(config)
    if plugin is not None:
        config.pluginmanager.register(plugin, "promises")
