"""The tenant in auth0/, used by MCP clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.scripted_browser import callback_parameters

AUTH0 = Path(__file__).parents[3] / "auth0"
API = "http://localhost:5555/mcp"
INSPECTOR = "http://localhost:6274/oauth/callback"
VERIFIER = "v" * 43


@pytest.fixture
def tenant(start_offline_tenant: Callable[..., Any]) -> Any:
    return start_offline_tenant(AUTH0 / "tenant.yaml", AUTH0 / "offline.yaml")


def sign_in(tenant: Any, client_id: str, email: str = "alice@example.com") -> dict[str, Any]:
    """Sign in as an MCP client does: with `resource`, without `audience`, with PKCE, without a secret."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": INSPECTOR,
        "scope": "access:mcp offline_access",
        "resource": API,
        "code_challenge": VERIFIER,
    }
    returned = callback_parameters(str(httpx2.URL(f"{tenant.issuer}authorize", params=asked)), email)
    assert returned["iss"] == tenant.issuer
    form = {"grant_type": "authorization_code", "code": returned["code"], "redirect_uri": INSPECTOR}
    form |= {"client_id": client_id, "code_verifier": VERIFIER, "resource": API}
    answer: dict[str, Any] = httpx2.post(f"{tenant.issuer}oauth/token", data=form).json()
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


def test_discovery_has_the_members_that_mcp_clients_need(tenant: Any) -> None:
    document = httpx2.get(f"{tenant.issuer}.well-known/oauth-authorization-server").json()
    assert document["issuer"] == tenant.issuer
    assert "S256" in document["code_challenge_methods_supported"]
    assert document["client_id_metadata_document_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "registration_endpoint" in document
