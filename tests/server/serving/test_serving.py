"""How uvicorn serves the app: trusted proxies, logs, and the shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import Receive, Scope, Send

from gatehouse_server.__main__ import LOGGING, server_config
from gatehouse_server.app import protect
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.serving.listening import listening_sockets
from gatehouse_server.serving.settings import Settings
from tests.server.protected_server import headers_of, message
from tests.server.token_issuer import JWKS_URL, Issuer, settings
from tests.support.accepted_connection import has_no_delay

pytestmark = pytest.mark.anyio

PROXY, STRANGER = "10.1.2.3", "192.0.2.66"


async def seen(config: Settings, peer: str) -> tuple[str, str]:
    """Scheme and address that the app sees if `peer` sends X-Forwarded headers for another address and https."""
    found: list[tuple[str, str]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append((scope["scheme"], scope["client"][0]))

    config = server_config(app, config)
    config.load()
    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.9")]
    scope = {"type": "http", "scheme": "http", "client": (peer, 4711), "headers": headers}
    await config.loaded_app(scope, _nothing, _nothing)
    return found[0]


async def _nothing(*_: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize("trusted", [PROXY, f"192.0.2.1, {PROXY}", "10.0.0.0/8"])
async def test_forwarded_headers_of_a_trusted_proxy_are_used(trusted: str) -> None:
    assert await seen(settings(TRUSTED_PROXIES=trusted), PROXY) == ("https", "203.0.113.9")


@pytest.mark.parametrize("trusted", ["", PROXY, "10.0.0.0/8"])
@pytest.mark.parametrize("peer", [STRANGER, "127.0.0.1", "::1"])
async def test_forwarded_headers_of_others_are_ignored(trusted: str, peer: str) -> None:
    assert await seen(settings(TRUSTED_PROXIES=trusted), peer) == ("http", peer)


async def test_the_environment_does_not_add_trusted_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert await seen(settings(), STRANGER) == ("http", STRANGER)
    assert await seen(settings(TRUSTED_PROXIES=PROXY), STRANGER) == ("http", STRANGER)


def test_no_answer_has_a_server_header() -> None:
    config = server_config(_nothing, settings())
    assert not config.server_header
    assert not config.access_log


def test_only_decisions_go_to_standard_output() -> None:
    assert LOGGING["handlers"]["audit"]["stream"] == "ext://sys.stdout"
    assert LOGGING["loggers"]["gatehouse.audit"] == {"handlers": ["audit"], "propagate": False}
    assert LOGGING["root"]["handlers"] == ["stderr"]
    assert logging.getLevelName(LOGGING["loggers"]["mcp"]["level"]) == logging.WARNING


class Slow:
    """A server with a tool that waits for a test."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()
        self.mcp = MCPServer("slow", log_level="CRITICAL")
        self.mcp.tool()(self.wait)

    async def wait(self) -> str:
        self.began.set()
        await self.may_end.wait()
        return "waited"


@asynccontextmanager
async def serving(mcp: MCPServer, issuer: Issuer) -> AsyncIterator[tuple[uvicorn.Server, str, asyncio.Task[None]]]:
    """A real uvicorn in this event loop: the server, its URL and its task."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    app = protect(mcp, settings(), keys=SigningKeys(JWKS_URL, "RS256", http=http))
    sockets = listening_sockets("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app, settings()))
    running = asyncio.create_task(server.serve(sockets=sockets))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    try:
        yield server, f"http://127.0.0.1:{sockets[0].getsockname()[1]}", running
    finally:
        server.should_exit = True
        await running


async def test_a_running_call_is_finished_before_the_server_stops(issuer: Issuer) -> None:
    slow, body = Slow(), message("tools/call", {"name": "wait"})
    async with serving(slow.mcp, issuer) as (server, url, running), asyncio.timeout(30), httpx2.AsyncClient() as http:
        call = asyncio.create_task(
            http.post(f"{url}/mcp", headers=headers_of(body, "legacy", issuer.token()), json=body)
        )
        await slow.began.wait()
        server.should_exit = True  # a signal has the same effect
        await until_refused(url)
        assert not running.done()
        slow.may_end.set()
        answer = await call
        assert answer.json()["result"]["content"][0]["text"] == "waited"
        await running


async def until_refused(url: str) -> None:
    """Wait until the server accepts no new connections."""
    while True:
        try:
            async with httpx2.AsyncClient() as http:
                await http.get(f"{url}/livez")
        except httpx2.TransportError:
            return


def test_answers_on_an_open_connection_are_not_delayed_under_plain_asyncio() -> None:
    (listener,) = listening_sockets("127.0.0.1", 0)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(has_no_delay(listener))
