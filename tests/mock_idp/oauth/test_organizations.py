"""Organizations at /authorize, in tokens, on refresh and with client credentials."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mock_idp.tenant.loading import ConfigurationError

API = "http://localhost:5555/mcp"
DATABASE = "Username-Password-Authentication"
ACME, BOLT = "org_acme0000000001", "org_bolt0000000001"
Document = dict[str, Any]


def organizations(usage: str = "allow", **client: Any) -> Callable[[Document], None]:
    """Two organizations with the database, and a client that may use them."""

    def change(file: Document) -> None:
        enabled = [{"name": DATABASE, "assign_membership_on_login": False, "show_as_button": True}]
        file["organizations"] = [
            {"name": "acme", "display_name": "Acme Inc.", "branding": {}, "connections": enabled},
            {"name": "bolt", "connections": enabled, "client_grants": []},
        ]
        file["clients"][0].update(organization_usage=usage, **client)

    return change


def members(file: Document) -> None:
    file["organizations"] = {
        "acme": {"id": ACME, "members": ["alice@example.com"]},
        "bolt": {"id": BOLT, "members": {"bob@example.com": ["mcp-user"]}},
    }


def both_are_members_of_both(file: Document) -> None:
    everybody = ["alice@example.com", "bob@example.com"]
    file["organizations"] = {"acme": {"id": ACME, "members": everybody}, "bolt": {"id": BOLT, "members": everybody}}


@pytest.fixture
def tenant(start: Any) -> Any:
    return start(organizations(), members)


def refusal(tenant: Any, **parameters: Any) -> tuple[str, str]:
    answer = tenant.callback_parameters(tenant.authorize(**parameters))
    return answer["error"], answer["error_description"]


def test_both_tokens_have_the_id_of_the_organization(tenant: Any) -> None:
    answer = tenant.tokens(organization=ACME)
    for token in (answer["access_token"], answer["id_token"]):
        assert tenant.claims(token)["org_id"] == ACME
        assert "org_name" not in tenant.claims(token)


def test_a_sign_in_without_an_organization_has_no_org_id(tenant: Any) -> None:
    assert "org_id" not in tenant.claims(tenant.tokens()["access_token"])


def test_a_tenant_that_allows_names_accepts_one_and_tokens_have_it(start: Any) -> None:
    def named(file: Document) -> None:
        organizations()(file)
        file["tenant"]["allow_organization_name_in_authentication_api"] = True

    tenant = start(named, members)
    claims = tenant.claims(tenant.tokens(organization="acme")["access_token"])
    assert (claims["org_id"], claims["org_name"]) == (ACME, "acme")
    assert refusal(tenant, organization="cog") == ("invalid_request", "parameter organization is invalid: cog")


def test_a_name_is_refused_if_the_tenant_accepts_only_ids(tenant: Any) -> None:
    described = "authorization request parameter organization must be an organization id"
    assert refusal(tenant, organization="acme") == ("invalid_request", described)


def test_an_unknown_organization_is_refused(tenant: Any) -> None:
    described = "parameter organization is invalid: org_none"
    assert refusal(tenant, organization="org_none") == ("invalid_request", described)


def test_a_client_for_individuals_may_not_name_an_organization(start: Any) -> None:
    tenant = start(organizations("deny"), members)
    described = "parameter organization is not allowed for this client"
    assert refusal(tenant, organization=ACME) == ("invalid_request", described)


def test_a_client_that_requires_an_organization_must_name_it(start: Any) -> None:
    tenant = start(organizations("require"), members)
    assert refusal(tenant) == ("invalid_request", "parameter organization is required for this client")
    assert tenant.claims(tenant.tokens(organization=ACME)["access_token"])["org_id"] == ACME


def test_an_invitation_is_refused(tenant: Any) -> None:
    described = "invitation not found or already used"
    assert refusal(tenant, organization=ACME, invitation="t") == ("invalid_request", described)


def test_a_user_who_is_no_member_is_refused_at_the_callback(tenant: Any) -> None:
    response = tenant.follow(tenant.log_in(tenant.authorize(organization=ACME), "bob@example.com"))
    answer = tenant.callback_parameters(response)
    described = f"user auth0|65b0b0000000000000000002 is not part of the {ACME} organization"
    assert (answer["error"], answer["error_description"]) == ("access_denied", described)


def test_a_session_does_not_make_its_user_a_member(tenant: Any) -> None:
    tenant.sign_in()
    answer = tenant.callback_parameters(tenant.authorize(organization=BOLT, prompt="none"))
    assert answer["error"] == "access_denied"
    assert f"is not part of the {BOLT} organization" in answer["error_description"]


def test_a_connection_can_make_its_users_members_at_their_first_sign_in(start: Any) -> None:
    def joining(file: Document) -> None:
        organizations()(file)
        file["organizations"][0]["connections"] = [{"name": DATABASE, "assign_membership_on_login": True}]

    tenant = start(joining, members)
    assert tenant.claims(tenant.tokens("bob@example.com", organization=ACME)["access_token"])["org_id"] == ACME
    bob = tenant.idp.tenant.user_by_email("bob@example.com")
    assert {each.name for each in tenant.idp.tenant.organizations_of(bob)} == {"acme", "bolt"}
    assert tenant.idp.tenant.organizations[ACME].members["alice@example.com"] == ()


def test_an_organization_without_a_connection_of_the_client_is_refused(start: Any) -> None:
    def unconnected(file: Document) -> None:
        organizations()(file)
        file["organizations"][0]["connections"] = [{"name": "google-oauth2"}]

    tenant = start(unconnected, members)
    described = "no connections enabled for the organization"
    assert refusal(tenant, organization=ACME) == ("invalid_request", described)


def test_the_role_of_a_member_counts_in_its_organization_only(tenant: Any) -> None:
    inside = tenant.claims(tenant.tokens("bob@example.com", organization=BOLT)["access_token"])
    assert (inside["permissions"], inside["scope"].split()) == (
        ["access:mcp"],
        ["openid", "profile", "email", "access:mcp"],
    )
    outside = tenant.claims(tenant.browser().tokens("bob@example.com")["access_token"])
    assert outside["permissions"] == []
    assert "access:mcp" not in outside["scope"].split()


def test_a_refresh_keeps_the_organization_until_its_member_leaves(tenant: Any) -> None:
    token = tenant.tokens(organization=ACME, scope="openid access:mcp offline_access")["refresh_token"]
    answer = tenant.token(grant_type="refresh_token", refresh_token=token).json()
    assert tenant.claims(answer["access_token"])["org_id"] == ACME
    assert tenant.claims(answer["id_token"])["org_id"] == ACME
    left = {"offline": {"organizations": {"acme": {"members": []}}}}
    assert tenant.http.patch("/__mock__/configuration", json=left).status_code == 200
    refused = tenant.token(grant_type="refresh_token", refresh_token=token)
    assert refused.status_code == 403
    assert f"is not part of the {ACME} organization" in refused.json()["error_description"]


# The page that asks for the organization.


def state_of(response: Any) -> str:
    page = urlsplit(response.headers["location"])
    assert (response.status_code, page.path) == (302, "/u/organization")
    return parse_qs(page.query)["state"][0]


def choose(tenant: Any, response: Any, name: str) -> Any:
    form = {"state": state_of(response), "organization": name}
    return tenant.follow(tenant.http.post(response.headers["location"], data=form))


def test_the_tenant_asks_for_the_organization_before_the_login(start: Any) -> None:
    tenant = start(organizations("require", organization_require_behavior="pre_login_prompt"), members)
    response = tenant.authorize()
    page = tenant.http.get(response.headers["location"])
    assert (page.status_code, "Enter Your Organization" in page.text) == (200, True)
    wrong = tenant.http.post(response.headers["location"], data={"state": state_of(response), "organization": "cog"})
    assert (wrong.status_code, "There is no such organization" in wrong.text) == (400, True)
    login = choose(tenant, response, " ACME ")
    response = tenant.follow(tenant.log_in(login))
    if response.headers["location"].startswith("/u/consent"):
        response = tenant.follow(tenant.decide(response))
    answer = tenant.redeem(tenant.callback_parameters(response)["code"]).json()
    assert tenant.claims(answer["access_token"])["org_id"] == ACME


def test_a_user_of_several_organizations_picks_one_after_the_login(start: Any) -> None:
    change = organizations("require", organization_require_behavior="post_login_prompt")
    tenant = start(change, both_are_members_of_both)
    response = tenant.follow(tenant.log_in(tenant.authorize()))
    page = tenant.http.get(response.headers["location"]).text
    assert re.findall(r'name="organization" value="(\w+)">([^<]+)<', page) == [("acme", "Acme Inc."), ("bolt", "bolt")]
    response = choose(tenant, response, "bolt")
    response = tenant.follow(tenant.decide(response))
    answer = tenant.redeem(tenant.callback_parameters(response)["code"]).json()
    assert tenant.claims(answer["id_token"])["org_id"] == BOLT


def test_a_user_of_one_organization_is_not_asked(start: Any) -> None:
    tenant = start(organizations("require", organization_require_behavior="post_login_prompt"), members)
    assert tenant.claims(tenant.tokens()["access_token"])["org_id"] == ACME


def test_a_user_of_no_organization_cannot_sign_in_where_one_is_required(start: Any) -> None:
    tenant = start(organizations("require", organization_require_behavior="post_login_prompt"))
    answer = tenant.callback_parameters(tenant.follow(tenant.log_in(tenant.authorize())))
    described = "client requires organization membership, but user does not belong to any organization"
    assert (answer["error"], answer["error_description"]) == ("invalid_request", described)


def test_a_silent_sign_in_cannot_ask_for_the_organization(start: Any) -> None:
    change = organizations("require", organization_require_behavior="pre_login_prompt")
    tenant = start(change, members)
    tenant.tokens(organization=ACME)
    assert refusal(tenant, prompt="none")[0] == "interaction_required"


def test_the_page_does_not_replace_the_organization_of_the_request(start: Any) -> None:
    change = organizations("require", organization_require_behavior="post_login_prompt")
    tenant = start(change, both_are_members_of_both)
    login = tenant.authorize(organization=ACME)
    state = parse_qs(urlsplit(login.headers["location"]).query)["state"][0]
    response = tenant.log_in(login)
    tenant.http.post(f"/u/organization?state={state}", data={"state": state, "organization": "bolt"})
    response = tenant.follow(tenant.decide(tenant.follow(response)))
    answer = tenant.redeem(tenant.callback_parameters(response)["code"]).json()
    assert tenant.claims(answer["access_token"])["org_id"] == ACME


def test_another_browser_cannot_choose(start: Any) -> None:
    tenant = start(organizations("require", organization_require_behavior="pre_login_prompt"), members)
    response = tenant.authorize()
    form = {"state": state_of(response), "organization": "acme"}
    assert tenant.browser().http.post(response.headers["location"], data=form).status_code == 400


def test_consent_is_given_for_one_organization(start: Any) -> None:
    tenant = start(organizations(), both_are_members_of_both)
    tenant.tokens(organization=ACME)
    again = tenant.follow(tenant.authorize(organization=BOLT))
    assert again.headers["location"].startswith("/u/consent")


# Third-party applications.


@pytest.mark.parametrize("access", ["allow", "deny"])
def test_a_third_party_application_needs_the_consent_of_the_organization(start: Any, access: str) -> None:
    def third_party(file: Document) -> None:
        organizations(is_first_party=False, redirection_policy="allow_always")(file)
        file["organizations"][0]["third_party_client_access"] = access
        file["databases"][0]["is_domain_connection"] = True
        grant = {"default_for": "third_party_clients", "audience": API, "subject_type": "user", "scope": ["access:mcp"]}
        file["clientGrants"].append(grant)

    tenant = start(third_party, members)
    if access == "deny":
        assert refusal(tenant, organization=ACME) == ("invalid_request", f"parameter organization is invalid: {ACME}")
    else:
        assert tenant.claims(tenant.tokens(organization=ACME)["access_token"])["org_id"] == ACME


# Client credentials.


def machine(start: Any, usage: str, *, any_organization: bool = False, granted: bool = False, **client: Any) -> Any:
    def change(file: Document) -> None:
        organizations()(file)
        file["clientGrants"][0].update(organization_usage=usage, allow_any_organization=any_organization)
        if granted:
            file["organizations"][0]["client_grants"] = [{"client_id": "Gatehouse machine"}]
        file["clients"][1].update(client)

    return start(change, members)


def machine_token(tenant: Any, organization: str | None = None) -> Any:
    parameters = {"grant_type": "client_credentials", "audience": API, "organization": organization}
    return tenant.token(tenant.machine, **parameters)


@pytest.mark.parametrize("how", [{"any_organization": True}, {"granted": True}])
def test_a_machine_gets_a_token_for_an_organization(start: Any, how: Document) -> None:
    tenant = machine(start, "allow", **how)
    assert tenant.claims(machine_token(tenant, ACME).json()["access_token"])["org_id"] == ACME
    assert "org_id" not in tenant.claims(machine_token(tenant).json()["access_token"])


def test_a_machine_gets_no_token_for_an_organization_without_its_client_grant(start: Any) -> None:
    tenant = machine(start, "allow", granted=True)
    assert machine_token(tenant, BOLT).status_code == 403


def test_a_grant_that_denies_organizations_refuses_the_parameter(start: Any) -> None:
    refused = machine_token(machine(start, "deny", any_organization=True), ACME)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_a_grant_that_requires_an_organization_uses_the_default_of_the_client(start: Any) -> None:
    assert machine_token(machine(start, "require", any_organization=True)).status_code == 400
    default = {"organization_id": ACME, "flows": ["client_credentials"]}
    tenant = machine(start, "require", any_organization=True, default_organization=default)
    assert tenant.claims(machine_token(tenant).json()["access_token"])["org_id"] == ACME
    assert (
        machine_token(tenant, "org_none").json()["error_description"] == "parameter organization is invalid: org_none"
    )


# The files.


@pytest.mark.parametrize(
    ("issued", "line"),
    [
        ({"cog": {}}, "organizations.cog: there is no organization 'cog'; there are: 'acme', 'bolt'"),
        (
            {"acme": {"members": ["eve@example.com"]}},
            "organizations.acme.members: there is no user 'eve@example.com'; "
            "there are: 'alice@example.com', 'bob@example.com'",
        ),
        (
            {"acme": {"members": {"bob@example.com": ["admin"]}}},
            "organizations.acme.members: there is no role 'admin'; there are: 'mcp-user'",
        ),
    ],
)
def test_a_mistake_in_the_members_is_named(start: Any, issued: Document, line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        start(organizations(), lambda file: file.update(organizations=issued))
    assert raised.value.lines == [f"offline.yaml: {line}"]


def test_an_organization_that_the_offline_file_does_not_name_has_the_same_id_every_time(start: Any) -> None:
    first, second = start(organizations()), start(organizations())
    assert first.idp.tenant.organizations.keys() == second.idp.tenant.organizations.keys()
    assert all(re.fullmatch(r"org_\w{16}", each) for each in first.idp.tenant.organizations)


def test_members_go_with_their_user_and_roles_with_their_role(tenant: Any) -> None:
    assert tenant.http.delete("/__mock__/users/alice@example.com").status_code == 204
    assert tenant.http.delete("/__mock__/roles/mcp-user").status_code == 204
    issued = tenant.idp.configuration.offline_file.organizations
    assert (issued["acme"].members, issued["bolt"].members) == ([], {"bob@example.com": []})


def as_manager(start: Any) -> Any:
    """A call of the Management API of a tenant that has organizations and claims."""

    def change(file: Document) -> None:
        organizations()(file)
        file["organizations"][0]["client_grants"] = [{"client_id": "Gatehouse machine"}]

    def offline(file: Document) -> None:
        members(file)
        file["management_clients"] = [{"name": "D", "client_id": "D", "client_secret": "s"}]
        stated = {"access_token": {"a": 1}}
        file["claims"] = {"users": {"bob@example.com": stated}, "clients": {"Gatehouse machine": stated}}

    tenant = start(change, offline)
    audience = "http://localhost:9000/api/v2/"
    token = tenant.token(("D", "s"), grant_type="client_credentials", audience=audience).json()["access_token"]

    def call(method: str, path: str, body: Document) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return tenant.http.request(method, f"/api/v2/{path}", json=body, headers=headers)

    return tenant, call


def test_members_and_claims_follow_a_user_with_a_new_email(start: Any) -> None:
    tenant, call = as_manager(start)
    answer = call("PATCH", "users/auth0|65b0b0000000000000000002", {"email": "robert@example.com"})
    assert answer.status_code == 200, answer.text
    file = tenant.idp.configuration.offline_file
    assert file.organizations["bolt"].members == {"robert@example.com": ["mcp-user"]}
    assert list(file.claims.users) == ["robert@example.com"]


def test_client_grants_of_organizations_and_claims_follow_a_renamed_client(start: Any) -> None:
    tenant, call = as_manager(start)
    answer = call("PATCH", f"clients/{tenant.machine[0]}", {"name": "Renamed"})
    assert answer.status_code == 200, answer.text
    configuration = tenant.idp.configuration
    assert configuration.tenant_file.organizations[0].client_grants[0].client_id == "Renamed"
    assert list(configuration.offline_file.claims.clients) == ["Renamed"]


def test_the_roles_of_members_follow_a_renamed_role(start: Any) -> None:
    tenant, call = as_manager(start)
    role = call("GET", "roles", {}).json()[0]["id"]
    assert call("PATCH", f"roles/{role}", {"name": "user"}).status_code == 200
    assert tenant.idp.configuration.offline_file.organizations["bolt"].members == {"bob@example.com": ["user"]}


def test_nothing_refers_to_users_that_go_with_the_last_connection(start: Any) -> None:
    tenant, _ = as_manager(start)
    assert tenant.http.delete(f"/__mock__/databases/{DATABASE}").status_code == 204
    file = tenant.idp.configuration.offline_file
    assert (file.users, file.claims.users, file.organizations["bolt"].members) == ([], {}, {})


@pytest.mark.parametrize("usage", ["allow", "require"])
def test_a_password_and_a_device_cannot_use_organizations(start: Any, usage: str) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"

    def change(file: Document) -> None:
        organizations(usage)(file)
        file["clients"][0]["grant_types"] += ["password", device]
        file["tenant"]["default_directory"] = DATABASE

    tenant = start(change, members)
    person = {"username": "alice@example.com", "password": "Wonderland-1", "audience": API}
    by_password = tenant.token(grant_type="password", **person)
    body = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "audience": API}
    for refused in (by_password, tenant.http.post("/oauth/device/code", data=body)):
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        assert "is not compatible with organizations" in refused.json()["error_description"]
