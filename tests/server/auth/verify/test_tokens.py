"""Hostile and malformed tokens, each refused with its code."""

from __future__ import annotations

from typing import Any

import pytest

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify import tokens
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from tests.server.hostile_tokens import HOSTILE, NOW, part
from tests.server.token_issuer import ISSUER, RESOURCE, Issuer

pytestmark = pytest.mark.anyio


@pytest.fixture
def verifier(keys: SigningKeys) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE)


@pytest.mark.requirement("S15")
@pytest.mark.requirement("S16")
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_token_is_refused_with_its_code(verifier: TokenVerifier, issuer: Issuer, name: str) -> None:
    code, forge = HOSTILE[name]
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(forge(issuer))
    assert refused.value.code == code
    assert refused.value.description.endswith((".", ")"))


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"aud": [RESOURCE, f"{ISSUER}userinfo"]},
        {"azp": None, "client_id": "agent"},
        {"header": {"typ": "at+jwt"}},
        {"header": {"typ": "application/AT+JWT"}},
        {"exp": NOW + 100_000.5},
        {"permissions": []},
        {"nbf": NOW},
    ],
    ids=["plain", "two audiences", "client_id", "at+jwt", "the media type", "a fraction", "no permissions", "nbf now"],
)
async def test_a_good_token_is_verified(verifier: TokenVerifier, issuer: Issuer, variant: dict[str, Any]) -> None:
    verified = await verifier.verify(issuer.token(**variant))
    assert (verified.subject, verified.client_id, verified.key_id) == ("auth0|alice", "agent", "one")
    assert verified.not_before == variant.get("nbf", 0)


@pytest.mark.parametrize(
    ("claims", "first", "last"),
    [
        ({"iat": NOW, "exp": NOW + 60}, NOW - 30, NOW + 89),
        ({"iat": NOW, "nbf": NOW + 10, "exp": NOW + 60}, NOW - 20, NOW + 89),
    ],
    ids=["iat and exp", "nbf"],
)
async def test_clocks_may_differ_by_the_leeway(
    keys: SigningKeys, issuer: Issuer, claims: dict[str, int], first: int, last: int
) -> None:
    token = issuer.token(**claims)
    for now in (first, last):
        verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, clock=lambda now=now: now)
        await verifier.verify(token)
    for now in (first - 1, last + 1):
        verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, clock=lambda now=now: now)
        with pytest.raises(TokenRefused):
            await verifier.verify(token)


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("header is not base64url", "The token's header is not base64url."),
        ("header is not JSON", "The token's header is not plain JSON."),
        ("claims are a list", "The token's payload is not a JSON object."),
        ("logout token", "The token's typ is not that of an access token (JWT or at+jwt)."),
        ("no client", "The token does not name its client (client_id or azp)."),
        ("no exp", "The token lacks the claims: exp."),
        ("another issuer", f"The token is not from {ISSUER}."),
        (
            "the issuer without its slash",
            f"The token's issuer differs from this server's by a slash at the end: it is not {ISSUER}.",
        ),
        (
            "our audience with a slash",
            f"The token's audience differs from this server's by a slash at the end: it is not {RESOURCE}.",
        ),
    ],
)
async def test_a_refusal_says_what_is_wrong(
    verifier: TokenVerifier, issuer: Issuer, name: str, description: str
) -> None:
    with pytest.raises(TokenRefused) as refused:
        await verifier.verify(HOSTILE[name][1](issuer))
    assert refused.value.description == description


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_part_may_have_any_length_and_end_in_any_byte(length: int) -> None:
    for last in range(256):
        raw = bytes([*range(length - 1), last])
        assert tokens._base64url(part(raw)) == raw


async def test_invented_headers_do_not_fill_the_memory(verifier: TokenVerifier) -> None:
    for number in range(200):
        header = part({"alg": "RS256", "typ": "JWT", "kid": f"invented-{number}"})
        with pytest.raises(TokenRefused, match="unknown_key"):
            await verifier.verify(f"{header}.{part({})}.AAAA")
    assert verifier._key_id.cache_info().currsize == 64
