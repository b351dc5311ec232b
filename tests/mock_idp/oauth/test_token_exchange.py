from __future__ import annotations

import base64
import json
from typing import Any

import pytest

MCP = "http://localhost:5555/mcp"
NEXT = "https://next.example/"
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def on_behalf(file: dict[str, Any]) -> None:
    file["resourceServers"].append(
        {
            "name": "Next API",
            "identifier": NEXT,
            "enforce_policies": True,
            "token_dialect": "access_token_authz",
            "scopes": [{"value": "read:calendar"}, {"value": "write:calendar"}],
        }
    )
    file["roles"][0]["permissions"].append(
        {"permission_name": "read:calendar", "resource_server_identifier": NEXT},
    )
    for name, api in (("MCP server", MCP), ("Next server", NEXT)):
        file["clients"].append(
            {
                "name": name,
                "app_type": "resource_server",
                "resource_server_identifier": api,
                "token_exchange": {"allow_any_profile_of_type": ["on_behalf_of_token_exchange"]},
            }
        )


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(on_behalf)


def credentials(tenant: Any, name: str = "MCP server") -> tuple[str, str]:
    client = next(c for c in tenant.idp.tenant.clients.values() if c.name == name)
    return client.client_id, client.secret


def exchange(tenant: Any, token: str, name: str = "MCP server", **changes: Any) -> Any:
    parameters = {
        "grant_type": GRANT,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
        "audience": NEXT,
        **changes,
    }
    return tenant.token(credentials(tenant, name), **parameters)


def claims_of(token: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_an_api_gets_a_token_for_the_next_one_on_the_users_behalf(tenant: Any) -> None:
    answer = exchange(tenant, tenant.tokens()["access_token"]).json()
    claims = claims_of(answer["access_token"])
    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert claims["sub"] == "auth0|65a11ce00000000000000001"
    assert claims["aud"] == NEXT
    assert claims["azp"] == credentials(tenant)[0]
    assert claims["act"] == {"sub": credentials(tenant)[0], "act": {"sub": tenant.agent[0]}}
    assert claims["scope"] == "read:calendar"
    assert "refresh_token" not in answer


def test_the_chain_of_actors_grows_up_to_its_limit(tenant: Any) -> None:
    token = tenant.tokens()["access_token"]
    sides = [("MCP server", NEXT), ("Next server", MCP)]
    for turn in range(4):
        name, target = sides[turn % 2]
        response = exchange(tenant, token, name, audience=target)
        if turn < 3:
            token = response.json()["access_token"]
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_request",
        "error_description": "Delegation chain (`act` claim) depth exceeds the maximum allowed limit of 4",
    }


def test_only_a_custom_api_client_may_exchange(tenant: Any) -> None:
    token = tenant.tokens()["access_token"]
    parameters = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": NEXT}
    response = tenant.token(tenant.agent, **parameters)
    assert response.status_code == 403
    assert response.json()["error"] == "unauthorized_client"


def test_a_token_for_another_api_an_expired_one_and_a_machines_one_are_refused(tenant: Any) -> None:
    token = tenant.tokens()["access_token"]
    assert exchange(tenant, token, "Next server").status_code == 401
    machine = tenant.token(tenant.machine, grant_type="client_credentials", audience=MCP).json()["access_token"]
    assert exchange(tenant, machine).status_code == 401
    assert exchange(tenant, token[:-8] + "AAAAAAAA").status_code == 401
    tenant.idp.clock.shift(3601)
    assert exchange(tenant, token).status_code == 401


def test_missing_and_unknown_parameters_are_named(tenant: Any) -> None:
    token = tenant.tokens()["access_token"]
    assert exchange(tenant, token, audience="http://nowhere/").json()["error_description"] == (
        "Service not enabled within domain: http://nowhere/"
    )
    for changes in ({"subject_token": None}, {"audience": None}, {"subject_token_type": "urn:acme:legacy"}):
        response = exchange(tenant, token, **changes)
        assert response.status_code == 400
        assert response.json()["error"] == "invalid_request"
