from __future__ import annotations

from typing import Any

import pytest
from joserfc.errors import JoseError

from tests.mock_idp.read_token import header_and_claims, verified_claims


def mint(tenant: Any, **body: Any) -> str:
    response = tenant.http.post("/__mock__/tokens", json=body)
    assert response.status_code == 200, response.text
    token: str = response.json()["token"]
    return token


def test_the_control_api_is_off_by_default(start: Any) -> None:
    tenant = start(control=False)
    for method, path in (("POST", "/__mock__/tokens"), ("DELETE", "/__mock__/clock"), ("GET", "/__mock__/x")):
        assert tenant.http.request(method, path).status_code == 404


def test_other_machines_need_the_token(start: Any) -> None:
    away = ("192.0.2.1", 1)
    assert start(peer=away).http.post("/__mock__/reset").status_code == 403
    tenant = start(peer=away, control_token="open-sesame")
    assert tenant.http.post("/__mock__/reset").status_code == 401
    headers = {"Authorization": "Bearer open-sesame"}
    assert tenant.http.post("/__mock__/reset", headers=headers).status_code == 204


def test_a_configured_token_is_also_required_from_this_machine(start: Any) -> None:
    assert start(control_token="open-sesame").http.post("/__mock__/reset").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "192.0.2.1"},
        {"CF-Connecting-IP": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
    ],
)
def test_a_web_page_in_a_browser_on_this_machine_is_refused(tenant: Any, headers: dict[str, str]) -> None:
    assert tenant.http.post("/__mock__/reset", headers=headers).status_code == 403


def test_a_minted_token_is_valid_and_for_alice_by_default(tenant: Any) -> None:
    claims = verified_claims(tenant, mint(tenant))
    assert claims["sub"] == "auth0|65a11ce00000000000000001"
    assert claims["aud"] == "http://localhost:5555/mcp"
    assert claims["scope"] == "access:mcp"
    assert claims["permissions"] == ["access:mcp"]


def test_a_token_can_be_minted_for_bob(tenant: Any) -> None:
    claims = verified_claims(tenant, mint(tenant, user="bob@example.com"))
    assert claims["sub"] == "auth0|65b0b0000000000000000002"
    assert claims["permissions"] == []


def test_claims_and_header_can_be_changed_and_removed(tenant: Any) -> None:
    token = mint(
        tenant, claims={"iss": "http://evil/", "exp": None, "pad": "x" * 1000}, header={"kid": "?", "typ": None}
    )
    header, claims = header_and_claims(token)
    assert header == {"alg": "RS256", "kid": "?"}
    assert claims["iss"] == "http://evil/"
    assert "exp" not in claims


def test_the_next_key_is_already_published(tenant: Any) -> None:
    token = mint(tenant, key="next")
    assert header_and_claims(token)[0]["kid"] == tenant.idp.keys.next.kid
    assert verified_claims(tenant, token)


@pytest.mark.parametrize(("key", "alg"), [("foreign", "RS256"), ("none", "none"), ("hs256-public-key", "HS256")])
def test_invalid_tokens_do_not_verify(tenant: Any, key: str, alg: str) -> None:
    token = mint(tenant, key=key)
    assert header_and_claims(token)[0]["alg"] == alg
    with pytest.raises((JoseError, ValueError)):
        verified_claims(tenant, token)


@pytest.mark.parametrize(
    "body",
    [
        {"key": "golden"},
        {"user": "nobody@example.com"},
        {"user": 1},
        {"claim": {}},
        {"claims": []},
    ],
)
def test_a_wrong_body_is_refused_with_a_message(tenant: Any, body: dict[str, Any]) -> None:
    response = tenant.http.post("/__mock__/tokens", json=body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 60000, b"\xff"])
def test_a_body_that_is_not_an_object_is_refused(tenant: Any, content: bytes) -> None:
    response = tenant.http.post("/__mock__/clock", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert tenant.http.post("/__mock__/clock", content=content).status_code == 400


def test_the_clock_can_be_moved_and_reset(tenant: Any) -> None:
    assert tenant.http.post("/__mock__/clock", json={"freeze_at": 1_000_000}).json()["now"] == 1_000_000
    assert header_and_claims(mint(tenant))[1]["iat"] == 1_000_000
    tenant.http.post("/__mock__/clock", json={"offset_seconds": -7200})
    past = header_and_claims(mint(tenant))[1]["iat"]
    tenant.http.delete("/__mock__/clock")
    assert header_and_claims(mint(tenant))[1]["iat"] - past >= 7200


@pytest.mark.parametrize("body", [{}, {"offset_seconds": 1, "freeze_at": 1}, {"offset_seconds": 1e300}])
def test_a_wrong_clock_setting_is_refused(tenant: Any, body: dict[str, Any]) -> None:
    assert tenant.http.post("/__mock__/clock", json=body).status_code == 400


def test_a_reset_ends_sessions_and_resets_the_clock(tenant: Any) -> None:
    tenant.sign_in()
    tenant.http.post("/__mock__/clock", json={"offset_seconds": 99999})
    assert tenant.http.post("/__mock__/reset").status_code == 204
    assert tenant.authorize().headers["location"].startswith("/u/login")
    assert tenant.idp.clock.setting == (0.0, None, 0.0)
