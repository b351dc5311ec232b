"""The authorization request and its answer."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from gatehouse_client.errors import SignInDenied, SignInError
from gatehouse_client.signin.protocol.authorization import AuthorizationRequest, UnexpectedCallback, pkce_challenge
from gatehouse_client.signin.protocol.challenge import Challenge
from gatehouse_client.signin.protocol.discovery import AuthorizationServer, ProtectedResource
from gatehouse_client.signin.provider import select_scope

ISSUER = "https://tenant.example/"


def server(**more: object) -> AuthorizationServer:
    document = {
        "issuer": ISSUER,
        "authorization_endpoint": "https://tenant.example/authorize",
        "token_endpoint": "https://tenant.example/oauth/token",
        **more,
    }
    return AuthorizationServer.model_validate(document)


def request(**more: object) -> AuthorizationRequest:
    return AuthorizationRequest(
        server(**more),
        client_id="id",
        redirect_uri="http://localhost:5000/callback",
        target={"resource": "https://mcp.example/mcp", "audience": "urn:api", "scope": "a b"},
    )


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    assert (
        pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_the_url_has_everything_once() -> None:
    asked = request()
    pairs = parse_qsl(urlsplit(asked.url).query)
    assert dict(pairs) == {
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "http://localhost:5000/callback",
        "scope": "a b",
        "resource": "https://mcp.example/mcp",
        "audience": "urn:api",
        "state": asked.state,
        "code_challenge": pkce_challenge(asked.verifier),
        "code_challenge_method": "S256",
    }
    assert len(pairs) == 9


def test_a_query_of_the_endpoint_is_kept_but_cannot_replace_ours() -> None:
    asked = request(authorization_endpoint="https://tenant.example/authorize?tenant=7&client_id=evil#x")
    url = urlsplit(asked.url)
    assert ("tenant", "7") in parse_qsl(url.query)
    assert [value for name, value in parse_qsl(url.query) if name == "client_id"] == ["id"]
    assert url.fragment == ""


def test_each_request_has_its_own_secrets_and_they_are_not_in_its_repr() -> None:
    one, other = request(), request()
    assert one.state != other.state
    assert one.verifier != other.verifier
    assert 43 <= len(one.verifier) <= 128
    assert one.state not in repr(one)
    assert one.verifier not in repr(one)


def test_a_code_with_our_state_is_taken() -> None:
    asked = request()
    assert asked.code_in([("code", "c"), ("state", asked.state)]) == "c"
    assert asked.code_in([("code", "c"), ("state", asked.state), ("iss", ISSUER)]) == "c"


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [("code", "c")],
        [("code", "c"), ("state", "wrong")],
        [("code", "c"), ("state", "ünwise")],
        [("error", "access_denied"), ("state", "wrong")],
    ],
)
def test_an_answer_without_our_state_is_stray(answer: list[tuple[str, str]]) -> None:
    with pytest.raises(UnexpectedCallback):
        request().code_in(answer)


def test_a_parameter_that_comes_twice_is_stray() -> None:
    asked = request()
    with pytest.raises(UnexpectedCallback):
        asked.code_in([("code", "c"), ("code", "d"), ("state", asked.state)])


@pytest.mark.parametrize("iss", ["https://tenant.example", "https://evil.example/", ""])
def test_an_answer_of_another_issuer_says_nothing(iss: str) -> None:
    asked = request()
    for outcome in (("code", "c"), ("error_description", "evil words")):
        with pytest.raises(SignInError, match="is not used") as raised:
            asked.code_in([outcome, ("error", "x"), ("state", asked.state), ("iss", iss)])
        assert "evil words" not in str(raised.value)
        assert not isinstance(raised.value, SignInDenied)


def test_a_promised_issuer_must_be_there() -> None:
    asked = request(authorization_response_iss_parameter_supported=True)
    with pytest.raises(SignInError, match="does not name its issuer"):
        asked.code_in([("code", "c"), ("state", asked.state)])
    assert asked.code_in([("code", "c"), ("state", asked.state), ("iss", ISSUER)]) == "c"


def test_errors_are_told_in_one_line_without_control_characters() -> None:
    asked = request()
    with pytest.raises(SignInDenied, match=r"\(access_denied: no, thanks\)"):
        asked.code_in(
            [
                ("error", "access_denied"),
                ("error_description", "no,\x1b\x00\r\n thanks"),
                ("state", asked.state),
            ]
        )
    with pytest.raises(SignInError, match="without a code"):
        asked.code_in([("state", asked.state)])


@pytest.mark.parametrize(
    ("challenge", "supported", "tenant", "configured", "held", "scope"),
    [
        ("a b", ["c"], [], (), (), "a b"),
        (None, ["c", "openid"], [], (), (), "c"),
        (None, None, ["openid", "profile"], (), (), None),
        ("a", None, ["openid", "offline_access"], (), (), "a offline_access"),
        (None, None, ["offline_access"], (), (), "offline_access"),
        ("a", None, [], ("openid", "a"), (), "a openid"),
        ("openid", None, [], (), (), "openid"),
        ("b", None, [], (), ("a",), "a b"),
    ],
)
def test_the_scope_is_what_is_asked_for_and_never_all_that_the_tenant_has(
    challenge: str | None,
    supported: list[str] | None,
    tenant: list[str],
    configured: tuple[str, ...],
    held: tuple[str, ...],
    scope: str | None,
) -> None:
    resource = ProtectedResource(
        resource="https://x/", authorization_servers=(ISSUER,), scopes_supported=tuple(supported) if supported else None
    )
    asked = Challenge("bearer", {"scope": challenge}) if challenge else None
    issuer = server(scopes_supported=tenant)
    assert select_scope(asked, resource, issuer, held=held, configured=configured) == scope
