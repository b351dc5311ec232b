"""Any token and any header value: a refusal with a reason, or what the token really grants. Never another error."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import jwt
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st

from gatehouse_example.app import example_server
from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier, VerifiedToken
from tests.server.hostile_tokens import part
from tests.server.protected_server import ORIGIN, message, protected
from tests.server.token_issuer import ISSUER, JWKS_URL, RESOURCE, Issuer
from tests.support.fuzzing import fuzz

TEXTS = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = ["iss", "sub", "aud", "exp", "iat", "nbf", "azp", "client_id", "scope", "permissions", "typ", "nonce", "jti"]
CLAIMS = st.dictionaries(
    st.sampled_from(NAMES) | TEXTS, JSON | st.sampled_from([ISSUER, RESOURCE, [RESOURCE], 0]), max_size=4
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid", "jku", "jwk", "crit", "b64", "zip"]) | TEXTS, JSON, max_size=3
)
PIECES = st.sampled_from(["Bearer", "bearer", "Basic", " ", "  ", "\t", ",", ".", "a.b.c", "=", "e30", "ÿ", "GOOD"])
VALUES = st.lists(
    PIECES | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=8), max_size=6
)


@dataclass(frozen=True)
class Running:
    """The example server behind the gate, and a verifier, in a thread with an event loop."""

    portal: BlockingPortal
    server: httpx2.AsyncClient
    verifier: TokenVerifier

    def verified(self, token: str) -> VerifiedToken | TokenRefused:
        try:
            return self.portal.call(self.verifier.verify, token)
        except TokenRefused as refused:
            return refused

    def answer(self, headers: list[tuple[bytes, bytes]], body: bytes) -> httpx2.Response:
        more = [(b"accept", b"application/json, text/event-stream"), (b"content-type", b"application/json")]
        return self.portal.call(partial(self.server.post, f"{ORIGIN}/mcp", headers=[*headers, *more], content=body))


@pytest.fixture(scope="module")
def issuer(_generated: Issuer) -> Issuer:
    return _generated


@pytest.fixture(scope="module")
def running(issuer: Issuer) -> Iterator[Running]:
    with start_blocking_portal() as portal:
        keys = SigningKeys(JWKS_URL, "RS256", http=httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle)))
        with portal.wrap_async_context_manager(protected(example_server(), issuer.handle)) as server:
            yield Running(portal, server, TokenVerifier(keys, issuer=ISSUER, audience=RESOURCE))
        portal.call(keys.aclose)


@fuzz(75)
@given(claims=CLAIMS, header=HEADERS)
def test_any_signed_token_is_refused_with_a_reason_or_means_what_it_says(
    running: Running, issuer: Issuer, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    good = json.loads(base64.urlsafe_b64decode(issuer.token().split(".")[1] + "=="))
    payload = {**good, **claims}
    try:
        token = issuer.signed(json.dumps(payload).encode(), {**header})
    except (TypeError, NotImplementedError, ValueError, jwt.PyJWTError):  # PyJWT cannot sign with such a header
        token = f"{part({'alg': 'RS256', 'kid': 'one', 'typ': 'JWT', **header})}.{part(payload)}.AAAA"
    verified = running.verified(token)
    if isinstance(verified, TokenRefused):
        assert verified.code.replace("_", "").isalpha()
        assert len(verified.description) < 300
    else:
        assert payload["iss"] == ISSUER
        assert payload["aud"] == RESOURCE or RESOURCE in payload["aud"]
        assert verified.subject == payload["sub"]


@fuzz(75)
@given(parts=st.lists(st.binary(max_size=40).map(part) | TEXTS, max_size=5))
def test_any_text_is_refused_as_a_token(running: Running, parts: list[str]) -> None:
    assert isinstance(running.verified(".".join(parts)), TokenRefused)


@fuzz(100)
@given(
    values=st.lists(VALUES, max_size=2),
    body=st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_headers_and_any_body_get_an_answer_of_the_gate(
    running: Running, issuer: Issuer, values: list[list[str]], body: bytes
) -> None:
    token = issuer.token()
    sent = [(b"authorization", "".join(value).replace("GOOD", token).encode("latin-1", "replace")) for value in values]
    answer = running.answer(sent, body)
    assert answer.status_code < 500, answer.text
    assert "x-request-id" in answer.headers
    if not any(value.strip(b" \t").lower().startswith(b"bearer ") and token.encode() in value for _, value in sent):
        assert answer.status_code in (400, 401), answer.text


def test_the_good_token_and_header_of_these_tests_are_accepted(running: Running, issuer: Issuer) -> None:
    assert not isinstance(running.verified(issuer.token()), TokenRefused)
    body = json.dumps(message("tools/list")).encode()
    assert running.answer([(b"authorization", f"Bearer {issuer.token()}".encode())], body).status_code == 200
