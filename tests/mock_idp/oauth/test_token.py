from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.mock_idp.read_token import header_and_claims, verified_claims

API = "http://localhost:5555/mcp"
AGENT = ("GatehouseAgentDemoClient00000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1")
MACHINE = ("GatehouseMachineDemoClient000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2")


def api(**changes: Any) -> Any:
    return lambda file: file["resourceServers"][0].update(changes)


def machine_token(tenant: Any, **changes: Any) -> Any:
    return tenant.token(MACHINE, **{"grant_type": "client_credentials", "audience": API, **changes})


def test_alice_gets_the_permissions_of_her_role(tenant: Any) -> None:
    answer = tenant.tokens()
    claims = verified_claims(tenant, answer["access_token"])
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600 == claims["exp"] - claims["iat"]
    assert answer["scope"] == claims["scope"] == "openid profile email access:mcp"
    assert claims["permissions"] == ["access:mcp"]
    assert claims["sub"] == "auth0|65a11ce00000000000000001"
    assert claims["aud"] == [API, "http://localhost:9000/userinfo"]
    assert claims["iss"] == "http://localhost:9000/"
    assert "refresh_token" not in answer


def test_bob_gets_a_token_without_the_permission(tenant: Any) -> None:
    answer = tenant.tokens("bob@example.com", scope="access:mcp")
    claims = verified_claims(tenant, answer["access_token"])
    assert answer["scope"] == ""
    assert "scope" not in claims
    assert claims["permissions"] == []
    assert claims["aud"] == API


def test_token_answers_are_never_stored(tenant: Any) -> None:
    for response in (tenant.redeem(tenant.sign_in()["code"]), tenant.redeem("nonsense")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["pragma"] == "no-cache"


@pytest.mark.parametrize(
    ("dialect", "typ", "present", "absent"),
    [
        ("access_token", "JWT", {"azp"}, {"client_id", "jti", "permissions"}),
        ("access_token_authz", "JWT", {"azp", "permissions"}, {"client_id", "jti"}),
        ("rfc9068_profile", "at+jwt", {"client_id", "jti"}, {"azp", "gty", "permissions"}),
        ("rfc9068_profile_authz", "at+jwt", {"client_id", "jti", "permissions"}, {"azp", "gty"}),
    ],
)
def test_each_dialect_has_its_header_and_claims(
    start: Any, dialect: str, typ: str, present: set[str], absent: set[str]
) -> None:
    tenant = start(api(token_dialect=dialect))
    header, claims = header_and_claims(tenant.tokens()["access_token"])
    assert header["typ"] == typ
    assert header["kid"] == tenant.idp.keys.current.kid
    assert present <= claims.keys()
    assert not absent & claims.keys()


def test_without_rbac_any_scope_of_the_api_is_granted(start: Any) -> None:
    tenant = start(api(enforce_policies=False))
    claims = header_and_claims(tenant.tokens("bob@example.com", scope="access:mcp made:up")["access_token"])[1]
    assert claims["scope"] == "access:mcp"
    assert "permissions" not in claims


def test_the_permissions_claim_does_not_depend_on_the_requested_scope(tenant: Any) -> None:
    claims = header_and_claims(tenant.tokens(scope=None)["access_token"])[1]
    assert claims["permissions"] == ["access:mcp"]
    assert "scope" not in claims


def test_the_opaque_token_has_auth0s_header_and_works_at_userinfo(tenant: Any) -> None:
    token = tenant.tokens(audience=None, resource=None)["access_token"]
    segments = token.split(".")
    assert base64.urlsafe_b64decode(segments[0] + "==").decode() == (
        '{"alg":"dir","enc":"A256GCM","iss":"http://localhost:9000/"}'
    )
    assert len(segments) == 5
    assert segments[1] == ""
    response = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert response.json()["email"] == "alice@example.com"


def test_userinfo_accepts_a_jwt_with_its_audience_and_refuses_others(tenant: Any) -> None:
    with_openid = tenant.tokens()["access_token"]
    claims = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {with_openid}"}).json()
    assert claims["sub"] == "auth0|65a11ce00000000000000001"
    assert claims["name"] == "Alice Adams"
    without = tenant.browser().tokens(scope="access:mcp")["access_token"]
    for token in (without, "nonsense", "a.b.c", "a.b.c.d.e"):
        response = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401
        assert response.json()["error"] == "invalid_token"


def test_the_id_token_names_the_client_the_nonce_and_the_user(tenant: Any) -> None:
    claims = verified_claims(tenant, tenant.tokens(nonce="n-1")["id_token"])
    assert claims["aud"] == AGENT[0]
    assert claims["nonce"] == "n-1"
    assert claims["email"] == "alice@example.com"
    assert claims["exp"] - claims["iat"] == 36000


def test_there_is_no_id_token_without_openid(tenant: Any) -> None:
    assert "id_token" not in tenant.tokens(scope="access:mcp")


def test_a_code_can_be_used_once(tenant: Any) -> None:
    code = tenant.sign_in()["code"]
    assert tenant.redeem(code).status_code == 200
    again = tenant.redeem(code)
    assert again.status_code == 400
    assert again.json() == {"error": "invalid_grant", "error_description": "Invalid authorization code"}


def test_a_code_expires_after_sixty_seconds(tenant: Any) -> None:
    code = tenant.sign_in()["code"]
    tenant.idp.clock.shift(61)
    assert tenant.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"code_verifier": "w" * 43}, "Failed to verify code verifier"),
        ({"code_verifier": None}, "Failed to verify code verifier"),
        ({"code_verifier": "ü" * 43}, "Failed to verify code verifier"),
        ({"redirect_uri": "http://localhost:5000/other"}, "Invalid authorization code"),
        ({"redirect_uri": None}, "Invalid authorization code"),
    ],
)
def test_a_code_is_bound_to_its_verifier_and_callback(tenant: Any, changes: dict[str, Any], description: str) -> None:
    response = tenant.redeem(tenant.sign_in()["code"], **changes)
    assert response.status_code == 400
    assert response.json() == {"error": "invalid_grant", "error_description": description}


