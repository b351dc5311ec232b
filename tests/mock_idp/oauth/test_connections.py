"""The parameter `connection` at /authorize."""

from __future__ import annotations

from typing import Any

import pytest

DATABASE, STAFF = "Username-Password-Authentication", "Staff"


def with_connections(file: dict[str, Any]) -> None:
    file["databases"].append({"name": STAFF, "strategy": "auth0", "enabled_clients": []})
    file["connections"] = [{"name": "google-oauth2", "strategy": "google-oauth2"}]


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(with_connections)


def test_a_database_of_the_client_can_be_named(tenant: Any) -> None:
    assert tenant.sign_in(connection=DATABASE)["code"]
    entries = tenant.http.get("/__mock__/requests").json()["requests"]
    assert [entry["not_played"] for entry in entries if entry["path"] == "/authorize"] == [[]]


@pytest.mark.parametrize(
    ("connection", "description", "code"),
    [
        ("nope", "the connection was not found", "connection_unknown"),
        (DATABASE.lower(), "the connection was not found", "connection_unknown"),
        ("<script>", "the connection was not found", "connection_unknown"),
        (STAFF, "the connection is not enabled", "connection_not_enabled"),
        (
            "google-oauth2",
            "The offline tenant does not have the connection google-oauth2, which is no database.",
            "connection_unavailable",
        ),
    ],
)
def test_any_other_connection_is_refused_with_the_reason(
    tenant: Any, connection: str, description: str, code: str
) -> None:
    answer = tenant.callback_parameters(tenant.authorize(connection=connection))
    assert (answer["error"], answer["error_description"]) == ("invalid_request", description)
    assert tenant.http.get("/__mock__/requests").json()["requests"][-1]["outcome"]["explanation"] == code


def test_a_strict_client_may_name_a_domain_level_connection_and_gets_errors_on_a_page(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        with_connections(file)
        file["clients"][0]["is_first_party"] = False
        file["databases"][0]["is_domain_connection"] = True
        grant = {"default_for": "third_party_clients", "audience": "http://localhost:5555/mcp"}
        file["clientGrants"].append({**grant, "subject_type": "user", "scope": ["access:mcp"]})

    tenant = start(change)
    assert tenant.authorize(connection=DATABASE).headers["location"].startswith("/u/login")
    page = tenant.authorize(connection=STAFF)
    assert page.status_code == 400
    assert "the connection is not enabled" in page.text


def test_in_an_organization_the_connection_must_be_one_of_its_own(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        with_connections(file)
        file["databases"][1]["enabled_clients"] = ["Gatehouse agent"]
        file["clients"][0]["organization_usage"] = "allow"
        file["organizations"] = [{"name": "acme", "connections": [{"name": STAFF}]}]

    tenant = start(change, lambda file: file.update(organizations={"acme": {"id": "org_acme"}}))
    accepted = tenant.authorize(connection=STAFF, organization="org_acme")
    assert accepted.headers["location"].startswith("/u/login")
    refused = tenant.callback_parameters(tenant.authorize(connection=DATABASE, organization="org_acme"))
    assert refused["error_description"] == "the connection is not enabled"


def test_the_connection_must_also_be_one_of_the_organization_that_the_person_names(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        with_connections(file)
        file["databases"][1]["enabled_clients"] = ["Gatehouse agent"]
        file["clients"][0].update(organization_usage="require", organization_require_behavior="pre_login_prompt")
        file["organizations"] = [{"name": "acme", "connections": [{"name": STAFF}]}]

    tenant = start(change, lambda file: file.update(organizations={"acme": {"id": "org_acme"}}))
    page = tenant.authorize(connection=DATABASE).headers["location"]
    form = {"state": page.partition("state=")[2], "organization": "acme"}
    refused = tenant.callback_parameters(tenant.follow(tenant.http.post(page, data=form)))
    assert refused["error_description"] == "the connection is not enabled"
