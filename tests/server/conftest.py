"""A protected app and its issuer, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from gatehouse_server.app import protect
from gatehouse_server.example import example_server
from gatehouse_server.keys import SigningKeys
from issuer import JWKS_URL, Clock, Issuer, settings


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
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock)
    yield keys
    await keys.aclose()


@pytest.fixture
async def server(issuer: Issuer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the protected example server."""
    async with _running(issuer.handle) as client:
        yield client


@pytest.fixture
async def server_without_keys() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server whose tenant is down."""
    async with _running(lambda _: httpx2.Response(500)) as client:
        yield client


@asynccontextmanager
async def _running(tenant: Callable[[httpx2.Request], httpx2.Response]) -> AsyncIterator[httpx2.AsyncClient]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(tenant))
    app = protect(example_server(settings()), settings(), keys=SigningKeys(JWKS_URL, "RS256", http=http))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost:5555") as client,
    ):
        yield client
