"""Hostile and malformed tokens, each refused with its code."""

from __future__ import annotations

from typing import Any

import pytest

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from tests.server.hostile_tokens import HOSTILE, NOW
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


async def test_clocks_may_differ_by_the_leeway(keys: SigningKeys, issuer: Issuer) -> None:
    token = issuer.token(iat=NOW, exp=NOW + 60)
    for now in (NOW - 29, NOW + 89):
        verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=30, clock=lambda now=now: now)
        await verifier.verify(token)
    for now in (NOW - 31, NOW + 91):
        verifier = TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE, leeway=30, clock=lambda now=now: now)
        with pytest.raises(TokenRefused):
            await verifier.verify(token)
