"""The Management API over HTTP: its access checks, its refusals, and the effect of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.mock_idp.conftest import API, CALLBACK, ISSUER, Harness

DEPLOY = {"name": "Deployment", "client_id": "deployment", "client_secret": "deployment-secret"}
READER = {"name": "Reader", "client_id": "reader", "client_secret": "reader-secret", "scope": ["read:clients"]}
AUDIENCE = f"{ISSUER}api/v2/"
ALICE = "auth0|65a11ce00000000000000001"


@dataclass
class Management:
    """The Management API with a token."""

    tenant: Harness
    token: str

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.tenant.http.request(method, f"/api/v2/{path}", json=body, params=query, headers=headers)

    def find(self, path: str, key: str, **members: Any) -> dict[str, Any]:
        """The only entry of a list that has these members."""
        entries = self("GET", path, include_totals="true").json()[key]
        (found,) = [entry for entry in entries if members.items() <= entry.items()]
        return dict(found)


def token_for(tenant: Harness, client: dict[str, Any], **more: str) -> Any:
    grant = {"grant_type": "client_credentials", "audience": AUDIENCE, **more}
    return tenant.token((client["client_id"], client["client_secret"]), **grant)


def as_client(tenant: Harness, client: dict[str, Any]) -> Management:
    return Management(tenant, token_for(tenant, client).json()["access_token"])


@pytest.fixture
def management(start: Any) -> Management:
    tenant = start(offline=lambda file: file.update(management_clients=[DEPLOY, READER]))
    return as_client(tenant, DEPLOY)


def refused(response: Any, status: int, code: str) -> str:
    """Check that a refusal has exactly Auth0's four members. Return its message."""
    answer = response.json()
    assert (response.status_code, answer["statusCode"], answer["errorCode"]) == (status, status, code), answer
    assert set(answer) == {"statusCode", "error", "message", "errorCode"}
    return str(answer["message"])


def test_a_management_client_gets_a_token_with_all_scopes_for_a_day(management: Management) -> None:
    answer = token_for(management.tenant, DEPLOY).json()
    assert answer["expires_in"] == 86400
    claims = management.tenant.claims(answer["access_token"])
    assert (claims["aud"], claims["gty"]) == (AUDIENCE, "client-credentials")
    assert {"read:clients", "create:client_grants", "update:tenant_settings"} <= set(claims["scope"].split())


def test_a_client_without_a_grant_for_it_gets_no_management_token(management: Management) -> None:
    machine = dict(zip(("client_id", "client_secret"), management.tenant.machine, strict=True))
    assert "is not authorized to access" in token_for(management.tenant, machine).json()["error_description"]


def test_the_grant_limits_the_scopes(management: Management) -> None:
    assert token_for(management.tenant, READER).json()["scope"] == "read:clients"
    assert token_for(management.tenant, READER, scope="create:clients").status_code == 403


def test_each_endpoint_checks_its_scope(management: Management) -> None:
    reader = as_client(management.tenant, READER)
    assert reader("GET", "clients").status_code == 200
    message = refused(reader("POST", "clients", {"name": "New"}), 403, "insufficient_scope")
    assert message == "Insufficient scope, expected any of: create:clients"
    for path in ("roles", "resource-servers", "client-grants", "connections", "users", "keys/signing"):
        refused(reader("GET", path), 403, "insufficient_scope")


def test_secrets_need_the_scope_read_client_keys(management: Management) -> None:
    assert "client_secret" in management.find("clients", "clients", name="Gatehouse agent")
    reader = as_client(management.tenant, READER)
    assert "client_secret" not in reader.find("clients", "clients", name="Gatehouse agent")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", "Missing authentication"),
        ("nonsense", "Invalid token"),
        ("access", "Bad audience"),
        ("expired", "Expired token"),
        ("forged", "Invalid token"),
    ],
)
def test_other_tokens_are_refused(management: Management, token: str, expected: str) -> None:
    tenant = management.tenant
    if token == "access":
        token = tenant.tokens(scope="access:mcp")["access_token"]
    elif token == "expired":
        token = management.token
        tenant.http.post("/__mock__/clock", json={"advance_seconds": 86401})
    elif token == "forged":
        token = tenant.http.post("/__mock__/tokens", json={"key": "foreign", "claims": {"aud": AUDIENCE}}).json()[
            "token"
        ]
    assert refused(Management(tenant, token)("GET", "clients"), 401, "invalid_token").startswith(expected)


