"""The password grant: a user's tokens without a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import AGENT, API, Harness

REALM = "http://auth0.com/oauth/grant-type/password-realm"
DATABASE = "Username-Password-Authentication"


def allow_passwords(file: dict[str, Any]) -> None:
    file["tenant"]["default_directory"] = DATABASE
    client = next(each for each in file["clients"] if each["name"] == "Gatehouse agent")
    client["grant_types"] += ["password", REALM]


@pytest.fixture
def tenant(start: Callable[..., Harness]) -> Harness:
    return start(allow_passwords)


def ask(tenant: Harness, **changes: Any) -> Any:
    parameters = {
        "grant_type": "password",
        "username": "alice@example.com",
        "password": "Wonderland-1",
        "audience": API,
        "scope": "openid access:mcp offline_access",
        **changes,
    }
    return tenant.token(**parameters)


def test_a_name_and_a_password_get_the_tokens_of_a_sign_in(tenant: Harness) -> None:
    answer = ask(tenant).json()
    assert answer["scope"].split() == ["openid", "access:mcp", "offline_access"]
    assert tenant.claims(answer["access_token"])["sub"] == tenant.claims(answer["id_token"])["sub"]
    renewed = tenant.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert (renewed.status_code, renewed.json()["scope"]) == (200, answer["scope"])


def test_without_api_scopes_the_client_gets_all_that_the_user_has(tenant: Harness) -> None:
    for email, password, granted in (
        ("alice@example.com", "Wonderland-1", {"openid", "access:mcp"}),
        ("bob@example.com", "Builder-2", {"openid"}),
    ):
        answer = ask(tenant, scope="openid", username=email, password=password).json()
        assert set(answer["scope"].split()) == granted


def test_the_realm_names_the_database(tenant: Harness) -> None:
    assert ask(tenant, grant_type=REALM, realm=DATABASE).status_code == 200
    missing = ask(tenant, grant_type=REALM)
    assert (missing.status_code, missing.json()["error_description"]) == (400, "Missing required parameter: realm")
    assert ask(tenant, grant_type=REALM, realm="Nowhere").status_code == 400


@pytest.mark.parametrize(
    "changes",
    [{"password": "wrong"}, {"username": "nobody@example.com"}, {"password": ""}, {"username": "alice@example.com\0"}],
    ids=["wrong password", "unknown user", "empty password", "control character"],
)
def test_wrong_names_and_passwords_get_one_answer(tenant: Harness, changes: dict[str, str]) -> None:
    refused = ask(tenant, **changes)
    assert refused.status_code in (400, 403)
    assert "access_token" not in refused.json()
    if "" not in changes.values():
        assert refused.json() == {"error": "invalid_grant", "error_description": "Wrong email or password."}


def test_without_a_default_directory_the_grant_fails_as_at_auth0(start: Callable[..., Harness]) -> None:
    def change(file: dict[str, Any]) -> None:
        allow_passwords(file)
        del file["tenant"]["default_directory"]

    refused = ask(start(change))
    assert (refused.status_code, refused.json()["error"]) == (500, "server_error")
    assert refused.json()["error_description"] == "Authorization server not configured with default connection."


def test_a_client_without_the_grant_or_the_database_is_refused(start: Callable[..., Harness]) -> None:
    without_grant = ask(start())
    assert (without_grant.status_code, without_grant.json()["error"]) == (403, "unauthorized_client")

    def change(file: dict[str, Any]) -> None:
        allow_passwords(file)
        file["databases"][0]["enabled_clients"].remove("Gatehouse agent")

    assert ask(start(change)).status_code == 400


def test_an_unknown_api_is_refused(tenant: Harness) -> None:
    refused = ask(tenant, audience="https://nowhere.example/")
    assert refused.status_code == 403
    assert refused.json()["error_description"] == "Service not enabled within domain: https://nowhere.example/"


def test_the_tenant_log_has_the_exchange(tenant: Harness) -> None:
    ask(tenant)
    ask(tenant, password="wrong")
    assert [event.type for event in tenant.idp.log.events][-2:] == ["sepft", "fepft"]
    assert AGENT[0] in {event.client_id for event in tenant.idp.log.events}