def test_a_verifier_does_not_make_a_code_of_a_request_without_pkce_safe(tenant: Any) -> None:
    without = {"code_challenge": None, "code_challenge_method": None}
    refused = tenant.redeem(tenant.sign_in(**without)["code"])
    assert refused.status_code == 400
    assert refused.json() == {"error": "invalid_grant", "error_description": "Failed to verify code verifier"}


def test_plain_pkce_works(tenant: Any) -> None:
    code = tenant.sign_in(code_challenge="p" * 43, code_challenge_method=None)["code"]
    assert tenant.redeem(code, code_verifier="p" * 43).status_code == 200


def test_a_code_is_bound_to_its_client(start: Any) -> None:
    tenant = start(lambda file: file["clients"][1]["grant_types"].append("authorization_code"))
    assert tenant.redeem(tenant.sign_in()["code"], client=MACHINE).json()["error"] == "invalid_grant"


def test_offline_access_gives_a_refresh_token_that_gives_new_tokens(tenant: Any) -> None:
    first = tenant.tokens(scope="openid access:mcp offline_access")
    again = tenant.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.status_code == 200
    claims = verified_claims(tenant, again.json()["access_token"])
    assert claims["scope"] == "openid access:mcp offline_access"
    narrower = tenant.token(grant_type="refresh_token", refresh_token=first["refresh_token"], scope="access:mcp")
    assert narrower.json()["scope"] == "access:mcp"


def test_a_refreshed_token_follows_the_users_roles(tenant: Any) -> None:
    first = tenant.tokens(scope="access:mcp offline_access")
    tenant.idp.tenant.roles.clear()
    again = tenant.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert again["scope"] == "offline_access"