def test_a_web_page_has_no_access_by_another_origin(management: Management) -> None:
    http = management.tenant.http
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    preflight = http.options("/api/v2/clients", headers={**asked, "Access-Control-Request-Headers": "authorization"})
    assert "access-control-allow-origin" not in preflight.headers


def test_the_client_that_stands_for_all_is_listed_only_on_request(management: Management) -> None:
    (found,) = management("GET", "clients", is_global="true").json()
    assert found["global"] is True
    assert found["client_id"] not in {each["client_id"] for each in management("GET", "clients").json()}


def test_what_the_deploy_cli_leaves_out_is_forbidden_and_no_server_error(management: Management) -> None:
    for path in ("rules", "branding", "emails/provider", "attack-protection/captcha"):
        refused(management("GET", path), 403, "insufficient_scope")
    assert management("GET", "actions/actions").json()["actions"] == []


@pytest.mark.parametrize("path", ["users/x/sessions", "refresh-tokens/x", "user-grants", "nonsense"])
def test_any_other_endpoint_that_is_not_here_is_not_found_and_the_log_names_it(
    management: Management, path: str
) -> None:
    answer = management("GET", path)
    assert (answer.status_code, answer.json()) == (
        404,
        {"statusCode": 404, "error": "Not Found", "message": "Not Found"},
    )
    event = management.tenant.idp.log.events[-1]
    assert (event.type, event.details) == ("fapi", f"The offline tenant does not have GET /api/v2/{path}.")


def test_an_endpoint_that_is_not_here_also_needs_a_token(management: Management) -> None:
    assert management.tenant.http.get("/api/v2/nonsense").status_code == 401


def test_a_permission_added_to_a_role_is_in_the_next_token(management: Management) -> None:
    tenant = management.tenant
    server = management.find("resource-servers", "resource_servers", identifier=API)
    scopes = [*server["scopes"], {"value": "time:read", "description": "Read the time"}]
    assert management("PATCH", f"resource-servers/{server['id']}", {"scopes": scopes}).status_code == 200
    role = management.find("roles", "roles", name="mcp-user")
    assert "time:read" not in tenant.claims(tenant.browser().tokens()["access_token"])["permissions"]
    entry = {"permission_name": "time:read", "resource_server_identifier": API}
    assert management("POST", f"roles/{role['id']}/permissions", {"permissions": [entry]}).status_code == 201
    assert tenant.claims(tenant.browser().tokens()["access_token"])["permissions"] == ["access:mcp", "time:read"]
    assert management("DELETE", f"roles/{role['id']}/permissions", {"permissions": [entry]}).status_code == 204
    assert tenant.claims(tenant.browser().tokens()["access_token"])["permissions"] == ["access:mcp"]


def test_a_tenant_setting_takes_effect_at_once(management: Management) -> None:
    tenant = management.tenant
    iss = "authorization_response_iss_parameter_supported"
    before = management("GET", "tenants/settings").json()
    assert management("PATCH", "tenants/settings", {iss: not before[iss]}).json()[iss] is not before[iss]
    assert ("iss" in tenant.sign_in()) is not before[iss]
    flags = {"flags": {"enable_dynamic_client_registration": True}}
    assert management("PATCH", "tenants/settings", flags).json()[iss] is not before[iss], "the others stay"
    assert tenant.http.post("/oidc/register", json={"redirect_uris": ["https://a.example/cb"]}).status_code == 201


def test_a_setting_without_an_effect_is_kept(management: Management) -> None:
    management("PATCH", "tenants/settings", {"support_email": "help@example.com", "flags": {"enable_sso": True}})
    settings = management("GET", "tenants/settings").json()
    assert (settings["support_email"], settings["flags"]["enable_sso"]) == ("help@example.com", True)


