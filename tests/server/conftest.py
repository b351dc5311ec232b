"""A protected app and its issuer, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from gatehouse_example.app import example_server
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.protected_server import protected
from tests.server.token_issuer import JWKS_URL, Clock, Issuer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def _generated() -> Issuer:
    issuer = Issuer()
    issuer.add_key("one")
    issuer.add_key("two", publish=False)
    return issuer


@pytest.fixture
def issuer(_generated: Issuer) -> Issuer:
    return Issuer(dict(_generated.private), list(_generated.published))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[SigningKeys]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, chance=lambda: 1.0)
    yield keys
    await keys.aclose()


@pytest.fixture
async def server(issuer: Issuer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the protected example server."""
    async with protected(example_server(), issuer.handle) as client:
        yield client


@pytest.fixture
async def server_without_keys() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server whose tenant is down."""
    async with protected(example_server(), lambda _: httpx2.Response(500)) as client:
        yield client
