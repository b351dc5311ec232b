"""Opaque tokens: accepted only as the provider describes them, and never without its answer (RFC 7662)."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from gatehouse_example.app import example_server
from gatehouse_server.app import protect
from gatehouse_server.auth.provider.introspection import Introspection, IntrospectionLimits, IntrospectionUnavailable
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from gatehouse_server.serving.settings import Settings
from tests.server.protected_server import ORIGIN, ask
from tests.server.token_issuer import JWKS_URL, RESOURCE, Clock, Issuer

pytestmark = pytest.mark.anyio

AS = "https://as.example.com"
SECRET = "s3cret/of+the server"
OPAQUE = "ory_at_1.2-3"
LIMITS = IntrospectionLimits()


@dataclass
class Provider:
    """A provider of opaque tokens.

    Attributes:
        metadata: members of both metadata documents.
        discovery: members of the one of OpenID Connect Discovery; None if there is only the one of RFC 8414.
        answer: replaces its answer about tokens.
    """

    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] | None = field(default_factory=dict)
    answer: Callable[[], httpx2.Response] | None = None
    asked: list[httpx2.Request] = field(default_factory=list)

    def issue(self, token: str = OPAQUE, **changes: Any) -> str:
        claims = {"sub": "alice", "client_id": "agent", "aud": RESOURCE, "scope": "access:mcp", "exp": 2000, **changes}
        self.tokens[token] = {name: value for name, value in claims.items() if value is not None}
        return token

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            metadata = {"issuer": AS, "introspection_endpoint": f"{AS}/introspect", **self.metadata}
            if request.url.path == "/.well-known/openid-configuration":
                if self.discovery is None:
                    return httpx2.Response(404)
                metadata |= self.discovery
            return httpx2.Response(200, json=metadata)
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer()
        found = self.tokens.get(parse_qs(request.content.decode())["token"][0])
        return httpx2.Response(200, json={"active": found is not None, **(found or {})})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def introspection(provider: Provider, clock: Clock) -> AsyncIterator[Introspection]:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.handle))
    url = f"{AS}/.well-known/openid-configuration"
    introspection = Introspection(url, AS, "server", SECRET, http=http, clock=clock)
    yield introspection
    await introspection.aclose()


def settings_for(profile: str = "oidc") -> Settings:
    given = {"OIDC_ISSUER": AS, "OIDC_AUDIENCE": RESOURCE, "OIDC_PROFILE": profile}
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def verifier(issuer: Issuer, clock: Clock, introspection: Introspection | None, profile: str = "oidc") -> TokenVerifier:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys(JWKS_URL, "RS256", http=http)
    read_by = settings_for(profile).token_profile()
    return TokenVerifier(keys, issuer=AS, audience=RESOURCE, profile=read_by, introspection=introspection, clock=clock)


@pytest.fixture
def checked(issuer: Issuer, clock: Clock, introspection: Introspection) -> TokenVerifier:
    return verifier(issuer, clock, introspection)


async def test_an_opaque_token_is_what_the_provider_says(provider: Provider, checked: TokenVerifier) -> None:
    verified = await checked.verify(provider.issue(iss=AS, iat=900, token_type="Bearer", username="alice"))
    assert (verified.subject, verified.client_id, verified.expires_at) == ("alice", "agent", 2000)
    assert verified.granted == {"access:mcp"}


@pytest.mark.parametrize("token", ["a", "a.b.c", "eyJ", "eyJ.b", "eyJ.b.c.d.e"])
async def test_a_token_that_is_no_signed_jwt_is_looked_up(
    provider: Provider, checked: TokenVerifier, token: str
) -> None:
    assert (await checked.verify(provider.issue(token))).subject == "alice"


async def test_the_user_name_is_the_subject_of_an_answer_without_one(
    provider: Provider, checked: TokenVerifier
) -> None:
    assert (await checked.verify(provider.issue(sub=None, username="alice"))).subject == "alice"
    assert (await checked.verify(provider.issue("other", sub="1", username="alice"))).subject == "1"
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(provider.issue("neither", sub=None))
    assert refused.value.code == "missing_claim"
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(provider.issue("wrong", sub=None, username=["alice"]))
    assert refused.value.code == "invalid_claim"


@pytest.mark.parametrize("discovery", [{"introspection_endpoint": None}, {"issuer": "https://other.example.com"}, None])
async def test_the_endpoint_may_be_only_in_the_metadata_of_rfc_8414(
    provider: Provider, checked: TokenVerifier, discovery: dict[str, Any] | None
) -> None:
    provider.discovery = discovery
    assert (await checked.verify(provider.issue())).subject == "alice"


async def test_the_server_authenticates_and_asks_for_an_access_token(
    provider: Provider, checked: TokenVerifier
) -> None:
    await checked.verify(provider.issue())
    assert parse_qs(provider.asked[0].content.decode()) == {"token": [OPAQUE], "token_type_hint": ["access_token"]}
    pair = base64.b64decode(provider.asked[0].headers["Authorization"].removeprefix("Basic "))
    assert pair == b"server:s3cret%2Fof%2Bthe+server"


async def test_the_secret_is_in_the_form_if_the_provider_takes_it_only_there(
    provider: Provider, checked: TokenVerifier
) -> None:
    provider.metadata["introspection_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await checked.verify(provider.issue())
    assert parse_qs(provider.asked[0].content.decode())["client_secret"] == [SECRET]
    assert "Authorization" not in provider.asked[0].headers


@pytest.mark.parametrize(
    ("profile", "changes", "expected"),
    [
        ("keycloak", {"typ": "Bearer", "realm_access": {"roles": ["a"]}}, "a"),
        ("okta", {"scope": "a b", "uid": "1"}, "a b"),
        ("rfc9068", {"scope": "a"}, "a"),
        ("zitadel", {f"urn:zitadel:iam:org:project:{RESOURCE}:roles": {"a": {}}}, "a"),
        ("auth0", {"scope": "a b", "permissions": ["b"]}, "b"),
    ],
)
async def test_the_profile_reads_the_answer(
    issuer: Issuer,
    clock: Clock,
    provider: Provider,
    introspection: Introspection,
    profile: str,
    changes: dict[str, Any],
    expected: str,
) -> None:
    verified = await verifier(issuer, clock, introspection, profile).verify(provider.issue(**changes))
    assert verified.granted == set(expected.split())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": None}, "missing_claim"),
        ({"aud": "https://other.example.com/"}, "wrong_audience"),
        ({"aud": ["https://other.example.com/", f"{RESOURCE}/x"]}, "wrong_audience"),
        ({"aud": {RESOURCE: 1}}, "invalid_claim"),
        ({"iss": "https://evil.example.com"}, "wrong_issuer"),
        ({"iss": ["https://sts.windows.net/"]}, "wrong_issuer"),
        ({"sub": None}, "missing_claim"),
        ({"client_id": None}, "missing_claim"),
        ({"client_id": ["agent"]}, "invalid_claim"),
        ({"exp": 900}, "token_expired"),
        ({"exp": "2000"}, "invalid_claim"),
        ({"exp": True}, "invalid_claim"),
        ({"nbf": 1500}, "not_yet_valid"),
        ({"scope": ["access:mcp"]}, "invalid_claim"),
        ({"token_type": "DPoP"}, "wrong_type"),
        ({"token_type": ["Bearer"]}, "wrong_type"),
        ({"token_use": "refresh_token"}, "wrong_type"),
        ({"token_use": "id"}, "wrong_type"),
        ({"typ": "ID"}, "wrong_type"),
        ({"nonce": "n"}, "wrong_type"),
    ],
    ids=str,
)
async def test_an_active_token_that_is_no_access_token_for_this_server_is_refused(
    provider: Provider, checked: TokenVerifier, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(provider.issue(**changes))
    assert refused.value.code == code


@pytest.mark.parametrize("kind", ["Refresh", "Offline", None])
async def test_a_keycloak_token_of_another_kind_is_refused(
    issuer: Issuer, clock: Clock, provider: Provider, introspection: Introspection, kind: str | None
) -> None:
    with pytest.raises(TokenRefused) as refused:
        await verifier(issuer, clock, introspection, "keycloak").verify(provider.issue(typ=kind))
    assert refused.value.code == "wrong_type"


async def test_without_introspection_an_opaque_token_is_refused(
    issuer: Issuer, clock: Clock, provider: Provider
) -> None:
    with pytest.raises(TokenRefused) as refused:
        await verifier(issuer, clock, None).verify(provider.issue())
    assert refused.value.code == "malformed_token"


async def test_the_provider_is_never_asked_about_a_signed_jwt(
    issuer: Issuer, provider: Provider, checked: TokenVerifier
) -> None:
    forged = issuer.token(iss=AS, kid="two")
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(provider.issue(forged))
    assert (refused.value.code, provider.asked) == ("unknown_key", [])


async def test_an_answer_is_used_for_a_minute_and_a_revoked_token_is_then_refused(
    provider: Provider, checked: TokenVerifier, clock: Clock
) -> None:
    token = provider.issue()
    await checked.verify(token)
    provider.tokens.clear()
    clock.now += LIMITS.max_age - 1
    await checked.verify(token)
    assert len(provider.asked) == 1
    clock.now += 1
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(token)
    assert refused.value.code == "inactive_token"


async def test_an_answer_is_never_used_beyond_the_expiry_of_the_token(
    provider: Provider, introspection: Introspection, clock: Clock
) -> None:
    await introspection.claims(provider.issue(exp=clock.now + 10))
    clock.now += 10
    await introspection.claims(OPAQUE)
    assert len(provider.asked) == 2


async def test_a_token_without_expiry_is_asked_about_again_after_a_minute(
    provider: Provider, checked: TokenVerifier, clock: Clock
) -> None:
    verified = await checked.verify(provider.issue(exp=None))
    assert verified.expires_at == clock.now + LIMITS.max_age


async def test_a_refusal_is_cached_for_a_limited_time(
    provider: Provider, introspection: Introspection, clock: Clock
) -> None:
    for _ in range(3):
        assert await introspection.claims("unknown") is None
    assert len(provider.asked) == 1
    clock.now += LIMITS.refused_age
    provider.issue("unknown")
    assert await introspection.claims("unknown") is not None


async def test_many_bad_tokens_remove_no_good_one_from_the_cache_and_none_stays_for_ever(
    provider: Provider, clock: Clock
) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.handle))
    url, limits = f"{AS}/.well-known/openid-configuration", IntrospectionLimits(max_tokens=3)
    introspection = Introspection(url, AS, "server", SECRET, http=http, clock=clock, limits=limits)
    await introspection.claims(provider.issue())
    for number in range(10):
        await introspection.claims(f"bad-{number}")
    await introspection.claims(OPAQUE)
    assert len(provider.asked) == 11
    for number in range(3):
        await introspection.claims(provider.issue(f"good-{number}"))
    await introspection.claims(OPAQUE)
    assert len(provider.asked) == 15
    await introspection.aclose()


async def test_the_memory_of_good_answers_is_bounded(provider: Provider, clock: Clock) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.handle))
    url, limits = f"{AS}/.well-known/openid-configuration", IntrospectionLimits(max_cached_bytes=50_000)
    introspection = Introspection(url, AS, "server", SECRET, http=http, clock=clock, limits=limits)
    tokens = [provider.issue(f"good-{number}", groups=["x" * 20_000]) for number in range(3)]
    for token in (*tokens, tokens[2], tokens[1]):
        assert await introspection.claims(token) is not None
    assert len(provider.asked) == 3
    await introspection.claims(tokens[0])
    assert len(provider.asked) == 4, "it was dropped"
    await introspection.aclose()


async def test_concurrent_requests_with_one_token_ask_once(provider: Provider, introspection: Introspection) -> None:
    token = provider.issue()
    answers = await asyncio.gather(*(introspection.claims(token) for _ in range(50)))
    assert (len(provider.asked), all(answers)) == (1, True)


def fails() -> httpx2.Response:
    raise httpx2.ConnectError("refused")


UNUSABLE: dict[str, Callable[[], httpx2.Response]] = {
    "no connection": fails,
    "500": lambda: httpx2.Response(500),
    "401": lambda: httpx2.Response(401, json={"error": "invalid_client"}),
    "400": lambda: httpx2.Response(400, json={"error": "invalid_request"}),
    "a redirect": lambda: httpx2.Response(302, headers={"Location": "https://evil.example.com/"}),
    "not JSON": lambda: httpx2.Response(200, text="<html>"),
    "a list": lambda: httpx2.Response(200, json=[]),
    "no active": lambda: httpx2.Response(200, json={"sub": "alice"}),
    "active is a text": lambda: httpx2.Response(200, json={"active": "true", "sub": "alice"}),
    "active is 1": lambda: httpx2.Response(200, json={"active": 1}),
    "active twice": lambda: httpx2.Response(200, text='{"active": false, "active": true}'),
    "too large": lambda: httpx2.Response(200, json={"active": True, "filler": "x" * LIMITS.max_bytes}),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_without_a_clear_answer_nothing_is_accepted(
    provider: Provider, introspection: Introspection, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    provider.issue()
    provider.answer = UNUSABLE[name]
    with caplog.at_level(logging.WARNING), pytest.raises(IntrospectionUnavailable) as unavailable:
        await introspection.claims(OPAQUE)
    assert unavailable.value.retry_after >= 1
    assert "introspection" in caplog.text
    for secret in (OPAQUE, SECRET):
        assert secret not in caplog.text + str(unavailable.value)


async def test_a_provider_that_fails_is_not_asked_again_at_once_and_cached_answers_stay(
    provider: Provider, introspection: Introspection, clock: Clock
) -> None:
    await introspection.claims(provider.issue())
    provider.answer = UNUSABLE["500"]
    for _ in range(3):
        with pytest.raises(IntrospectionUnavailable):
            await introspection.claims("another")
    assert len(provider.asked) == 2
    assert await introspection.claims(OPAQUE) is not None
    clock.now += LIMITS.failure_cooldown
    provider.answer = None
    assert await introspection.claims("another") is None


async def test_an_answer_that_one_token_makes_unusable_does_not_stop_the_others(
    provider: Provider, introspection: Introspection
) -> None:
    provider.answer = UNUSABLE["400"]
    with pytest.raises(IntrospectionUnavailable):
        await introspection.claims("odd")
    provider.answer = None
    assert await introspection.claims(provider.issue()) is not None


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": f"{AS}/"},
        {"introspection_endpoint": None},
        {"introspection_endpoint": "http://as.example.com/introspect"},
        {"introspection_endpoint": ["https://as.example.com/"]},
    ],
    ids=str,
)
async def test_the_secret_is_sent_to_no_endpoint_of_wrong_metadata(
    provider: Provider, introspection: Introspection, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    with pytest.raises(IntrospectionUnavailable):
        await introspection.claims(provider.issue())
    assert provider.asked == []


async def test_over_http_an_opaque_token_is_accepted_refused_or_answered_with_503(
    issuer: Issuer, provider: Provider, introspection: Introspection
) -> None:
    keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
    config = settings_for()
    app = protect(example_server(), config, keys=keys, introspection=introspection)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as server,
    ):
        assert (await ask(server, provider.issue(exp=None))).status_code == 200
        assert (await ask(server, provider.issue("lacks", exp=None, scope="openid"))).status_code == 403
        refused = await ask(server, "unknown")
        provider.answer = UNUSABLE["no connection"]
        unavailable = await ask(server, "another")
    assert (refused.status_code, "the token is not valid" in refused.headers["WWW-Authenticate"]) == (401, True)
    assert (unavailable.status_code, unavailable.json()["error"]) == (503, "temporarily_unavailable")
    assert int(unavailable.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("name", ["INTROSPECTION_CLIENT_ID", "INTROSPECTION_CLIENT_SECRET"])
def test_client_id_and_secret_belong_together(name: str) -> None:
    given = {"OIDC_ISSUER": AS, "OIDC_AUDIENCE": RESOURCE, name: "x"}
    with pytest.raises(ValueError, match="INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET belong together"):
        Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]