def test_a_client_with_its_grant_is_created_used_changed_and_deleted(management: Management) -> None:
    tenant = management.tenant
    created = management("POST", "clients", {"name": "Job", "app_type": "non_interactive", "description": "Nightly"})
    assert created.status_code == 201
    client = created.json()
    credentials = (client["client_id"], client["client_secret"])
    asked = {"grant_type": "client_credentials", "audience": API}
    assert tenant.token(credentials, **asked).status_code == 403
    grant = {"client_id": client["client_id"], "audience": API, "scope": ["access:mcp"], "subject_type": "client"}
    answer = management("POST", "client-grants", grant)
    assert answer.json() == {**grant, "id": answer.json()["id"]}
    assert tenant.token(credentials, **asked).json()["scope"] == "access:mcp"
    renamed = management("PATCH", f"clients/{client['client_id']}", {"name": "Nightly job"}).json()
    assert (renamed["name"], renamed["description"]) == ("Nightly job", "Nightly")
    assert tenant.token(credentials, **asked).status_code == 200, "id, secret and grant outlive the name"
    rotated = management("POST", f"clients/{client['client_id']}/rotate-secret").json()["client_secret"]
    assert tenant.token(credentials, **asked).status_code == 401
    assert tenant.token((client["client_id"], rotated), **asked).status_code == 200
    assert management("DELETE", f"clients/{client['client_id']}").status_code == 204
    assert management("GET", "client-grants", client_id=client["client_id"]).json() == []
    assert tenant.token((client["client_id"], rotated), **asked).status_code == 401


def test_the_id_of_a_third_party_client_has_its_prefix(management: Management) -> None:
    client = management("POST", "clients", {"name": "Theirs", "is_first_party": False, "app_type": "native"}).json()
    assert client["client_id"].startswith("tpc_")
    assert client["third_party_security_mode"] == "strict"


def test_clients_that_registered_themselves_are_listed_and_can_be_deleted(management: Management) -> None:
    management("PATCH", "tenants/settings", {"flags": {"enable_dynamic_client_registration": True}})
    asked = {"client_name": "Somebody", "redirect_uris": ["https://a.example/cb"]}
    client_id = management.tenant.http.post("/oidc/register", json=asked).json()["client_id"]
    found = management.find("clients", "clients", name="Somebody")
    assert (found["client_id"], found["is_first_party"]) == (client_id, False)
    assert management("DELETE", f"clients/{client_id}").status_code == 204
    refused(management("GET", f"clients/{client_id}"), 404, "inexistent_client")


def test_clients_that_the_tenant_file_does_not_have_cannot_be_changed(management: Management) -> None:
    management("PATCH", "tenants/settings", {"flags": {"enable_dynamic_client_registration": True}})
    asked = {"client_name": "Somebody", "redirect_uris": ["https://a.example/cb"]}
    registered = management.tenant.http.post("/oidc/register", json=asked).json()["client_id"]
    for client_id, why in (
        (registered, "clients that registered themselves"),
        (DEPLOY["client_id"], "the management clients of offline.yaml"),
    ):
        for method, path, body in (
            ("PATCH", f"clients/{client_id}", {"name": "Mine"}),
            ("POST", f"clients/{client_id}/rotate-secret", None),
        ):
            assert why in refused(management(method, path, body), 400, "operation_not_supported")
    (grant,) = management("GET", "client-grants", client_id=DEPLOY["client_id"]).json()
    for method, body in (("PATCH", {"scope": []}), ("DELETE", None)):
        message = refused(management(method, f"client-grants/{grant['id']}", body), 400, "operation_not_supported")
        assert "the management clients of offline.yaml" in message
    assert as_client(management.tenant, DEPLOY)("GET", "clients").status_code == 200


def test_lists_are_filtered(management: Management) -> None:
    theirs = {"name": "Theirs", "is_first_party": False, "app_type": "native"}
    assert management("POST", "clients", theirs).status_code == 201

    def names(**query: str) -> set[str]:
        return {client["name"] for client in management("GET", "clients", **query).json()}

    everybody = names()
    assert names(is_first_party="false") == {"Theirs"}
    assert names(is_first_party="true") == everybody - {"Theirs"}
    assert "Theirs" in names(app_type="native,spa")
    assert names(app_type="rms") == set()
    assert names(external_client_id="https://a.example/client.json") == set()
    (database,) = management("GET", "connections", name="Username-Password-Authentication").json()
    assert management("GET", "connections", strategy="auth0").json() == [database]
    assert management("GET", "connections", strategy="samlp").json() == []
    assert management("GET", "connections", name="nobody").json() == []
    grants = management("GET", "client-grants", audience=API).json()
    assert grants
    assert {grant["audience"] for grant in grants} == {API}
    assert management("GET", "client-grants", client_id="nobody").json() == []


