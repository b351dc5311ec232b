"""The calendar API: it answers only to a token of its own audience with its permission."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from gatehouse_example.app import example_app
from gatehouse_example.settings import ExampleSettings
from gatehouse_server.auth.provider.keys import SigningKeys
from tests.server.protected_server import ORIGIN
from tests.server.token_issuer import JWKS_URL, RESOURCE, Issuer, settings_of

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("S17")]

CALENDAR = "https://calendar.gatehouse.example/"
MAY_READ = {"aud": CALENDAR, "scope": "calendar:read"}


@asynccontextmanager
async def calendar(tenant: Callable[[httpx2.Request], httpx2.Response]) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the whole example app. `tenant` answers the key requests."""
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(tenant)))
    app = example_app(settings_of(ExampleSettings), keys=keys)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as client,
    ):
        yield client


async def events(issuer: Issuer, token: str | None) -> httpx2.Response:
    async with calendar(issuer.handle) as api:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await api.get("/calendar/events", headers=headers)


async def test_the_owner_is_the_user_and_the_reader_is_who_acts_for_the_user(issuer: Issuer) -> None:
    answer = await events(issuer, issuer.token(**MAY_READ, act={"sub": "the-mcp-server"}))
    assert answer.status_code == 200
    assert (answer.json()["owner"], answer.json()["read_by"]) == ("auth0|alice", "the-mcp-server")
    assert {"start": "09:30", "title": "Stand-up"} in answer.json()["events"]


@pytest.mark.parametrize("act", [None, "mallory", {}, ["sub"], {"client_id": "x"}], ids=str)
async def test_without_a_usable_actor_the_reader_is_the_tokens_client(issuer: Issuer, act: object) -> None:
    answer = await events(issuer, issuer.token(**MAY_READ, act=act))
    assert answer.json()["read_by"] == "agent"


@pytest.mark.parametrize("scope", ["access:mcp", "calendar:write", "calendar:read:all", "", None], ids=str)
async def test_a_token_without_the_permission_is_refused(issuer: Issuer, scope: str | None) -> None:
    answer = await events(issuer, issuer.token(aud=CALENDAR, scope=scope))
    assert answer.status_code == 403
    assert answer.json() == {"error": "insufficient_scope", "error_description": "calendar:read"}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": RESOURCE, "scope": "access:mcp calendar:read"}, "wrong_audience"),
        ({**MAY_READ, "aud": CALENDAR.rstrip("/")}, "audience_differs_by_slash"),
        ({**MAY_READ, "iss": "https://evil.example.com/"}, "wrong_issuer"),
        ({**MAY_READ, "exp": int(time.time()) - 3600}, "token_expired"),
    ],
    ids=["for the MCP server", "almost its audience", "of another tenant", "expired"],
)
async def test_a_token_for_another_place_or_time_is_refused(
    issuer: Issuer, claims: dict[str, object], code: str
) -> None:
    answer = await events(issuer, issuer.token(**claims))
    assert answer.status_code == 401
    assert answer.json()["error"] == code
    assert "events" not in answer.json()


NO_TOKENS = {
    "no header": {},
    "nothing": {"Authorization": "Bearer "},
    "one part": {"Authorization": "Bearer x"},
    "three parts": {"Authorization": "Bearer a.b.c"},
    "not ASCII": {"Authorization": "Bearer \xe9".encode("latin-1")},
    "very long": {"Authorization": f"Bearer {'x' * 100_000}"},
    "another scheme": {"Authorization": "Basic YWxpY2U6c2VzYW1l"},
}


@pytest.mark.parametrize("name", NO_TOKENS)
async def test_what_is_no_token_is_refused(issuer: Issuer, name: str) -> None:
    async with calendar(issuer.handle) as api:
        answer = await api.get("/calendar/events", headers=NO_TOKENS[name])
    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "error_description"}


async def test_a_token_signed_with_an_unknown_key_is_refused(issuer: Issuer) -> None:
    assert (await events(issuer, issuer.token(kid="two", **MAY_READ))).status_code == 401


async def test_without_the_tenants_keys_the_calendar_is_unavailable_and_not_open(issuer: Issuer) -> None:
    async with calendar(lambda _: httpx2.Response(500)) as api:
        answer = await api.get("/calendar/events", headers={"Authorization": f"Bearer {issuer.token(**MAY_READ)}"})
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert "events" not in answer.json()


async def test_the_token_for_the_calendar_is_refused_at_the_mcp_endpoint(issuer: Issuer) -> None:
    token = issuer.token(aud=CALENDAR, scope="access:mcp calendar:read")
    async with calendar(issuer.handle) as api:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = await api.post("/mcp", headers={"Authorization": f"Bearer {token}"}, json=body)
    assert answer.status_code == 401
