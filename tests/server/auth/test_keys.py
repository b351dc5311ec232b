"""Signing keys: there are few fetches, and good tokens are accepted while the tenant is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import hypothesis
import pytest
from hypothesis import strategies
from mcp.server.mcpserver import MCPServer

from gatehouse_server.app import protect
from gatehouse_server.auth.keys import KeyLimits, KeysUnavailable, SigningKeys, usable_keys
from gatehouse_server.auth.tokens import TokenRefused, TokenVerifier
from tests.server.token_issuer import ISSUER, JWKS_URL, RESOURCE, Clock, Issuer, settings
from tests.support.fuzzing import fuzz

pytestmark = pytest.mark.anyio
LIMITS = KeyLimits()


def jwks_with_max_age(seconds: int) -> Callable[[Issuer], httpx2.Response]:
    return lambda issuer: httpx2.Response(
        200, json=issuer.jwks(), headers={"Cache-Control": f"public, max-age={seconds}"}
    )


async def run_background_tasks() -> None:
    """Let background tasks run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def hang() -> httpx2.Response:
    raise AssertionError("replaced by hanging_tenant")


@asynccontextmanager
async def hanging_tenant(clock: Clock, limits: KeyLimits) -> AsyncIterator[tuple[SigningKeys, Issuer]]:
    """Keys from a tenant that never answers while its `answer` is `hang`."""
    issuer = Issuer(answer=hang)
    issuer.add_key("one")

    async def handle(request: httpx2.Request) -> httpx2.Response:
        if issuer.answer is hang:
            await asyncio.Event().wait()
        return issuer.handle(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, limits=limits)
    yield keys, issuer
    await keys.aclose()


async def test_concurrent_requests_cause_one_fetch(keys: SigningKeys, issuer: Issuer) -> None:
    found = await asyncio.gather(*(keys.get("one") for _ in range(50)))
    assert all(found)
    assert issuer.fetches == 1