def test_no_refresh_token_when_the_api_does_not_allow_it(start: Any) -> None:
    tenant = start(api(allow_offline_access=False))
    assert "refresh_token" not in tenant.tokens(scope="access:mcp offline_access")


def test_an_unknown_refresh_token_and_one_of_another_client_are_refused(start: Any) -> None:
    tenant = start(lambda file: file["clients"][1]["grant_types"].append("refresh_token"))
    token = tenant.tokens(scope="access:mcp offline_access")["refresh_token"]
    expected = {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
    for client, value in ((AGENT, "v1.none"), (MACHINE, token)):
        response = tenant.token(client, grant_type="refresh_token", refresh_token=value)
        assert response.status_code == 400
        assert response.json() == expected


def test_a_machine_gets_a_token_for_itself(tenant: Any) -> None:
    answer = machine_token(tenant).json()
    claims = verified_claims(tenant, answer["access_token"])
    assert claims["sub"] == f"{MACHINE[0]}@clients"
    assert claims["scope"] == answer["scope"] == "access:mcp"
    assert claims["aud"] == API
    assert "refresh_token" not in answer


def test_gty_is_in_auth0s_own_dialects(start: Any) -> None:
    tenant = start(api(token_dialect="access_token"))
    assert header_and_claims(machine_token(tenant).json()["access_token"])[1]["gty"] == "client-credentials"


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"audience": None}, "access_denied", "Non-global clients are not allowed access to APIv1"),
        ({"audience": "http://nowhere/"}, "access_denied", "Service not enabled within domain: http://nowhere/"),
        ({"scope": "x"}, "access_denied", "Client has not been granted scopes: x"),
    ],
)
def test_a_machine_is_refused_outside_its_grant(
    tenant: Any, changes: dict[str, Any], error: str, description: str
) -> None:
    response = machine_token(tenant, **changes)
    assert response.status_code == 403
    assert response.json() == {"error": error, "error_description": description}


def test_a_machine_without_a_client_grant_is_refused_with_the_reason(start: Any) -> None:
    tenant = start(lambda file: file.update(clientGrants=[]))
    response = machine_token(tenant)
    assert response.status_code == 403
    assert response.json()["error_description"] == (
        f'Client is not authorized to access "{API}". You need to create a "client-grant" associated to this API.'
    )


UNAVAILABLE = [
    "http://auth0.com/oauth/grant-type/passwordless/otp",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-otp",
    "http://auth0.com/oauth/grant-type/mfa-recovery-code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:openid:params:grant-type:ciba",
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
    "urn:okta:params:oauth:grant-type:webauthn",
]


@pytest.mark.parametrize("grant_type", ["client_credentials", *UNAVAILABLE])
def test_a_grant_of_auth0_that_the_client_lacks_is_refused_as_by_auth0(tenant: Any, grant_type: str) -> None:
    response = tenant.token(AGENT, grant_type=grant_type, audience=API)
    assert response.status_code == 403
    assert response.json() == {
        "error": "unauthorized_client",
        "error_description": f"Grant type '{grant_type}' not allowed for the client.",
        "error_uri": "https://auth0.com/docs/clients/client-grant-types",
    }


@pytest.mark.parametrize("grant_type", UNAVAILABLE)
def test_a_grant_that_the_client_has_and_the_offline_tenant_lacks_is_refused_in_its_own_words(
    start: Any, grant_type: str
) -> None:
    tenant = start(lambda file: file["clients"][0]["grant_types"].append(grant_type))
    response = tenant.token(AGENT, grant_type=grant_type)
    assert response.status_code == 400
    assert response.json()["error"] == "unsupported_grant_type"
    assert response.json()["error_description"].startswith(
        f"The offline tenant does not have the grant type {grant_type},"
    )