@pytest.mark.parametrize("secret", ["", None, 1, ["x"]], ids=repr)
def test_a_client_cannot_lose_its_secret(management: Management, secret: object) -> None:
    message = refused(management("PATCH", f"clients/{AGENT_ID}", {"client_secret": secret}), 400, "invalid_body")
    assert message == "Payload validation error: 'Expected type string' on property client_secret."


def test_a_given_secret_replaces_the_old_one(management: Management) -> None:
    tenant = management.tenant
    machine, old = tenant.machine
    assert management("PATCH", f"clients/{machine}", {"client_secret": "x" * 48}).status_code == 200
    asked = {"grant_type": "client_credentials", "audience": API}
    assert tenant.token((machine, old), **asked).status_code == 401
    assert tenant.token((machine, "x" * 48), **asked).status_code == 200


def test_a_grant_cannot_have_a_scope_that_its_api_has_not(management: Management) -> None:
    (grant,) = management("GET", "client-grants", audience=API).json()
    answer = management("PATCH", f"client-grants/{grant['id']}", {"scope": ["access:everything"]})
    assert answer.status_code in (400, 404)
    assert f"The resource server {API} has no scope access:everything" in answer.json()["message"]
    assert management("GET", f"client-grants/{grant['id']}").json() == grant


@pytest.mark.parametrize(
    "body",
    [
        {"client_id": "x", "status": True},
        ["x"],
        [{"client_id": "x"}],
        [{"client_id": "x", "status": "true"}],
        [{"client_id": "x", "status": True, "more": 1}],
    ],
    ids=["no list", "no object", "no status", "a status as text", "another member"],
)
def test_only_a_list_of_clients_with_a_status_enables_them(management: Management, body: Any) -> None:
    (database,) = management("GET", "connections").json()
    before = management("GET", f"connections/{database['id']}/clients").json()
    refused(management("PATCH", f"connections/{database['id']}/clients", body), 400, "invalid_body")
    assert management("GET", f"connections/{database['id']}/clients").json() == before


def test_a_connection_of_another_kind_is_refused_with_what_is_played(management: Management) -> None:
    message = refused(
        management("POST", "connections", {"name": "x", "strategy": "samlp"}), 400, "operation_not_supported"
    )
    assert "connections with the strategy samlp, only auth0" in message


def test_an_api_is_also_found_by_its_identifier_and_deleted_with_references_to_it(management: Management) -> None:
    encoded = API.replace(":", "%3A").replace("/", "%2F")
    found = management("GET", f"resource-servers/{encoded}").json()
    assert found["identifier"] == API
    assert management("DELETE", f"resource-servers/{found['id']}").status_code == 204
    refused(management("GET", f"resource-servers/{encoded}"), 404, "inexistent_resource_server")
    assert API not in management("GET", "client-grants").text
    role = management.find("roles", "roles", name="mcp-user")
    assert management("GET", f"roles/{role['id']}/permissions").json() == []


def test_the_management_api_is_listed_and_cannot_be_changed(management: Management) -> None:
    own = management.find("resource-servers", "resource_servers", is_system=True)
    assert (own["name"], own["identifier"]) == ("Auth0 Management API", AUDIENCE)
    refused(management("DELETE", f"resource-servers/{own['id']}"), 400, "operation_not_supported")


def test_a_removed_scope_is_also_removed_from_grants_and_roles(management: Management) -> None:
    found = management.find("resource-servers", "resource_servers", identifier=API)
    scopes = [{"value": "other", "description": ""}]
    assert management("PATCH", f"resource-servers/{found['id']}", {"scopes": scopes}).json()["scopes"] == scopes
    assert management("GET", "client-grants", audience=API).json()[0]["scope"] == []
    role = management.find("roles", "roles", name="mcp-user")
    assert management("GET", f"roles/{role['id']}/permissions").json() == []


def test_a_client_with_a_grant_for_the_management_api_can_call_it(management: Management) -> None:
    client = management("POST", "clients", {"name": "Second", "app_type": "non_interactive"}).json()
    grant = {"client_id": client["client_id"], "audience": AUDIENCE, "scope": ["read:roles"], "subject_type": "client"}
    assert management("POST", "client-grants", grant).status_code == 201
    second = as_client(management.tenant, client)
    assert second("GET", "roles").status_code == 200
    assert second("GET", "clients").status_code == 403


