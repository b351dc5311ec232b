"""A hand-written upstream and the gate in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.server.token_issuer import Issuer
from tests.server.upstream.guarded import Upstream, client_of, gate_app


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def gate(upstream: Upstream, issuer: Issuer, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the gate in front of `upstream`."""
    async with client_of(gate_app(upstream.transport, issuer, tmp_path)) as client:
        yield client
