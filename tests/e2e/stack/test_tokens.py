"""Hostile tokens that the tenant's control API mints; the server refuses them."""

from __future__ import annotations

import time

import httpx2
import pytest

from tests.support.stack import Stack

HOUR = 3600


def _variants(issuer: str, audience: str) -> dict[str, dict[str, object]]:
    now = int(time.time())
    return {
        "expired": {"claims": {"iat": now - 2 * HOUR, "exp": now - HOUR}},
        "not yet valid": {"claims": {"nbf": now + HOUR}},
        "issued in the future": {"claims": {"iat": now + HOUR, "exp": now + 2 * HOUR}},
        "for another API": {"claims": {"aud": "https://api.example.com/"}},
        "for the API with a slash too many": {"claims": {"aud": f"{audience}/"}},
        "for userinfo only": {"claims": {"aud": f"{issuer}userinfo"}},
        "from another issuer": {"claims": {"iss": "https://evil.example.com/"}},
        "from the issuer without its slash": {"claims": {"iss": issuer.rstrip("/")}},
        "unsigned": {"key": "none"},
        "signed with another key": {"key": "foreign"},
        "signed with the public key as an HMAC secret": {"key": "hs256-public-key"},
        "without an expiry": {"claims": {"exp": None}},
        "without a subject": {"claims": {"sub": None}},
        "without an audience": {"claims": {"aud": None}},
        "naming an unknown key": {"header": {"kid": "nobody-published-this-key"}},
        "of another type": {"header": {"typ": "logout+jwt"}},
    }


@pytest.mark.parametrize("name", _variants("", ""))
def test_a_hostile_token_is_refused(stack: Stack, name: str) -> None:
    variant = _variants(stack.issuer, stack.audience)[name]
    refusal = stack.call(stack.mint(**variant))
    assert refusal.status_code == 401, refusal.text
    assert 'error="invalid_token"' in refusal.headers["WWW-Authenticate"]
    assert refusal.json()["error_description"]


def test_a_minted_token_without_a_variant_is_accepted(stack: Stack) -> None:
    answer = stack.call(stack.mint())
    assert answer.status_code == 200, answer.text


def test_a_token_signed_with_the_next_key_is_accepted(stack: Stack) -> None:
    assert stack.call(stack.mint(key="next")).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": ""},
        {"scope": None},
        {"scope": "access:mcpx other"},
        {"permissions": []},
        {"permissions": ["other"], "scope": "access:mcp"},
    ],
    ids=str,
)
def test_a_token_without_the_permission_gets_403_that_names_the_permission(
    stack: Stack, claims: dict[str, object]
) -> None:
    refusal = stack.call(stack.mint(claims=claims))
    assert refusal.status_code == 403, refusal.text
    challenge = refusal.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="access:mcp"' in challenge


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "a.b.c.d.e", "...", "e30.e30.e30", "ÿ", "x" * 20_000], ids=lambda t: t[:12]
)
def test_a_token_that_is_no_jwt_is_refused_without_a_server_error(stack: Stack, token: str) -> None:
    headers = [(b"Authorization", f"Bearer {token}".encode("latin-1"))]
    refusal = httpx2.post(stack.mcp_url, headers=headers, json={})
    assert refusal.status_code in (400, 401)


def test_two_authorization_headers_are_refused(stack: Stack) -> None:
    token = stack.mint()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert httpx2.post(stack.mcp_url, headers=headers, json={}).status_code == 400


def test_a_token_in_the_query_is_refused(stack: Stack) -> None:
    refusal = httpx2.post(f"{stack.mcp_url}?access_token={stack.mint()}", json={})
    assert refusal.status_code == 401
