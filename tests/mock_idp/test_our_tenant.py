"""The tenant that this project ships in auth0/: what an MCP client meets in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

AUTH0 = Path(__file__).parents[2] / "auth0"
API = "http://localhost:5555/mcp"
INSPECTOR = "http://localhost:6274/oauth/callback"
VERIFIER = "v" * 43
PASSWORDS = {"alice@example.com": "Wonderland-1", "bob@example.com": "Builder-2"}


@pytest.fixture
def tenant(start_offline_tenant: Callable[..., Any]) -> Any:
    return start_offline_tenant(AUTH0 / "tenant.yaml", AUTH0 / "offline.yaml")


def sign_in(tenant: Any, client_id: str, email: str = "alice@example.com") -> dict[str, Any]:
    """As an MCP client does: `resource` and no `audience`, PKCE, no secret."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": INSPECTOR,
        "scope": "access:mcp offline_access",
        "resource": API,
        "code_challenge": VERIFIER,
    }
    answers = {"username": email, "password": PASSWORDS[email]}
    with httpx2.Client() as browser:
        response = browser.get(f"{tenant.issuer}authorize", params=asked)
        for _ in range(12):
            location = response.headers.get("location", "")
            if location.startswith(INSPECTOR):
                break
            if location:
                response = browser.get(urljoin(str(response.url), location))
                continue
            state = re.search(r'name="state" value="([^"]+)"', response.text)
            action = re.search(r'id="action" name="action" value="([^"]+)"', response.text)
            assert state is not None, response.text
            assert action is not None
            response = browser.post(response.url, data={"state": state[1], "action": action[1], **answers})
        returned = parse_qs(urlsplit(location).query)
        assert returned["iss"] == [tenant.issuer]
        form = {"grant_type": "authorization_code", "code": returned["code"][0], "redirect_uri": INSPECTOR}
        form |= {"client_id": client_id, "code_verifier": VERIFIER, "resource": API}
        answer: dict[str, Any] = browser.post(f"{tenant.issuer}oauth/token", data=form).json()
        return answer


def test_a_client_that_registers_itself_signs_in(tenant: Any) -> None:
    metadata = {"redirect_uris": [INSPECTOR], "token_endpoint_auth_method": "none", "client_name": "Inspector"}
    client_id = httpx2.post(f"{tenant.issuer}oidc/register", json=metadata).json()["client_id"]
    answer = sign_in(tenant, client_id)
    assert answer["scope"] == "access:mcp offline_access"
    assert "refresh_token" in answer


def test_the_preregistered_inspector_signs_in_and_bob_gets_no_permission(tenant: Any) -> None:
    client_id = "tpc_GatehouseInspectorDemoClient00000"
    assert sign_in(tenant, client_id)["scope"] == "access:mcp offline_access"
    assert sign_in(tenant, client_id, "bob@example.com")["scope"] == "offline_access"


def test_discovery_tells_mcp_clients_what_they_look_for(tenant: Any) -> None:
    document = httpx2.get(f"{tenant.issuer}.well-known/oauth-authorization-server").json()
    assert document["issuer"] == tenant.issuer
    assert "S256" in document["code_challenge_methods_supported"]
    assert document["client_id_metadata_document_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "registration_endpoint" in document