def test_a_connection_is_created_enabled_for_a_client_and_deleted_with_its_users(management: Management) -> None:
    tenant = management.tenant
    (database,) = management("GET", "connections").json()
    assert management("DELETE", f"connections/{database['id']}").status_code == 204
    assert management("GET", "users").json() == []
    assert tenant.callback_parameters(tenant.authorize())["error_description"].startswith("no connections enabled")
    body = {"name": "people", "strategy": "auth0", "options": {"disable_signup": True}, "is_domain_connection": True}
    made = management("POST", "connections", body)
    assert made.status_code == 201
    change = [{"client_id": tenant.agent[0], "status": True}]
    assert management("PATCH", f"connections/{made.json()['id']}/clients", change).status_code == 204
    enabled = management("GET", f"connections/{made.json()['id']}/clients", take=100).json()
    assert enabled == {"clients": [{"client_id": tenant.agent[0]}]}
    assert management("GET", f"connections/{made.json()['id']}").json()["options"] == {"disable_signup": True}
    user = {"connection": "people", "email": "carol@example.com", "password": "Caro-1"}
    assert management("POST", "users", user).status_code == 201
    assert tenant.follow(tenant.log_in(tenant.authorize(), "carol@example.com", "Caro-1")).status_code == 302


def test_a_user_gets_and_loses_a_role(management: Management) -> None:
    tenant = management.tenant
    role = management.find("roles", "roles", name="mcp-user")
    (bob,) = management("GET", "users-by-email", email="bob@example.com").json()
    assert management("GET", "users", q='email:"bob@example.com"', search_engine="v3").json() == [bob]
    assert "password" not in bob
    assert management("POST", f"users/{bob['user_id']}/roles", {"roles": [role["id"]]}).status_code == 204
    assert tenant.claims(tenant.tokens("bob@example.com")["access_token"])["permissions"] == ["access:mcp"]
    held = management("GET", f"users/{bob['user_id']}/permissions").json()
    assert held == management("GET", f"roles/{role['id']}/permissions").json()
    members = [user["email"] for user in management("GET", f"roles/{role['id']}/users").json()]
    assert members == ["alice@example.com", "bob@example.com"]
    assert management("DELETE", f"users/{bob['user_id']}/roles", {"roles": [role["id"]]}).status_code == 204
    assert management("GET", f"users/{bob['user_id']}/roles").json() == []


def test_a_renamed_role_keeps_its_id_and_its_members(management: Management) -> None:
    role = management.find("roles", "roles", name="mcp-user")
    assert management("PATCH", f"roles/{role['id']}", {"name": "caller", "description": "Calls"}).json() == {
        "id": role["id"],
        "name": "caller",
        "description": "Calls",
    }
    assert management("GET", f"users/{ALICE}/roles").json() == [{"id": role["id"], "name": "caller"}]
    again = management("POST", "roles", {"name": "mcp-user"}).json()
    assert again["id"] != role["id"]


def test_a_user_can_be_deleted_and_a_second_user_with_the_same_email_is_a_conflict(management: Management) -> None:
    again = {"connection": "Username-Password-Authentication", "email": "ALICE@example.com", "password": "x"}
    refused(management("POST", "users", again), 409, "auth0_idp_error")
    assert management("DELETE", f"users/{ALICE}").status_code == 204
    refused(management("GET", f"users/{ALICE}"), 404, "inexistent_user")
    assert management("POST", "users", again).status_code == 201


