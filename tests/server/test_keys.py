"""Signing keys: few fetches, and good tokens go on working while the tenant is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from gatehouse_server.keys import KeysUnavailable, Limits, SigningKeys
from gatehouse_server.tokens import TokenRefused, TokenVerifier
from issuer import ISSUER, JWKS_URL, RESOURCE, Clock, Issuer

pytestmark = pytest.mark.anyio
LIMITS = Limits()


def aged(seconds: int) -> Callable[[Issuer], httpx2.Response]:
    return lambda issuer: httpx2.Response(
        200, json=issuer.jwks(), headers={"Cache-Control": f"public, max-age={seconds}"}
    )


async def test_many_requests_at_once_lead_to_one_fetch(keys: SigningKeys, issuer: Issuer) -> None:
    found = await asyncio.gather(*(keys.get("one") for _ in range(50)))
    assert all(found)
    assert issuer.fetches == 1


async def test_keys_are_kept_as_long_as_the_answer_says(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.answer = lambda: aged(100)(issuer)
    await keys.get("one")
    clock.now += 79
    await keys.get("one")
    assert issuer.fetches == 1
    clock.now += 22
    await keys.get("one")
    assert issuer.fetches == 2


@pytest.mark.parametrize(("stated", "kept"), [(0, LIMITS.min_age), (10**9, LIMITS.max_age)])
async def test_what_the_answer_says_is_bounded(
    keys: SigningKeys, issuer: Issuer, clock: Clock, stated: int, kept: float
) -> None:
    issuer.answer = lambda: aged(stated)(issuer)
    await keys.get("one")
    clock.now += kept * 0.79
    await keys.get("one")
    assert issuer.fetches == 1
    clock.now += kept
    await keys.get("one")
    assert issuer.fetches == 2


async def test_keys_are_renewed_ahead_of_their_end_without_a_wait(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.get("one")
    clock.now += LIMITS.default_age * 0.9
    assert await keys.get("one") is not None
    for _ in range(20):
        await asyncio.sleep(0)
    assert issuer.fetches == 2


async def test_an_unknown_key_is_looked_for_once_and_then_not_for_a_while(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    for number in range(100):
        assert await keys.get(f"unknown-{number}") is None
    assert issuer.fetches == 2, "the first fetch and one for the unknown key"
    clock.now += LIMITS.unknown_key_cooldown
    assert await keys.get("unknown") is None
    assert issuer.fetches == 3


async def test_a_rotated_key_is_found_at_once(keys: SigningKeys, issuer: Issuer) -> None:
    assert await keys.get("one") is not None
    issuer.published.append("two")
    assert await keys.get("two") is not None


async def test_a_withdrawn_key_ends_its_tokens(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
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
    "no JSON": lambda: httpx2.Response(200, text="<html>"),
    "nested too deep": lambda: httpx2.Response(200, text="[" * 20_000),
    "no key set": lambda: httpx2.Response(200, json=["keys"]),
    "no keys": lambda: httpx2.Response(200, json={"keys": []}),
    "only nonsense": lambda: httpx2.Response(200, json={"keys": [1, {"kid": "one"}, {"kid": "one", "kty": "RSA"}]}),
    "a symmetric key": lambda: httpx2.Response(200, json={"keys": [{"kid": "one", "kty": "oct", "k": "AAAA"}]}),
    "too large": lambda: httpx2.Response(200, content=b" " * (LIMITS.max_bytes + 1)),
    "no answer": lambda: (_ for _ in ()).throw(httpx2.ConnectError("refused")),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_keys_nothing_is_said_about_a_token_when_the_tenant_answers(
    keys: SigningKeys, issuer: Issuer, fault: str
) -> None:
    issuer.answer = FAULTS[fault]
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.get("one")
    assert JWKS_URL in str(unavailable.value)
    assert unavailable.value.retry_after >= 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_kept_keys_go_on_working_for_a_while_when_the_tenant_answers(
    keys: SigningKeys, issuer: Issuer, clock: Clock, fault: str
) -> None:
    await keys.get("one")
    issuer.answer = FAULTS[fault]
    clock.now += LIMITS.default_age + 1
    assert await keys.get("one") is not None
    clock.now += LIMITS.max_stale + 1
    with pytest.raises(KeysUnavailable):
        await keys.get("one")


async def test_after_a_failure_the_next_fetch_waits_a_moment(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.answer = FAULTS["500"]
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await keys.get("one")
    assert issuer.fetches == 1
    issuer.answer = None
    clock.now += LIMITS.failure_cooldown
    assert await keys.get("one") is not None


async def test_an_unknown_key_while_the_tenant_is_down_is_not_called_a_bad_token(
    keys: SigningKeys, issuer: Issuer
) -> None:
    await keys.get("one")
    issuer.answer = FAULTS["500"]
    with pytest.raises(KeysUnavailable):
        await keys.get("two")


async def test_a_hanging_tenant_does_not_hang_a_request_with_kept_keys(issuer: Issuer, clock: Clock) -> None:
    hanging = asyncio.Event()

    async def hang(_: httpx2.Request) -> httpx2.Response:
        await hanging.wait()
        raise AssertionError

    served: list[object] = [issuer.handle, hang]

    async def handle(request: httpx2.Request) -> httpx2.Response:
        handler = served.pop(0)
        return issuer.handle(request) if handler == issuer.handle else await hang(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, limits=Limits(patience=0.01))
    await keys.get("one")
    clock.now += LIMITS.default_age + 1
    async with asyncio.timeout(2):
        assert await keys.get("one") is not None
    await keys.aclose()
