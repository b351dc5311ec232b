"""Signing keys: there are few fetches, and good tokens are accepted while the tenant is down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from mcp.server.mcpserver import MCPServer

from gatehouse_server.app import protect
from gatehouse_server.auth.provider.keys import KeyLimits, KeysUnavailable, SigningKeys, url_in, usable_keys
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
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


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 540), (0.5, 697.5), (1.0, 855)])
async def test_replicas_refresh_their_keys_at_different_times(
    issuer: Issuer, clock: Clock, chance: float, seconds: float
) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, chance=lambda: chance)
    assert (keys.age(), keys.left(), keys.is_current("one")) == (None, 0, False)
    await keys.warm()
    fetched_at = clock.now
    for after, fetches in ((seconds, 1), (seconds + 0.1, 2)):
        clock.now = fetched_at + after
        assert keys.is_current("one")
        assert not keys.is_current("two")
        await run_background_tasks()
        assert issuer.fetches == fetches
    await keys.aclose()


async def test_keys_are_current_until_they_expire_and_are_used_a_limited_time_longer(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.get("one")
    issuer.answer = FAULTS["500"]
    began = clock.now
    total = LIMITS.default_age + LIMITS.max_stale
    for after, is_current in ((0, True), (LIMITS.default_age, True), (LIMITS.default_age + 1, False), (total, False)):
        clock.now = began + after
        assert (keys.age(), keys.left(), keys.is_current("one")) == (after, total - after, is_current)
        assert await keys.get("one") is not None
    clock.now += 1
    assert keys.left() == 0
    with pytest.raises(KeysUnavailable):
        await keys.get("one")


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


@pytest.mark.parametrize("invented", [False, True], ids=["one key id", "a new key id each time"])
async def test_the_time_between_fetches_for_unknown_keys_doubles(
    keys: SigningKeys, issuer: Issuer, clock: Clock, invented: bool
) -> None:
    for number in range(LIMITS.unknown_keys):
        await keys.get(f"unknown-{number}")
    fetched_at, began = [], clock.now
    for second in range(200):
        clock.now, before = began + second, issuer.fetches
        assert await keys.get(f"invented-{second}" if invented else "unknown-0") is None
        fetched_at += [second] * (issuer.fetches - before)
    assert fetched_at == [10, 30, 70, 150]


async def test_the_unknown_key_ids_that_are_remembered_are_bounded_and_the_oldest_is_forgotten(
    issuer: Issuer, clock: Clock
) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, limits=KeyLimits(unknown_keys=1000))
    for number in range(65):
        assert await keys.get(f"unknown-{number}") is None
    assert issuer.fetches == 1 + 65
    await keys.get("unknown-1")
    assert issuer.fetches == 1 + 65
    await keys.get("unknown-0")
    assert issuer.fetches == 1 + 66
    await keys.aclose()


async def test_after_a_quiet_time_several_unknown_keys_cause_a_fetch_at_once_again(
    issuer: Issuer, clock: Clock
) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, limits=KeyLimits(default_age=3600))
    for quiet in (0, LIMITS.min_age):
        clock.now += quiet
        before = issuer.fetches
        for number in range(10):
            assert await keys.get(f"unknown-{quiet}-{number}") is None
        assert issuer.fetches == before + LIMITS.unknown_keys + (quiet == 0)
    await keys.aclose()


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


async def waits_between_fetches(keys: SigningKeys, clock: Clock) -> list[int]:
    """The stated waits of eight fetches that fail, each at the end of the wait before."""
    waits = []
    for _ in range(8):
        with pytest.raises(KeysUnavailable) as unavailable:
            await keys.get("one")
        waits.append(unavailable.value.retry_after)
        clock.now += unavailable.value.retry_after
    return waits


async def test_a_failing_tenant_is_asked_less_and_less_often(keys: SigningKeys, issuer: Issuer, clock: Clock) -> None:
    issuer.answer = FAULTS["500"]
    assert await waits_between_fetches(keys, clock) == [2, 4, 8, 16, 30, 30, 30, 30]
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


async def test_a_replica_says_when_it_will_fetch_the_keys_and_a_probe_then_fetches_them(
    issuer: Issuer, clock: Clock
) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    limits = KeyLimits(start_spread=60)
    late = SigningKeys(JWKS_URL, "RS256", http=http, limits=limits, chance=lambda: 0.5, clock=clock)
    starting = asyncio.create_task(late.start())
    await asyncio.sleep(0)
    with pytest.raises(KeysUnavailable) as unavailable:
        await late.warm()
    assert (unavailable.value.retry_after, issuer.fetches) == (30, 0)
    clock.now += 30
    await late.warm()
    assert issuer.fetches == 1
    starting.cancel()
    await late.aclose()


async def test_the_request_for_keys_asks_for_json_and_each_outcome_is_counted(issuer: Issuer, clock: Clock) -> None:
    requests: list[httpx2.Request] = []
    outcomes: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return issuer.handle(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, on_fetch=outcomes.append)
    for fault in (lambda: httpx2.Response(429), FAULTS["500"], None):
        issuer.answer = fault
        with suppress(KeysUnavailable):
            await keys.warm()
        clock.now += 600
    assert outcomes == ["rate_limited", "failed", "ok"]
    assert {(request.method, request.headers["accept"]) for request in requests} == {("GET", "application/json")}
    await keys.aclose()


async def test_the_wait_after_429_becomes_longer_than_after_other_failures(
    keys: SigningKeys, issuer: Issuer, clock: Clock
) -> None:
    issuer.answer = lambda: httpx2.Response(429)
    assert await waits_between_fetches(keys, clock) == [2, 4, 8, 16, 32, 64, 128, 256]


async def test_a_document_of_exactly_the_largest_size_is_read(issuer: Issuer, clock: Clock) -> None:
    body = json.dumps(issuer.jwks()).encode()
    issuer.answer = lambda: httpx2.Response(200, content=body)
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http, clock=clock, limits=KeyLimits(max_bytes=len(body)))
    assert await keys.get("one") is not None
    await keys.aclose()


async def test_a_fetch_from_a_hanging_tenant_ends_so_that_the_next_one_can_begin(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(timeout=0.02)) as (keys, issuer):
        with pytest.raises(KeysUnavailable):
            await keys.get("one")
        async with asyncio.timeout(5):
            while "TimeoutError" not in await problem_of(keys):
                await run_background_tasks()
        issuer.answer = None
        clock.now += 600
        assert await keys.get("one") is not None


async def problem_of(keys: SigningKeys) -> str:
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.get("one")
    return str(unavailable.value)


@pytest.mark.parametrize(
    ("fault", "retry_after", "problem"),
    [
        (lambda: httpx2.Response(429, headers={"Retry-After": "40"}), 40, "the answer was HTTP 429"),
        (FAULTS["500"], 2, "the answer was HTTP 500"),
        (FAULTS["no answer"], 2, "refused"),
    ],
    ids=["429", "500", "no answer"],
)
async def test_another_document_that_cannot_be_fetched_is_unavailable_for_a_stated_time(
    keys: SigningKeys, issuer: Issuer, fault: Callable[[], httpx2.Response], retry_after: int, problem: str
) -> None:
    issuer.answer = fault
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.document("https://tenant.example.com/document")
    assert str(unavailable.value) == f"https://tenant.example.com/document: {problem}"
    assert unavailable.value.retry_after == retry_after


async def test_the_wait_for_another_document_of_a_hanging_tenant_is_limited(clock: Clock) -> None:
    async with hanging_tenant(clock, KeyLimits(timeout=0.02)) as (keys, _), asyncio.timeout(5):
        with pytest.raises(KeysUnavailable, match="TimeoutError"):
            await keys.document("https://tenant.example.com/document")


@pytest.mark.parametrize(
    ("issuer_url", "uri", "accepted"),
    [
        ("https://a.example.com/", "https://keys.example.com/", True),
        ("https://a.example.com/", "http://keys.example.com/", False),
        ("https://a.example.com/", "HTTP://keys.example.com/", False),
        ("http://localhost:3001/", "http://localhost:3001/keys", True),
        ("http://localhost:3001/", "https://keys.example.com/", True),
        ("http://localhost:3001/", "file:///etc/keys", False),
        ("https://a.example.com/", "//keys.example.com/", False),
        ("https://a.example.com/", None, False),
        ("https://a.example.com/", ["https://keys.example.com/"], False),
    ],
)
def test_a_url_of_a_discovery_document_is_https_unless_the_issuer_is_not(
    issuer_url: str, uri: object, accepted: bool
) -> None:
    document = {"issuer": issuer_url, "jwks_uri": uri}
    if accepted:
        assert url_in(document, issuer_url, "jwks_uri") == uri
    else:
        with pytest.raises(ValueError, match="no https URL"):
            url_in(document, issuer_url, "jwks_uri")


@pytest.mark.parametrize(
    "changes",
    [{"kid": 5}, {"kid": ""}, {"kid": None}, {"use": "enc"}, {"alg": "RS512"}, {"kty": "oct"}, {"d": "AQAB"}, {"n": 5}],
    ids=str,
)
def test_a_key_that_is_not_for_this_algorithm_is_left_out(good_key: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key for RS256"):
        usable_keys({"keys": [{**good_key, **changes}]}, "RS256")
    assert set(usable_keys({"keys": [{**good_key, **changes}, {**good_key, "kid": "good"}]}, "RS256")) == {"good"}


def test_a_whole_private_key_is_left_out_and_said_so(
    good_key: dict[str, Any], issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    private = dict(RSAAlgorithm.to_jwk(issuer.private["one"], as_dict=True)) | {"kid": "private"}
    assert set(usable_keys({"keys": [private, good_key]}, "RS256")) == {good_key["kid"]}
    assert "'private' is unusable: it is a private key" in caplog.text


def test_a_key_for_encryption_of_the_same_kind_is_no_key_for_ed25519() -> None:
    public = Ed25519PrivateKey.generate().public_key()
    entry = dict(OKPAlgorithm.to_jwk(public, as_dict=True)) | {"kid": "good"}
    others = [{**entry, "kid": curve, "crv": curve} for curve in ("X25519", "Ed448", "ed25519")]
    for algorithm in ("EdDSA", "Ed25519"):
        for name in ("EdDSA", "Ed25519"):
            assert set(usable_keys({"keys": [*others, {**entry, "alg": name}]}, algorithm)) == {"good"}
        with pytest.raises(ValueError, match=f"no key for {algorithm}"):
            usable_keys({"keys": others}, algorithm)


def test_a_key_without_algorithm_is_for_the_one_that_is_configured(good_key: dict[str, Any]) -> None:
    entry = {name: value for name, value in good_key.items() if name != "alg"}
    assert usable_keys({"keys": [entry]}, "RS512")[entry["kid"]].algorithm_name == "RS512"


@pytest.mark.parametrize("name", ["use", "alg"])
def test_a_key_may_leave_out_its_use_and_its_algorithm(good_key: dict[str, Any], name: str) -> None:
    entry = {each: value for each, value in good_key.items() if each != name}
    assert set(usable_keys({"keys": [entry]}, "RS256")) == {good_key["kid"]}


def test_the_first_of_two_keys_with_one_key_id_counts(good_key: dict[str, Any]) -> None:
    other = {**good_key, "e": "AQAD"}
    found = usable_keys({"keys": [good_key, other]}, "RS256")[good_key["kid"]]
    assert found.key.public_numbers().e == 65537


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
