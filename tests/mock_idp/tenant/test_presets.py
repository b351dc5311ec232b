"""Each preset misconfiguration, and its effect for the client and the person."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

API = "http://localhost:5555/mcp"
INSPECTOR = "http://localhost:6274/oauth/callback"


def ready(file: dict[str, Any]) -> None:
    """A tenant that is ready for MCP clients, so that each test has exactly one mistake."""
    file["tenant"]["flags"] = {"enable_dynamic_client_registration": True}
    file["databases"][0]["is_domain_connection"] = True
    grant = {"default_for": "third_party_clients", "audience": API, "subject_type": "user", "scope": ["access:mcp"]}
    file["clientGrants"] = [g for g in file["clientGrants"] if "default_for" not in g] + [grant]


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(ready)


def apply(tenant: Any, preset: str) -> None:
    assert tenant.http.post(f"/__mock__/presets/{preset}").status_code == 204


def register(tenant: Any) -> Any:
    return tenant.http.post("/oidc/register", json={"redirect_uris": [INSPECTOR], "token_endpoint_auth_method": "none"})


def as_mcp_client(tenant: Any, client_id: str) -> Any:
    return tenant.authorize(
        client_id=client_id, redirect_uri=INSPECTOR, scope="access:mcp", audience=None, resource=API
    )


def test_without_a_preset_a_registered_mcp_client_gets_a_token(tenant: Any) -> None:
    client_id = register(tenant).json()["client_id"]
    asked = {"client_id": client_id, "redirect_uri": INSPECTOR, "scope": "access:mcp", "audience": None}
    code = tenant.sign_in(**asked, resource=API)["code"]
    token = tenant.redeem(code, client=(client_id, None), redirect_uri=INSPECTOR).json()
    assert token["scope"] == "access:mcp"


@pytest.mark.parametrize("preset", ["opaque-token", "resource-profile-off"])
def test_an_access_token_that_no_server_can_read(tenant: Any, preset: str) -> None:
    apply(tenant, preset)
    token = tenant.tokens(audience=None, resource=API, scope="openid access:mcp")["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header == {"alg": "dir", "enc": "A256GCM", "iss": "http://localhost:9000/"}
    assert tenant.browser().tokens(audience=API)["access_token"].count(".") == 2


def test_a_default_audience_that_is_another_api(tenant: Any) -> None:
    apply(tenant, "default-audience")
    token = tenant.tokens(audience=None, resource=API, scope="access:mcp")["access_token"]
    assert tenant.claims(token)["aud"] == "https://other.example/api"


def test_a_trailing_slash_between_the_api_and_the_server(tenant: Any) -> None:
    apply(tenant, "slash-mismatch")
    answer = tenant.callback_parameters(tenant.authorize())
    assert (answer["error"], answer["error_description"]) == ("access_denied", f"Service not found: {API}")
    page = as_mcp_client(tenant, register(tenant).json()["client_id"])
    assert page.status_code == 403
    assert "the slash at the end" in page.text


def test_no_connection_that_third_party_clients_can_use(tenant: Any) -> None:
    apply(tenant, "no-domain-connection")
    page = as_mcp_client(tenant, register(tenant).json()["client_id"])
    assert page.status_code == 400
    assert "no connections enabled for the client" in page.text
    assert "is_domain_connection" in page.text


def test_no_client_grant(tenant: Any) -> None:
    apply(tenant, "no-client-grant")
    answer = tenant.callback_parameters(tenant.authorize())
    assert answer["error"] == "invalid_request"
    assert answer["error_description"] == f'Client is not authorized to access resource server "{API}"'
    page = as_mcp_client(tenant, register(tenant).json()["client_id"])
    assert "default_for: third_party_clients" in page.text
    machine = tenant.token(tenant.machine, grant_type="client_credentials", audience=API)
    assert machine.status_code == 403


def test_dynamic_registration_is_off_though_it_is_advertised(tenant: Any) -> None:
    apply(tenant, "dcr-off")
    assert "registration_endpoint" in tenant.http.get("/.well-known/openid-configuration").json()
    assert register(tenant).status_code == 403


def test_a_user_without_a_role(tenant: Any) -> None:
    apply(tenant, "role-missing")
    claims = tenant.claims(tenant.tokens(scope="access:mcp")["access_token"])
    assert claims["permissions"] == []
    assert "scope" not in claims


def test_an_api_that_signs_with_a_secret(tenant: Any) -> None:
    apply(tenant, "hs256-api")
    token = tenant.tokens()["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header == {"alg": "HS256", "typ": "at+jwt"}
    userinfo = tenant.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert userinfo.json()["email"] == "alice@example.com"
