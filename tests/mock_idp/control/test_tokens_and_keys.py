from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

VARIANTS = (
    *("expired", "not-yet-valid", "issued-in-the-future", "foreign-issuer", "foreign-audience", "wrong-key"),
    *("unknown-kid", "no-kid", "alg-none", "hs256-public-key", "id-token-type", "no-subject", "no-expiry", "huge"),
)


def mint(tenant: Any, **body: Any) -> str:
    response = tenant.http.post("/__mock__/tokens", json=body)
    assert response.status_code == 200, response.text
    token: str = response.json()["token"]
    return token


def keys_of(tenant: Any) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = tenant.http.get("/__mock__/keys").json()["keys"]
    return keys


def published(tenant: Any) -> list[str]:
    return [key["kid"] for key in tenant.http.get("/.well-known/jwks.json").json()["keys"]]


def verifies(tenant: Any, token: str) -> bool:
    try:
        jwt.decode(token, KeySet.import_key_set(tenant.http.get("/.well-known/jwks.json").json()), algorithms=["RS256"])
    except (JoseError, ValueError):
        return False
    return True


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_minted(tenant: Any, variant: str) -> None:
    token = mint(tenant, variant=variant)
    broken_signature = {"wrong-key", "unknown-kid", "alg-none", "hs256-public-key"}
    if variant not in {*broken_signature, "no-kid", "huge"}:
        assert verifies(tenant, token)
    if variant in broken_signature:
        assert not verifies(tenant, token)


def test_each_variant_has_the_defect_of_its_name(tenant: Any) -> None:
    good = tenant.claims(mint(tenant))
    assert tenant.claims(mint(tenant, variant="expired"))["exp"] < good["iat"]
    assert tenant.claims(mint(tenant, variant="not-yet-valid"))["nbf"] > good["iat"]
    assert tenant.claims(mint(tenant, variant="foreign-issuer"))["iss"] != good["iss"]
    assert tenant.claims(mint(tenant, variant="foreign-audience"))["aud"] != good["aud"]
    assert "sub" not in tenant.claims(mint(tenant, variant="no-subject"))
    assert len(mint(tenant, variant="huge")) > 100_000


def test_scope_and_client_can_be_chosen(tenant: Any) -> None:
    claims = tenant.claims(mint(tenant, scope="anything at:all", client_id=tenant.machine[0]))
    assert claims["scope"] == "anything at:all"
    assert claims["client_id"] == tenant.machine[0]
    for body in ({"client_id": "nobody"}, {"audience": "http://nowhere/"}, {"variant": "odd"}):
        assert tenant.http.post("/__mock__/tokens", json=body).status_code == 400


def test_a_rotation_keeps_the_previous_key_until_its_revocation(tenant: Any) -> None:
    before = mint(tenant)
    current, following = (key["kid"] for key in keys_of(tenant))
    assert tenant.http.post("/__mock__/keys/rotate").status_code == 200
    assert [key["state"] for key in keys_of(tenant)] == ["current", "next", "previous"]
    assert published(tenant)[0] == following
    assert verifies(tenant, before)
    assert verifies(tenant, mint(tenant))
    assert tenant.http.post(f"/__mock__/keys/{current}/revoke").status_code == 200
    assert not verifies(tenant, before)


def test_only_previous_keys_can_be_revoked(tenant: Any) -> None:
    kid = keys_of(tenant)[0]["kid"]
    assert tenant.http.post(f"/__mock__/keys/{kid}/revoke").status_code == 400
    assert tenant.http.post("/__mock__/keys/none/revoke").status_code == 404


def test_a_new_key_can_be_withheld_from_the_jwks_and_published_later(tenant: Any) -> None:
    tenant.http.post("/__mock__/keys/rotate", json={"publish": False})
    kid = keys_of(tenant)[0]["kid"]
    token = tenant.tokens()["access_token"]
    assert kid not in published(tenant)
    assert not verifies(tenant, token)
    tenant.http.post(f"/__mock__/keys/{kid}/withhold", json={"withheld": False})
    assert verifies(tenant, token)
    assert tenant.http.post("/__mock__/keys/none/withhold").status_code == 404


def test_the_tenant_itself_accepts_a_withheld_key(tenant: Any) -> None:
    tenant.http.post("/__mock__/keys/rotate", json={"publish": False})
    token = tenant.tokens()["access_token"]
    assert tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_clock_can_be_advanced_and_skewed(tenant: Any) -> None:
    tenant.http.post("/__mock__/clock", json={"freeze_at": 1_000_000})
    tenant.http.post("/__mock__/clock", json={"advance_seconds": 500})
    assert tenant.http.get("/__mock__/clock").json()["now"] == 1_000_500
    tenant.http.post("/__mock__/clock", json={"skew_seconds": -60})
    claims = tenant.claims(mint(tenant))
    assert claims["iat"] == 1_000_440
    assert tenant.idp.clock.now() == 1_000_500


def test_the_clock_stays_within_the_range_of_dates(tenant: Any) -> None:
    far = {"freeze_at": 31_535_999_999}
    assert tenant.http.post("/__mock__/clock", json=far).status_code == 200
    assert tenant.http.post("/__mock__/clock", json={"advance_seconds": 31_000_000_000}).status_code == 400
    assert tenant.http.get("/userinfo").status_code == 401
    assert tenant.tokens()["access_token"]


def test_a_sign_in_without_a_page_gets_the_whole_answer(tenant: Any) -> None:
    answer = tenant.http.post("/__mock__/sign-ins", json={"nonce": "n-1"}).json()
    assert set(answer) == {"access_token", "id_token", "refresh_token", "scope", "expires_in", "token_type"}
    claims = tenant.claims(answer["id_token"])
    assert (claims["nonce"], claims["sub"]) == ("n-1", tenant.claims(answer["access_token"])["sub"])
    renewed = tenant.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert renewed.json()["scope"] == answer["scope"]


def test_a_sign_in_without_a_page_has_only_what_the_user_may_have(tenant: Any) -> None:
    body = {"user": "bob@example.com", "scope": "openid access:mcp"}
    assert tenant.http.post("/__mock__/sign-ins", json=body).json()["scope"] == "openid"
    refused = tenant.http.post("/__mock__/sign-ins", json={"user": "nobody@example.com"})
    assert (refused.status_code, refused.json()["error"]) == (400, "user: no such user in the tenant.")
