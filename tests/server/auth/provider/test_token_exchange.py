"""Token exchange: few requests to the tenant, whatever its callers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs

import httpx2
import pytest

from gatehouse_server.auth.provider.token_exchange import REFUSED_SECONDS, ExchangeFailed, TokenExchange
from tests.server.token_issuer import Clock

pytestmark = pytest.mark.anyio
MAX_TOKENS = 20
API = "https://calendar.example.com/"
GOOD = httpx2.Response(200, json={"access_token": "new", "expires_in": 600})
REFUSED = httpx2.Response(403, json={"error": "access_denied", "error_description": "no"})


class Tenant:
    """Answers each request with `answer`, once `open` is set."""

    def __init__(self, clock: Clock) -> None:
        self.answer: Callable[[], httpx2.Response] = lambda: GOOD
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.reached = asyncio.Event()
        self.outcomes: list[str] = []
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle))
        self.exchange = TokenExchange(
            *("https://x/t", "server", "secret"),
            http=http,
            clock=clock,
            longest_wait=5,
            max_tokens=MAX_TOKENS,
            on_exchange=self.outcomes.append,
        )

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(parse_qs(request.content.decode())["subject_token"][0])
        self.reached.set()
        await self.open.wait()
        return self.answer()

    async def token(self, subject: str = "alice", scope: str = "read") -> str:
        return await self.exchange.token_for(subject, API, scope, until=9e9)


@pytest.fixture
async def tenant(clock: Clock) -> Tenant:
    return Tenant(clock)


async def test_concurrent_calls_of_one_caller_cause_one_request(tenant: Tenant) -> None:
    assert await asyncio.gather(*(tenant.token() for _ in range(50))) == ["new"] * 50
    assert tenant.asked == ["alice"]
    assert (tenant.outcomes.count("ok"), tenant.outcomes.count("cached")) == (1, 49)


async def test_callers_apis_and_scopes_are_kept_apart(tenant: Tenant) -> None:
    await asyncio.gather(tenant.token("alice"), tenant.token("bob"), tenant.token("alice", "write"))
    assert sorted(tenant.asked) == ["alice", "alice", "bob"]


async def test_a_caller_who_leaves_does_not_end_the_request_of_the_others(tenant: Tenant) -> None:
    tenant.open.clear()
    first, second = asyncio.create_task(tenant.token()), asyncio.create_task(tenant.token())
    await tenant.reached.wait()
    first.cancel()
    tenant.open.set()
    assert await second == "new"
    assert tenant.asked == ["alice"]


async def test_a_token_is_used_for_its_life(tenant: Tenant, clock: Clock) -> None:
    await tenant.token()
    clock.now += 569
    await tenant.token()
    assert len(tenant.asked) == 1
    clock.now += 2
    await tenant.token()
    assert len(tenant.asked) == 2


async def test_a_refused_caller_causes_one_request_in_ten_seconds_and_stops_nobody(
    tenant: Tenant, clock: Clock
) -> None:
    tenant.answer = lambda: REFUSED
    for _ in range(100):
        with pytest.raises(ExchangeFailed, match="access_denied: no"):
            await tenant.token("mallory")
    assert tenant.asked == ["mallory"]
    tenant.answer = lambda: GOOD
    assert await tenant.token("alice") == "new"
    clock.now += REFUSED_SECONDS
    assert await tenant.token("mallory") == "new"


@pytest.mark.parametrize(
    ("answer", "outcome", "seconds"),
    [
        (httpx2.Response(429, headers={"Retry-After": "20"}), "rate_limited", 22),
        (httpx2.Response(503, headers={"Retry-After": "20"}), "failed", 22),
        (httpx2.Response(500), "failed", 1),
    ],
    ids=["429", "503", "500"],
)
async def test_while_the_tenant_wants_no_requests_nobody_causes_one(
    tenant: Tenant, clock: Clock, answer: httpx2.Response, outcome: str, seconds: int
) -> None:
    await tenant.token("bob")
    tenant.answer = lambda: answer
    for name in ("alice", "alice", "carol"):
        with pytest.raises(ExchangeFailed) as failed:
            await tenant.token(name)
        assert failed.value.outcome == outcome
    assert tenant.asked == ["bob", "alice"]
    assert await tenant.token("bob") == "new", "a token that is there is still used"
    tenant.answer = lambda: GOOD
    clock.now += seconds
    assert await tenant.token("carol") == "new"


async def test_a_caller_waits_for_a_tenant_that_wants_fewer_requests(tenant: Tenant) -> None:
    answers = [httpx2.Response(429, headers={"Retry-After": "0"}), GOOD, GOOD, GOOD]
    tenant.answer = lambda: answers.pop(0)
    assert await tenant.token("alice") == "new"
    assert await asyncio.gather(tenant.token("bob"), tenant.token("carol")) == ["new", "new"]
    assert tenant.asked[:2] == ["alice", "alice"]
    assert set(tenant.outcomes) == {"ok"}


async def test_the_least_recently_used_token_is_dropped(tenant: Tenant) -> None:
    await tenant.token("alice")
    await tenant.token("bob")
    for number in range(MAX_TOKENS - 2):
        await tenant.token(f"user-{number}")
    await tenant.token("alice")
    await tenant.token("one-more")
    count = len(tenant.asked)
    await tenant.token("alice")
    assert len(tenant.asked) == count
    await tenant.token("bob")
    assert len(tenant.asked) == count + 1
