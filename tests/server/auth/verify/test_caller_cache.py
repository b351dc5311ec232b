"""The cache of callers: limited by expiry, by the keys and by its size."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from gatehouse_server.auth.provider.keys import KeyLimits, KeysUnavailable, SigningKeys
from gatehouse_server.auth.verify.caller_cache import CallerCache
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from tests.server.token_issuer import ISSUER, RESOURCE, Clock, Issuer

pytestmark = pytest.mark.anyio
LIMITS = KeyLimits()


@pytest.fixture
def times() -> Clock:
    """The clock that token times are compared with. No token of a slow test is from its future."""
    return Clock(time.time() + 30)


@pytest.fixture
def callers(keys: SigningKeys, times: Clock) -> CallerCache:
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=0, clock=times)
    return CallerCache(verifier, resource=RESOURCE, max_callers=2)


async def test_a_verified_token_is_cached_until_it_expires(callers: CallerCache, issuer: Issuer, times: Clock) -> None:
    token = issuer.token(iat=int(times.now), exp=int(times.now) + 60)
    assert callers.cached(token) is None
    caller = await callers.verify(token)
    assert callers.cached(token) is caller
    times.now += 60
    with pytest.raises(TokenRefused, match="token_expired"):
        callers.cached(token)


async def test_a_refused_token_is_not_cached(callers: CallerCache, issuer: Issuer) -> None:
    token = issuer.token(aud="another")
    with pytest.raises(TokenRefused, match="wrong_audience"):
        await callers.verify(token)
    assert callers.cached(token) is None


async def test_an_expired_token_is_verified_once_and_refused_each_time(
    callers: CallerCache, issuer: Issuer, times: Clock
) -> None:
    token = issuer.token(iat=int(times.now) - 60, exp=int(times.now) - 1)
    with pytest.raises(TokenRefused, match="token_expired"):
        await callers.verify(token)
    for _ in range(2):
        with pytest.raises(TokenRefused, match="token_expired"):
            callers.cached(token)


async def test_the_memory_of_all_callers_is_bounded(keys: SigningKeys, times: Clock, issuer: Issuer) -> None:
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=0, clock=times)
    callers = CallerCache(verifier, resource=RESOURCE, max_bytes=400_000)
    now = int(times.now)
    # A small part of a token can be much memory: an empty object has two characters and 64 bytes.
    large = [issuer.token(iat=now, exp=now + 60, jti=str(n), groups=[{}] * 3000) for n in range(5)]
    for token in large:
        await callers.verify(token)
    kept = [token for token in large if callers.cached(token) is not None]
    assert kept == large[-len(kept) :]
    assert 1 <= len(kept) <= 2
    small = [issuer.token(iat=now, exp=now + 60, jti=str(n)) for n in range(20)]
    for token in small:
        await callers.verify(token)
    assert all(callers.cached(token) is not None for token in small)


async def test_a_caller_that_is_verified_again_and_again_takes_its_place_once(
    keys: SigningKeys, times: Clock, issuer: Issuer
) -> None:
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=0, clock=times)
    callers = CallerCache(verifier, resource=RESOURCE, max_bytes=20_000)
    now = int(times.now)
    first, token = (issuer.token(iat=now, exp=now + 60, jti=name) for name in ("first", "token"))
    await callers.verify(first)
    for _ in range(20):
        await callers.verify(token)
    assert callers.cached(first) is not None


async def test_the_least_recently_used_caller_is_dropped_first(callers: CallerCache, issuer: Issuer) -> None:
    one, two, three = (issuer.token(jti=str(number)) for number in range(3))
    await callers.verify(one)
    await callers.verify(two)
    assert callers.cached(one)
    await callers.verify(three)
    assert callers.cached(one)
    assert callers.cached(two) is None


async def test_a_cached_token_is_refused_after_its_key_was_withdrawn(
    callers: CallerCache, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    await callers.verify(token)
    issuer.published[:] = ["two"]
    clock.now += LIMITS.default_age + 1
    assert callers.cached(token) is None
    with pytest.raises(TokenRefused, match="unknown_key"):
        await callers.verify(token)
    assert callers.cached(token) is None


async def test_a_cached_token_causes_a_refresh_of_the_keys_before_they_expire(
    callers: CallerCache, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    caller = await callers.verify(token)
    clock.now += LIMITS.default_age - 0.001  # the moment is random
    assert callers.cached(token) is caller
    for _ in range(20):  # let the background fetch run
        await asyncio.sleep(0)
    assert issuer.fetches == 2


async def test_a_cached_token_is_not_accepted_with_keys_that_are_too_old(
    callers: CallerCache, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.token()
    await callers.verify(token)
    issuer.answer = lambda: httpx2.Response(500)
    clock.now += LIMITS.default_age + 1
    assert callers.cached(token) or await callers.verify(token)
    clock.now += LIMITS.max_stale
    assert callers.cached(token) is None
    with pytest.raises(KeysUnavailable):
        await callers.verify(token)