async def test_keys_are_cached_for_the_max_age_of_the_answer(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.answer = lambda: jwks_with_max_age(1000)(issuer)
    await keys.get("one")
    clock.now += 940
    await keys.get("one")
    assert issuer.fetches == 1
    clock.now += 61
    await keys.get("one")
    assert issuer.fetches == 2


@pytest.mark.parametrize(("stated", "cached"), [(0, LIMITS.min_age), (10**9, LIMITS.max_age)])
async def test_the_max_age_of_the_answer_is_limited(
    keys: SigningKeys, issuer: Issuer, clock: Clock, stated: int, cached: float
) -> None:
    issuer.answer = lambda: jwks_with_max_age(stated)(issuer)
    await keys.get("one")
    clock.now += cached * 0.79
    await keys.get("one")
    assert issuer.fetches == 1
    clock.now += cached
    await keys.get("one")
    assert issuer.fetches == 2


async def test_keys_are_refreshed_in_the_background_before_they_expire(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.get("one")
    clock.now += LIMITS.default_age * 0.96
    assert await keys.get("one") is not None
    await run_background_tasks()
    assert issuer.fetches == 2


async def test_unknown_keys_cause_few_fetches(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    for number in range(100):
        assert await keys.get(f"unknown-{number}") is None
    assert issuer.fetches == 1 + LIMITS.unknown_keys, "the first fetch, and those for unknown keys"
    clock.now += LIMITS.unknown_key_cooldown
    assert await keys.get("unknown") is None
    assert issuer.fetches == 2 + LIMITS.unknown_keys


async def test_an_old_token_does_not_keep_a_new_key_unknown(keys: SigningKeys, issuer: Issuer) -> None:
    for _ in range(20):
        assert await keys.get("withdrawn") is None
    assert issuer.fetches == 2, "the first fetch, and one for the unknown key"
    issuer.published.append("two")
    assert await keys.get("two") is not None


async def test_a_rotated_key_is_found_at_once(keys: SigningKeys, issuer: Issuer) -> None:
    assert await keys.get("one") is not None
    issuer.published.append("two")
    assert await keys.get("two") is not None
    issuer.add_key("three")
    assert await keys.get("three") is not None, "also a moment after another rotation"


async def test_a_token_of_a_withdrawn_key_is_refused(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE)
    token = issuer.token()
    await verifier.verify(token)
    issuer.published[:] = ["two"]
    clock.now += LIMITS.default_age + 1
    await keys.warm()
    with pytest.raises(TokenRefused, match="unknown_key"):
        await verifier.verify(token)


FAULTS: dict[str, Callable[[], httpx2.Response]] = {
    "500": lambda: httpx2.Response(500),
    "404": lambda: httpx2.Response(404),
    "redirect": lambda: httpx2.Response(302, headers={"Location": "https://evil.example.com/keys"}),
    "not JSON": lambda: httpx2.Response(200, text="<html>"),
    "nested too deep": lambda: httpx2.Response(200, text="[" * 20_000),
    "not a key set": lambda: httpx2.Response(200, json=["keys"]),
    "no keys": lambda: httpx2.Response(200, json={"keys": []}),
    "only invalid keys": lambda: httpx2.Response(200, json={"keys": [1, {"kid": "one"}, {"kid": "one", "kty": "RSA"}]}),
    "a symmetric key": lambda: httpx2.Response(200, json={"keys": [{"kid": "one", "kty": "oct", "k": "AAAA"}]}),
    "too large": lambda: httpx2.Response(200, content=b" " * (LIMITS.max_bytes + 1)),
    "no answer": lambda: (_ for _ in ()).throw(httpx2.ConnectError("refused")),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_keys_a_token_is_neither_valid_nor_invalid_if_the_tenant_answers(
    keys: SigningKeys, issuer: Issuer, fault: str
) -> None:
    issuer.answer = FAULTS[fault]
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.get("one")
    assert JWKS_URL in str(unavailable.value)
    assert unavailable.value.retry_after >= 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_cached_keys_are_used_for_a_limited_time_if_the_tenant_answers(
    keys: SigningKeys, issuer: Issuer, clock: Clock, fault: str
) -> None:
    await keys.get("one")
    issuer.answer = FAULTS[fault]
    clock.now += LIMITS.default_age + 1
    assert await keys.get("one") is not None
    clock.now += LIMITS.max_stale + 1
    with pytest.raises(KeysUnavailable):
        await keys.get("one")


async def test_after_a_failure_the_next_fetch_waits_for_the_cooldown(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    issuer.answer = FAULTS["500"]
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await keys.get("one")
    assert issuer.fetches == 1
    issuer.answer = None
    clock.now += LIMITS.failure_cooldown
    assert await keys.get("one") is not None


async def test_a_token_with_an_unknown_key_is_not_refused_while_the_tenant_is_down(
    keys: SigningKeys, issuer: Issuer
) -> None:
    await keys.get("one")
    issuer.answer = FAULTS["500"]
    with pytest.raises(KeysUnavailable):
        await keys.get("two")


async def test_a_request_with_cached_keys_does_not_wait_for_a_hanging_tenant(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(stale_wait=0.01)) as (keys, issuer):
        issuer.answer = None
        await keys.get("one")
        issuer.answer = hang
        clock.now += LIMITS.default_age + 1
        async with asyncio.timeout(2):
            assert await keys.get("one") is not None


async def test_a_token_with_an_unknown_key_is_accepted_after_a_long_outage(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.get("one")
    issuer.published.append("two")
    issuer.answer = FAULTS["500"]
    for _ in range(30):
        with pytest.raises(KeysUnavailable):
            await keys.get("two")
        clock.now += 1
    issuer.answer = None
    clock.now += LIMITS.longest_cooldown
    assert await keys.get("two") is not None


async def test_without_cached_keys_the_wait_for_a_hanging_tenant_is_limited(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(timeout=0.02)) as (keys, _):
        for _ in range(5):
            async with asyncio.timeout(5):
                with pytest.raises(KeysUnavailable) as unavailable:
                    await keys.get("one")
            assert unavailable.value.retry_after >= 1


async def test_only_the_first_requests_wait_for_a_hanging_tenant(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(stale_wait=0.05, timeout=60)) as (keys, issuer):
        issuer.answer = None
        await keys.get("one")
        issuer.answer = hang
        clock.now += LIMITS.default_age + 1
        await keys.get("one")
        clock.now += 1
        async with asyncio.timeout(0.04):
            assert await keys.get("one") is not None


async def test_a_hanging_tenant_does_not_delay_the_shutdown(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(timeout=60)) as (keys, _):
        app = protect(MCPServer("test"), settings(), keys=keys)
        async with asyncio.timeout(5), app.router.lifespan_context(app):
            await run_background_tasks()


async def test_a_failing_tenant_is_asked_less_and_less_often(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.answer = FAULTS["500"]
    waits = []
    for _ in range(8):
        with pytest.raises(KeysUnavailable) as unavailable:
            await keys.get("one")
        waits.append(unavailable.value.retry_after)
        clock.now += unavailable.value.retry_after
    assert waits == [2, 4, 8, 16, 30, 30, 30, 30]
    assert issuer.fetches == 8
    issuer.answer = None
    assert await keys.get("one") is not None
    issuer.answer = FAULTS["500"]
    clock.now += LIMITS.default_age + LIMITS.max_stale + 1
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.get("one")
    assert unavailable.value.retry_after == 2, "a success ends the waiting"


@pytest.mark.parametrize(
    ("headers", "longest"),
    [({"Retry-After": "40"}, 42), ({"Retry-After": "999999"}, 302), ({"Retry-After": "soon"}, 2), ({}, 2)],
    ids=["seconds", "too long", "no number", "nothing"],
)
async def test_the_keys_are_not_fetched_before_the_time_that_the_tenant_states(
    keys: SigningKeys, issuer: Issuer, clock: Clock, headers: dict[str, str], longest: int
) -> None:
    issuer.answer = lambda: httpx2.Response(429, headers=headers)
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.get("one")
    assert unavailable.value.retry_after == longest
    issuer.answer = None
    clock.now += longest - 0.1
    with pytest.raises(KeysUnavailable):
        await keys.get("one")
    assert issuer.fetches == 1
    clock.now += 0.1
    assert await keys.get("one") is not None


async def test_invented_key_ids_cause_ever_fewer_fetches(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    hours = 4
    for second in range(hours * 3600):
        clock.now += 1
        assert await keys.get(f"invented-{second}") is None
    refreshes = hours * 3600 / (LIMITS.default_age * 0.95)
    assert issuer.fetches <= refreshes + hours * 3600 / LIMITS.min_age + 12
    clock.now += LIMITS.min_age
    issuer.published.append("two")
    assert await keys.get("two") is not None, "after a quiet time a new key is found at once"


async def test_an_old_token_that_is_sent_for_ever_does_not_delay_a_new_key(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    for _ in range(600):
        clock.now += 1
        assert await keys.get("withdrawn") is None
    assert issuer.fetches <= 8
    issuer.published.append("two")
    assert await keys.get("two") is not None


async def test_replicas_that_start_together_fetch_at_different_times(issuer: Issuer) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    limits = KeyLimits(start_spread=0.001)
    late = SigningKeys(JWKS_URL, "RS256", http=http, limits=limits, chance=lambda: 1.0, clock=Clock())
    starting = asyncio.create_task(late.start())
    await asyncio.sleep(0)
    with pytest.raises(KeysUnavailable, match="in a moment"):
        await late.warm()
    assert issuer.fetches == 0, "a probe does not cause a fetch"
    assert await late.get("one") is not None, "a token does"
    await starting
    await late.warm()
    assert issuer.fetches == 1
    await late.aclose()


JSON_VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=4,
)
ODD_MEMBERS = strategies.sampled_from(["AQAB", "", "AA", "!", "=", "A" * 400, "RSA", "EC", "OKP", "P-256", "sig"])
ODD_KEYS = strategies.fixed_dictionaries(
    {"kid": strategies.sampled_from(["one", "two", ""]) | JSON_VALUES},
    optional=dict.fromkeys(("kty", "n", "e", "d", "alg", "use", "crv", "x", "y", "k"), ODD_MEMBERS | JSON_VALUES),
)


@fuzz(75)
@hypothesis.given(entries=strategies.lists(ODD_KEYS | JSON_VALUES, max_size=3))
def test_unusable_keys_beside_a_good_one_are_ignored(good_key: dict[str, Any], entries: list[Any]) -> None:
    cached = usable_keys({"keys": [*entries, {**good_key, "kid": "good"}]}, "RS256")
    assert "good" in cached
    assert all(key.key_type == "RSA" for key in cached.values())


@pytest.fixture(scope="session")
def good_key(_generated: Issuer) -> dict[str, Any]:
    return dict(_generated.jwks()["keys"][0])
