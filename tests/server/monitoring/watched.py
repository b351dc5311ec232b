"""A protected server whose tenant a test can break, scraped once in each minute of an injected clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp.server.mcpserver import MCPServer
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gatehouse_example.tools.calendar import CalendarTools
from gatehouse_server.app import protect
from gatehouse_server.auth.provider.introspection import Introspection
from gatehouse_server.auth.provider.keys import KeyLimits, SigningKeys
from gatehouse_server.auth.provider.token_exchange import TokenExchange
from gatehouse_server.serving.metrics import Metrics
from tests.server.protected_server import ORIGIN, ask
from tests.server.token_issuer import ISSUER, JWKS_URL, RESOURCE, Clock, Issuer, settings
from tests.server.upstream.guarded import Upstream, gate_app

Answer = Callable[[], httpx2.Response]
Labels = tuple[tuple[str, str], ...]
CALENDAR = "https://calendar.example.com/"
LIMITS = KeyLimits(min_age=600, default_age=600)


@dataclass
class Tenant:
    """The tenant. Each of its endpoints answers with the function of that name, if there is one."""

    issuer: Issuer
    jwks: Answer | None = None
    token: Answer | None = None
    introspect: Answer | None = None

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request of the server."""
        if request.url.path.endswith("/jwks.json"):
            return self.jwks() if self.jwks else httpx2.Response(200, json=self.issuer.jwks())
        if request.url.path == "/oauth/token":
            good = {"access_token": "for-the-calendar", "expires_in": 600}
            return self.token() if self.token else httpx2.Response(200, json=good)
        if request.url.path == "/introspect":
            claims = {"sub": "auth0|alice", "client_id": "agent", "aud": RESOURCE, "scope": "access:mcp"}
            good = {"active": True, "exp": int(time.time()) + 86_400, **claims}
            return self.introspect() if self.introspect else httpx2.Response(200, json=good)
        return httpx2.Response(200, json={"issuer": ISSUER, "introspection_endpoint": f"{ISSUER}introspect"})


@dataclass
class Watched:
    """A server, its tenant, and what Prometheus would have stored.

    Attributes:
        waiting: has an item for each call of the tool `wait` that has begun.
        released: ends the calls of the tool `wait`.
        series: the values by metric name and labels; None where a scrape had no such series.
    """

    client: httpx2.AsyncClient
    metrics: Metrics
    tenant: Tenant
    clock: Clock
    waiting: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    minutes: int = 0
    series: dict[tuple[str, Labels], list[float | None]] = field(default_factory=dict)

    async def run(self, minutes: int, *calls: Callable[[Watched], Awaitable[Any]]) -> None:
        """Make the calls and a scrape in each minute."""
        for _ in range(minutes):
            for call in calls:
                await call(self)
            await background_tasks()
            self._store(generate_latest(self.metrics.registry).decode())
            self.clock.now += 60

    def _store(self, page: str) -> None:
        now = {(sample.name, tuple(sample.labels.items())): sample.value for sample in samples_of(page)}
        for key, value in {**now, ("up", ()): 1.0}.items():
            values = self.series.setdefault(key, [])
            values += [None] * (self.minutes - len(values))
            values.append(value)
        self.minutes += 1

    def all(self, name: str) -> list[list[float | None]]:
        """The values of every series with that name."""
        return [values for (each, _), values in self.series.items() if each == name]

    def token(self, **changes: Any) -> str:
        """A token for every tool, good for a day."""
        scope = "access:mcp calendar:read shop:read"
        return self.tenant.issuer.token(**{"scope": scope, "exp": int(time.time()) + 86_400, **changes})


async def background_tasks() -> None:
    """Let the tasks in the background run until they wait: a request may end without a pause for them."""
    for _ in range(20):
        await asyncio.sleep(0)


def samples_of(page: str) -> list[Any]:
    """All samples of a page of metrics: objects with `name`, `labels` and `value`."""
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


@asynccontextmanager
async def watched(issuer: Issuer) -> AsyncIterator[Watched]:
    """A server that also accepts opaque tokens, and whose tool `list_events` exchanges tokens."""
    tenant, clock, metrics = Tenant(issuer), Clock(time.time()), Metrics()
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(tenant.handle))
    events = httpx2.Response(200, json={"owner": "alice", "read_by": "server", "events": []})
    calendar = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: events))
    discovery = f"{ISSUER}.well-known/openid-configuration"
    counted = metrics.count_exchange
    exchange = TokenExchange(
        f"{ISSUER}oauth/token", "server", "secret", http=http, clock=clock, longest_wait=0, on_exchange=counted
    )
    mcp = MCPServer("calendar")
    CalendarTools(exchange, calendar, f"{CALENDAR}events", CALENDAR).register(mcp)
    waiting, released = asyncio.Queue[None](), asyncio.Event()

    @mcp.tool()
    async def wait() -> str:
        waiting.put_nowait(None)
        await released.wait()
        return "done"

    answered = metrics.count_introspection
    app = protect(
        mcp,
        settings(),
        metrics=metrics,
        keys=SigningKeys(
            JWKS_URL,
            "RS256",
            http=http,
            clock=clock,
            limits=LIMITS,
            chance=lambda: 0.5,
            on_fetch=metrics.count_key_fetch,
        ),
        introspection=Introspection(discovery, ISSUER, "server", "secret", http=http, clock=clock, on_answer=answered),
    )
    transport = httpx2.ASGITransport(app)
    async with (
        calendar,
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield Watched(client, metrics, tenant, clock, waiting, released)


@asynccontextmanager
async def watched_upstream(issuer: Issuer, folder: Path) -> AsyncIterator[tuple[Watched, Upstream]]:
    """The gate in front of another server."""
    upstream, metrics = Upstream(), Metrics()
    app = gate_app(upstream.transport, issuer, folder, metrics=metrics)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client,
    ):
        yield Watched(client, metrics, Tenant(issuer), Clock()), upstream


async def good_call(server: Watched) -> None:
    """A call of a user with a good token."""
    assert (await ask(server.client, server.token())).status_code == 200


async def any_call(server: Watched) -> None:
    """A call of a user with a good token, answered or not."""
    await ask(server.client, server.token())


async def sign_in(server: Watched) -> None:
    """The first requests of a client: without a token, then with an expired one."""
    assert (await ask(server.client, None)).status_code == 401
    assert (await ask(server.client, server.token(exp=1, iat=1))).status_code == 401


async def opaque_call(server: Watched) -> None:
    """A call with an opaque token."""
    await ask(server.client, "opaque-token")


async def calendar_call(server: Watched) -> None:
    """A call of the tool that needs a token for another API. The caller's token is a new one."""
    token = server.token(jti=str(server.minutes))
    assert (await ask(server.client, token, "tools/call", {"name": "list_events"})).status_code == 200


async def waiting_call(server: Watched) -> None:
    """A call that is answered by an event stream, which does not end before `released` is set."""
    params = {"name": "wait", "_meta": {"progressToken": "progress"}}
    await ask(server.client, server.token(), "tools/call", params)


@asynccontextmanager
async def open_streams(server: Watched, count: int) -> AsyncIterator[None]:
    """Keep that many streams open."""
    calls = [asyncio.create_task(waiting_call(server)) for _ in range(count)]
    for _ in calls:
        await server.waiting.get()
    yield
    server.released.set()
    await asyncio.gather(*calls)


def calls_with(**changes: Any) -> Callable[[Watched], Awaitable[Any]]:
    """A call whose token has these changes."""

    async def call(server: Watched) -> None:
        await ask(server.client, server.token(**changes))

    return call
