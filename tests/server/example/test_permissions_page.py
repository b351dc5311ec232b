"""The table in docs/permissions.md is the one that the server prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse_example.app import example_server
from gatehouse_example.settings import ExampleSettings
from gatehouse_server.app import protect
from tests.server.token_issuer import settings_of

PAGE = Path(__file__).parents[3] / "docs" / "permissions.md"


@pytest.mark.anyio
async def test_docs_permissions_is_up_to_date() -> None:
    configured = settings_of(ExampleSettings, EXCHANGE_CLIENT_ID="x", EXCHANGE_CLIENT_SECRET="y")
    table = await protect(example_server(configured), configured).catalogue.table()
    assert PAGE.read_text(encoding="utf-8").endswith(table), f"gatehouse-server --permissions prints:\n{table}"