def test_keys_are_listed_rotated_and_revoked(management: Management) -> None:
    states = {key["kid"]: key for key in management("GET", "keys/signing").json()}
    (current,) = [kid for kid, key in states.items() if key.get("current")]
    rotated = management("POST", "keys/signing/rotate")
    assert rotated.status_code == 201
    assert rotated.json()["kid"] != current
    assert management("GET", f"keys/signing/{current}").json()["previous"] is True
    refused(management("PUT", f"keys/signing/{rotated.json()['kid']}/revoke"), 400, "invalid_key_state")
    assert management("PUT", f"keys/signing/{current}/revoke").status_code == 201
    published = management.tenant.http.get("/.well-known/jwks.json").text
    assert current not in published


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "clients", {"name": "X", "colour": "red"}, "'Additional properties not allowed: colour'."),
        ("POST", "clients", {"name": "X", "client_id": "mine"}, "'Additional properties not allowed: client_id'."),
        ("POST", "clients", {}, "'Missing required property: name'."),
        (
            "POST",
            "clients",
            {"name": "X", "callbacks": CALLBACK},
            "'Expected type array but found type string' on property callbacks.",
        ),
        (
            "POST",
            "clients",
            {"name": "X", "jwt_configuration": {"algo": 1}},
            "'Additional properties not allowed: algo' on property jwt_configuration.",
        ),
        (
            "POST",
            "clients",
            {"name": "X", "token_endpoint_auth_method": "magic"},
            "'No enum match for: magic' on property token_endpoint_auth_method.",
        ),
        ("POST", "resource-servers", {"name": "X"}, "'Missing required property: identifier'."),
        (
            "POST",
            "resource-servers",
            {"identifier": "x", "scopes": [{"value": "a", "name": "a"}]},
            "'Additional properties not allowed: name' on property scopes[0].",
        ),
        ("PATCH", "tenants/settings", {"flags": []}, "'Expected type object but found type array' on property flags."),
        ("POST", "client-grants", {"audience": API}, "'needs exactly one of client_id and default_for'."),
        ("POST", "roles", {"name": 1}, "'Expected type string but found type integer' on property name."),
        ("POST", "roles", [], "'The body must be a JSON object'."),
        ("POST", "connections", {"name": "x"}, "'Missing required property: strategy'."),
        ("POST", "users", {"email": "a@example.com"}, "'Missing required property: connection'."),
    ],
)
def test_a_wrong_body_is_refused_with_the_path(
    management: Management, method: str, path: str, body: Any, expected: str
) -> None:
    message = refused(management(method, path, body), 400, "invalid_body")
    assert message == f"Payload validation error: {expected}"


@pytest.mark.parametrize("path", ["resource-servers", "connections", "client-grants"])
def test_fixed_members_cannot_be_changed(management: Management, path: str) -> None:
    found = management("GET", path, audience=API).json()[-1]
    fixed = {"resource-servers": "identifier", "connections": "name", "client-grants": "audience"}[path]
    refused(management("PATCH", f"{path}/{found['id']}", {fixed: "other"}), 400, "invalid_body")


def test_a_second_entry_with_the_same_key_is_a_conflict(management: Management) -> None:
    (grant,) = management("GET", "client-grants", audience=API).json()
    again = {name: grant[name] for name in ("client_id", "audience", "scope", "subject_type")}
    for path, body in (
        ("resource-servers", {"identifier": API}),
        ("clients", {"name": "Gatehouse agent"}),
        ("roles", {"name": "mcp-user"}),
        ("connections", {"name": "Username-Password-Authentication", "strategy": "auth0"}),
        ("client-grants", again),
    ):
        refused(management("POST", path, body), 409, "conflict")


def test_an_unknown_entry_is_not_found(management: Management) -> None:
    permission = {"permission_name": "x", "resource_server_identifier": "https://nowhere.example/"}
    role = management.find("roles", "roles", name="mcp-user")
    nowhere = {"client_id": AGENT_ID, "audience": "https://nowhere.example/", "scope": []}
    for method, path, body, code in (
        ("GET", "clients/nobody", None, "inexistent_client"),
        ("PATCH", "roles/rol_x", {"name": "x"}, "inexistent_role"),
        ("GET", "connections/con_x", None, "inexistent_connection"),
        ("PATCH", "client-grants/cgr_x", {"scope": []}, "inexistent_client_grant"),
        ("POST", f"roles/{role['id']}/permissions", {"permissions": [permission]}, "inexistent_resource_server"),
        ("POST", "client-grants", nowhere, "inexistent_resource_server"),
        ("POST", f"users/{ALICE}/roles", {"roles": ["rol_x"]}, "inexistent_role"),
    ):
        refused(management(method, path, body), 404, code)


def test_deleting_an_unknown_entry_is_no_error(management: Management) -> None:
    for path in ("clients/x", "resource-servers/x", "client-grants/x", "connections/x", "users/x"):
        assert management("DELETE", path).status_code == 204


AGENT_ID = "GatehouseAgentDemoClient00000000"


