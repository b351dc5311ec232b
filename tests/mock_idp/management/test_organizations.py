"""Organizations through the Management API: what is changed there counts at the next sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.mock_idp.conftest import API, Harness
from tests.mock_idp.management.test_management import ALICE, DEPLOY, Management, as_client, refused
from tests.mock_idp.oauth.test_organizations import ACME, DATABASE, organizations
from tests.mock_idp.oauth.test_organizations import members as member_entries

BOB = "auth0|65b0b0000000000000000002"
NOT_A_MEMBER = "access_denied"


@pytest.fixture
def management(start: Callable[..., Harness]) -> Management:
    def offline(file: dict[str, Any]) -> None:
        member_entries(file)
        file["management_clients"] = [DEPLOY]

    return as_client(start(organizations(), offline), DEPLOY)


def database(management: Management) -> str:
    found: str = management.find("connections", "connections", name=DATABASE)["id"]
    return found


def create(management: Management, **members: Any) -> dict[str, Any]:
    response = management("POST", "organizations", {"name": "zeta", **members})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def signs_in(management: Management, org_id: str, email: str = "alice@example.com") -> str:
    """The error of a sign-in to the organization; `` if it works."""
    answer = management.tenant.browser().sign_in(email, organization=org_id)
    return answer.get("error", "")


def test_organizations_are_listed_with_pages_and_checkpoints(management: Management) -> None:
    names = [each["name"] for each in management("GET", "organizations").json()]
    assert names == ["acme", "bolt"]
    page = management("GET", "organizations", per_page=1, page=1, include_totals="true").json()
    assert (page["total"], [each["name"] for each in page["organizations"]]) == (2, ["bolt"])
    first = management("GET", "organizations", take=1).json()
    assert management("GET", "organizations", take=1, **{"from": first["next"]}).json()["organizations"] == [
        management("GET", "organizations/name/bolt").json()
    ]


def test_one_organization_is_found_by_id_and_by_name(management: Management) -> None:
    found = management("GET", f"organizations/{ACME}").json()
    assert (found["id"], found["name"], found["display_name"]) == (ACME, "acme", "Acme Inc.")
    assert {"connections", "client_grants"}.isdisjoint(found)
    assert management("GET", "organizations/name/acme").json() == found
    for path in ("organizations/org_x", "organizations/name/nobody"):
        refused(management("GET", path), 404, "inexistent_organization")


def test_a_new_organization_works_at_the_next_sign_in(management: Management) -> None:
    enabled = [{"connection_id": database(management), "assign_membership_on_login": True}]
    made = create(management, display_name="Zeta Ltd", metadata={"plan": "a"}, enabled_connections=enabled)
    assert made["id"].startswith("org_")
    assert (made["display_name"], made["metadata"]) == ("Zeta Ltd", {"plan": "a"})
    assert signs_in(management, made["id"]) == ""
    assert [each["id"] for each in management("GET", f"users/{ALICE}/organizations").json()] == [ACME, made["id"]]


def test_a_changed_organization_keeps_its_id_and_members(management: Management) -> None:
    changed = management("PATCH", f"organizations/{ACME}", {"name": "acme-two", "display_name": "Acme II"}).json()
    assert (changed["id"], changed["name"], changed["display_name"]) == (ACME, "acme-two", "Acme II")
    assert signs_in(management, ACME) == ""
    refused(management("PATCH", f"organizations/{ACME}", {"name": "bolt"}), 409, "conflict")


def test_a_deleted_organization_refuses_sign_ins_and_its_refresh_tokens(management: Management) -> None:
    tenant = management.tenant
    token = tenant.tokens(scope="openid access:mcp offline_access", organization=ACME)["refresh_token"]
    assert management("DELETE", f"organizations/{ACME}").status_code == 204
    assert signs_in_error(tenant) == "invalid_request"
    assert tenant.token(grant_type="refresh_token", refresh_token=token).status_code == 400
    assert management("DELETE", f"organizations/{ACME}").status_code == 204
    create(management, name="acme")


def signs_in_error(tenant: Harness) -> str:
    error: str = tenant.callback_parameters(tenant.browser().authorize(organization=ACME))["error"]
    return error


def test_members_are_added_and_removed(management: Management) -> None:
    path = f"organizations/{ACME}/members"
    assert [each["user_id"] for each in management("GET", path).json()] == [ALICE]
    assert signs_in(management, ACME, "bob@example.com") == NOT_A_MEMBER
    assert management("POST", path, {"members": [BOB, ALICE]}).status_code == 204
    listed = management("GET", path, take=50).json()["members"]
    assert [(each["user_id"], each["email"]) for each in listed] == [
        (ALICE, "alice@example.com"),
        (BOB, "bob@example.com"),
    ]
    assert signs_in(management, ACME, "bob@example.com") == ""
    assert management("DELETE", path, {"members": [ALICE]}).status_code == 204
    assert signs_in(management, ACME) == NOT_A_MEMBER


def test_a_member_has_roles_in_the_organization_only(management: Management) -> None:
    tenant = management.tenant
    management("POST", f"organizations/{ACME}/members", {"members": [BOB]})
    role = management.find("roles", "roles", name="mcp-user")
    path = f"organizations/{ACME}/members/{BOB}/roles"
    assert management("POST", path, {"roles": [role["id"]]}).status_code == 204
    assert management("GET", path).json() == [{"id": role["id"], "name": "mcp-user"}]
    there = tenant.browser().tokens("bob@example.com", organization=ACME)["access_token"]
    elsewhere = tenant.browser().tokens("bob@example.com")["access_token"]
    assert tenant.claims(there)["permissions"] == ["access:mcp"]
    assert tenant.claims(elsewhere)["permissions"] == []
    listed = management("GET", f"organizations/{ACME}/members", fields="user_id,roles").json()
    assert {"user_id": BOB, "roles": [{"id": role["id"], "name": "mcp-user"}]} in listed
    assert management("DELETE", path, {"roles": [role["id"]]}).status_code == 204
    assert management("GET", path).json() == []


@pytest.mark.parametrize("path", ["enabled_connections", "connections"])
def test_the_connections_of_an_organization(management: Management, path: str) -> None:
    made, connection = create(management), database(management)
    base = f"organizations/{made['id']}/{path}"
    assert management("GET", base).json() == []
    added = management("POST", base, {"connection_id": connection, "assign_membership_on_login": False})
    assert added.status_code == 201
    assert added.json()["connection"] == {"name": DATABASE, "strategy": "auth0"}
    refused(management("POST", base, {"connection_id": connection}), 409, "conflict")
    assert signs_in(management, made["id"]) == NOT_A_MEMBER
    changed = management("PATCH", f"{base}/{connection}", {"assign_membership_on_login": True}).json()
    assert changed == management("GET", f"{base}/{connection}").json()
    assert changed["assign_membership_on_login"] is True
    assert signs_in(management, made["id"]) == ""
    listed = management("GET", base, include_totals="true").json()
    assert [each["connection_id"] for each in listed[path]] == [connection]
    assert management("DELETE", f"{base}/{connection}").status_code == 204
    answer = management.tenant.callback_parameters(management.tenant.browser().authorize(organization=made["id"]))
    assert answer["error_description"] == "no connections enabled for the organization"


def test_a_connection_that_is_not_enabled_is_of_no_use(management: Management) -> None:
    path = f"organizations/{ACME}/connections/{database(management)}"
    assert management("PATCH", path, {"is_enabled": False}).json()["is_enabled"] is False
    assert signs_in_error(management.tenant) == "invalid_request"


def test_a_deleted_database_leaves_its_organizations(management: Management) -> None:
    management("DELETE", f"connections/{database(management)}")
    assert management("GET", f"organizations/{ACME}/enabled_connections").json() == []


def test_the_client_grants_of_an_organization_let_a_machine_in(management: Management) -> None:
    tenant = management.tenant
    grant = management.find("client-grants", "client_grants", audience=API)
    changed = management("PATCH", f"client-grants/{grant['id']}", {"organization_usage": "allow"}).json()
    assert (changed["organization_usage"], changed["allow_any_organization"]) == ("allow", False)
    asked = {"grant_type": "client_credentials", "audience": API, "organization": ACME}
    assert tenant.token(tenant.machine, **asked).status_code == 403
    path = f"organizations/{ACME}/client-grants"
    added = management("POST", path, {"grant_id": grant["id"]})
    assert (added.status_code, added.json()["id"]) == (201, grant["id"])
    assert [each["id"] for each in management("GET", path).json()] == [grant["id"]]
    assert tenant.claims(tenant.token(tenant.machine, **asked).json()["access_token"])["org_id"] == ACME
    assert management("DELETE", f"{path}/{grant['id']}").status_code == 204
    assert tenant.token(tenant.machine, **asked).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "organizations", {"name": "Not Lower"}, 400, "invalid_body"),
        ("POST", "organizations", {}, 400, "invalid_body"),
        ("POST", "organizations", {"name": "x", "enabled_connections": "all"}, 400, "invalid_body"),
        ("POST", "organizations", {"name": "x", "enabled_connections": ["all"]}, 400, "invalid_body"),
        ("POST", "organizations", {"name": "x", "connections": []}, 400, "invalid_body"),
        ("POST", "organizations", {"name": "acme"}, 409, "conflict"),
        (
            "POST",
            "organizations",
            {"name": "x", "enabled_connections": [{"connection_id": "con_x"}]},
            404,
            "inexistent_connection",
        ),
        ("POST", f"organizations/{ACME}/members", {"members": ["auth0|nobody"]}, 404, "inexistent_user"),
        ("POST", f"organizations/{ACME}/members", {"members": []}, 400, "invalid_body"),
        ("POST", f"organizations/{ACME}/members", {"members": [None]}, 404, "inexistent_user"),
        ("GET", f"organizations/{ACME}/members/{BOB}/roles", None, 404, "inexistent_organization_member"),
        ("POST", f"organizations/{ACME}/members/{ALICE}/roles", {"roles": ["rol_x"]}, 404, "inexistent_role"),
        ("POST", f"organizations/{ACME}/client-grants", {"grant_id": "cgr_x"}, 404, "inexistent_client_grant"),
        ("POST", f"organizations/{ACME}/connections", {"connection_id": "con_x"}, 404, "inexistent_connection"),
        ("GET", "organizations/org_x/members", None, 404, "inexistent_organization"),
    ],
)
def test_wrong_requests_are_refused(
    management: Management, method: str, path: str, body: Any, status: int, code: str
) -> None:
    before = management("GET", "organizations").json()
    refused(management(method, path, body), status, code)
    assert management("GET", "organizations").json() == before


def test_each_endpoint_of_organizations_needs_its_scope(start: Callable[..., Harness]) -> None:
    reader = {"name": "Reader", "client_id": "r", "client_secret": "s", "scope": ["read:organizations"]}

    def offline(file: dict[str, Any]) -> None:
        member_entries(file)
        file["management_clients"] = [reader]

    management = as_client(start(organizations(), offline), reader)
    assert management("GET", f"organizations/{ACME}").status_code == 200
    for method, path, body, scope in (
        ("GET", "members", None, "read:organization_members"),
        ("POST", "members", {"members": [ALICE]}, "create:organization_members"),
        ("DELETE", "members", {"members": [ALICE]}, "delete:organization_members"),
        ("GET", f"members/{ALICE}/roles", None, "read:organization_member_roles"),
        ("GET", "enabled_connections", None, "read:organization_connections"),
        ("GET", "client-grants", None, "read:organization_client_grants"),
    ):
        message = refused(management(method, f"organizations/{ACME}/{path}", body), 403, "insufficient_scope")
        assert message == f"Insufficient scope, expected any of: {scope}"
