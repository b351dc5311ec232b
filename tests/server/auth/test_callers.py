"""Callers are remembered by their tokens: no longer than the token, its key and the room for it last."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from gatehouse_server.auth.callers import Callers
from gatehouse_server.auth.keys import KeysUnavailable, Limits, SigningKeys
from gatehouse_server.auth.tokens import TokenRefused, TokenVerifier
from tests.server.token_issuer import ISSUER, RESOURCE, Clock, Issuer

pytestmark = pytest.mark.anyio
LIMITS = Limits()


@pytest.fixture
def times() -> Clock:
    """What the tokens' times are compared with."""
    return Clock(time.time())


@pytest.fixture
def callers(keys: SigningKeys, times: Clock) -> Callers:
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=0, clock=times)
    return Callers(verifier, resource=RESOURCE, most=2)


async def test_a_repeated_token_is_remembered_until_it_expires(callers: Callers, issuer: Issuer, times: Clock) -> None:
    token = issuer.token(iat=int(times.now), exp=int(times.now) + 60)
    assert callers.known(token) is None
    caller = await callers.verified(token)
    assert callers.known(token) is caller
    times.now += 60
    with pytest.raises(TokenRefused, match="token_expired"):
        callers.known(token)


async def test_a_token_that_is_refused_is_not_remembered(callers: Callers, issuer: Issuer) -> None:
    token = issuer.token(aud="another")
    with pytest.raises(TokenRefused, match="wrong_audience"):
        await callers.verified(token)
    assert callers.known(token) is None


async def test_a_token_that_has_expired_is_verified_once_and_refused_each_time(
    callers: Callers, issuer: Issuer, times: Clock
) -> None:
    token = issuer.token(iat=int(times.now) - 60, exp=int(times.now) - 1)
    with pytest.raises(TokenRefused, match="token_expired"):
        await callers.verified(token)
    for _ in range(2):
        with pytest.raises(TokenRefused, match="token_expired"):
            callers.known(token)


async def test_whoever_was_not_seen_for_longest_is_forgotten_first(callers: Callers, issuer: Issuer) -> None:
    one, two, three = (issuer.token(jti=str(number)) for number in range(3))
    await callers.verified(one)
    await callers.verified(two)
    assert callers.known(one)
    await callers.verified(three)
    assert callers.known(one)
    assert callers.known(two) is None


async def test_a_token_that_was_seen_before_ends_with_its_key_as_any_other(
    callers: Callers, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    await callers.verified(token)
    issuer.published[:] = ["two"]
    clock.now += LIMITS.default_age + 1
    assert callers.known(token) is None
    with pytest.raises(TokenRefused, match="unknown_key"):
        await callers.verified(token)
    assert callers.known(token) is None


async def test_a_token_that_was_seen_before_renews_the_keys_ahead_of_their_end(
    callers: Callers, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    caller = await callers.verified(token)
    clock.now += LIMITS.default_age * 0.9
    assert callers.known(token) is caller
    for _ in range(20):  # the fetch in the background gets as far as it can
        await asyncio.sleep(0)
    assert issuer.fetches == 2


async def test_a_token_that_was_seen_before_is_not_let_in_on_keys_that_are_too_old(
    callers: Callers, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    await callers.verified(token)
    issuer.answer = lambda: httpx2.Response(500)
    clock.now += LIMITS.default_age + 1
    assert callers.known(token) or await callers.verified(token)
    clock.now += LIMITS.max_stale
    assert callers.known(token) is None
    with pytest.raises(KeysUnavailable):
        await callers.verified(token)