def test_lists_have_pages_with_and_without_totals(management: Management) -> None:
    for number in range(7):
        assert management("POST", "roles", {"name": f"role-{number}"}).status_code == 200
    plain = management("GET", "roles", per_page=3, page=1).json()
    assert [role["name"] for role in plain] == ["role-2", "role-3", "role-4"]
    wrapped = management("GET", "roles", per_page=3, page=2, include_totals="true").json()
    assert (wrapped["start"], wrapped["limit"], wrapped["total"]) == (6, 3, 8)
    assert [role["name"] for role in wrapped["roles"]] == ["role-5", "role-6"]
    assert management("GET", "roles", per_page=3, page=9).json() == []
    assert [role["name"] for role in management("GET", "roles", name_filter="ROLE-6").json()] == ["role-6"]


def test_checkpoints_page_through_a_list(management: Management) -> None:
    for number in range(5):
        management("POST", "roles", {"name": f"role-{number}"})
    seen, query = [], {"take": 4, "include_totals": "true"}
    while True:
        answer = management("GET", "roles", **query).json()
        seen += [role["name"] for role in answer["roles"]]
        if "next" not in answer:
            break
        query["from"] = answer["next"]
    assert seen == ["mcp-user", *(f"role-{number}" for number in range(5))]


@pytest.mark.parametrize("query", [{"per_page": 101}, {"per_page": 0}, {"page": -1}, {"take": "x"}, {"from": "!"}])
def test_a_wrong_page_is_refused(management: Management, query: dict[str, Any]) -> None:
    (name,) = query
    message = refused(management("GET", "roles", **query), 400, "invalid_query_string")
    assert message.endswith(f"on property {name}.")


def test_only_the_requested_fields_are_shown(management: Management) -> None:
    assert management("GET", "roles", fields="name").json() == [{"name": "mcp-user"}]
    others = management("GET", "roles", fields="name", include_fields="false").json()
    assert set(others[0]) == {"id", "description"}


def test_answers_have_rate_limit_headers_and_a_fault_exceeds_the_limit(management: Management) -> None:
    assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= set(
        management("GET", "clients").headers
    )
    fault = {"endpoint": "management", "method": "PATCH", "action": "rate_limit"}
    assert management.tenant.http.post("/__mock__/faults", json=fault).status_code == 201
    assert management("GET", "clients").status_code == 200
    limited = management("PATCH", "tenants/settings", {})
    refused(limited, 429, "too_many_requests")
    assert limited.headers["retry-after"] == "1"
    assert management("PATCH", "tenants/settings", {}).status_code == 200


def test_a_reset_removes_the_changes(management: Management) -> None:
    management("POST", "roles", {"name": "late"})
    management.tenant.http.post("/__mock__/reset")
    assert [role["name"] for role in management("GET", "roles").json()] == ["mcp-user"]


def test_a_guessed_answer_can_be_replaced(start: Any) -> None:
    behaviours = {"answers": {"management_conflict": {"error": "name_taken", "status": 400}}}
    tenant = start(offline=lambda file: file.update(management_clients=[DEPLOY], behaviours=behaviours))
    refused(as_client(tenant, DEPLOY)("POST", "roles", {"name": "mcp-user"}), 400, "name_taken")


def test_the_log_is_listed_with_the_newest_first_and_each_entry_by_its_id(management: Management) -> None:
    management("POST", "roles", {"name": "first"})
    management("POST", "roles", {"name": "second"})
    page = management("GET", "logs", per_page=1, include_totals="true").json()
    assert (page["limit"], page["total"] > 1) == (1, True)
    (newest,) = page["logs"]
    assert newest["description"] == "Create a role"
    assert management("GET", f"logs/{newest['log_id']}").json() == newest
    older = management("GET", "logs").json()[1]
    assert older["log_id"] < newest["log_id"]
    refused(management("GET", "logs/nowhere"), 404, "inexistent_log")
    refused(management("GET", "logs", q="type:f"), 400, "invalid_query_string")


def test_changes_are_in_the_tenants_log(management: Management) -> None:
    management("POST", "roles", {"name": "late"})
    management("POST", "roles", {"name": "late"})
    logs = management.tenant.http.get("/__mock__/logs").json()["logs"]
    assert [(entry["type"], entry["description"]) for entry in logs[-2:]] == [
        ("sapi", "Create a role"),
        ("fapi", "A role with the name late already exists."),
    ]