def test_a_proof_of_possession_is_refused_and_never_ignored(tenant: Any) -> None:
    form = {"grant_type": "client_credentials", "audience": API}
    for proof in ("junk", "e30.e30.x"):
        response = tenant.http.post("/oauth/token", data=form, auth=MACHINE, headers={"DPoP": proof})
        assert response.status_code == 400
        assert response.json()["error"] == "invalid_request"
        assert "does not have DPoP" in response.json()["error_description"]


def test_an_unknown_or_missing_grant_type_is_named(tenant: Any) -> None:
    for unknown in ("barter", "implicit"):
        response = tenant.token(AGENT, grant_type=unknown)
        assert response.status_code == 400
        assert response.json()["error"] == "unsupported_grant_type"
    missing = tenant.token(AGENT)
    assert missing.status_code == 400
    assert missing.json()["error_description"] == "Missing required parameter: grant_type"


def test_a_wrong_secret_is_unauthorized(tenant: Any) -> None:
    for client in ((AGENT[0], "wrong"), ("nobody", "x"), (AGENT[0], None)):
        response = tenant.token(client, grant_type="refresh_token", refresh_token="x")
        assert response.status_code == 401
        assert response.json() == {"error": "access_denied", "error_description": "Unauthorized"}
        assert response.headers["www-authenticate"].startswith("Basic")


def test_a_secret_may_come_in_the_header_or_the_body_unless_a_switch_says_otherwise(start: Any) -> None:
    def basic(file: dict[str, Any]) -> None:
        file["clients"][1]["token_endpoint_auth_method"] = "client_secret_basic"

    def strict(file: dict[str, Any]) -> None:
        file["behaviours"] = {"any_client_secret_method": False}

    form = {"grant_type": "client_credentials", "audience": API}
    assert start().http.post("/oauth/token", data=form, auth=MACHINE).status_code == 200
    assert start(offline=strict).http.post("/oauth/token", data=form, auth=MACHINE).status_code == 401
    assert start(basic, strict).http.post("/oauth/token", data=form, auth=MACHINE).status_code == 200


def test_a_secret_in_the_header_must_be_right(tenant: Any) -> None:
    form = {"grant_type": "client_credentials", "audience": API}
    assert tenant.http.post("/oauth/token", data=form, auth=(MACHINE[0], "wrong")).status_code == 401
    for header in ("Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic /w=="):
        assert tenant.http.post("/oauth/token", data=form, headers={"Authorization": header}).status_code in (400, 401)
    twice = {**form, "client_id": MACHINE[0], "client_secret": MACHINE[1]}
    assert tenant.http.post("/oauth/token", data=twice, auth=MACHINE).status_code == 400
    other = {**form, "client_id": AGENT[0]}
    assert tenant.http.post("/oauth/token", data=other, auth=MACHINE).status_code == 400


def test_the_token_endpoint_takes_json(tenant: Any) -> None:
    body = {"client_id": MACHINE[0], "client_secret": MACHINE[1], "grant_type": "client_credentials", "audience": API}
    assert tenant.http.post("/oauth/token", json=body).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 60000, "application/json"),
        (b'{"grant_type": {"a": 1}}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"", "text/plain"),
    ],
)
def test_a_malformed_body_is_an_invalid_request(tenant: Any, content: bytes, content_type: str) -> None:
    response = tenant.http.post("/oauth/token", content=content, headers={"Content-Type": content_type})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


def test_a_huge_body_is_refused(tenant: Any) -> None:
    assert tenant.http.post("/oauth/token", content=b"a" * 100_000).status_code == 413


def test_behaviours_that_are_guesses_can_be_switched(start: Any) -> None:
    switches = {
        "answers": {
            "invalid_grant": {"status": 403},
            "client_authentication": {"error": "invalid_client", "description": "Client authentication failed"},
        }
    }
    tenant = start(offline=lambda file: file.update(behaviours=switches))
    assert tenant.redeem("nonsense").status_code == 403
    assert tenant.redeem("x", client=(AGENT[0], "wrong")).json()["error"] == "invalid_client"
