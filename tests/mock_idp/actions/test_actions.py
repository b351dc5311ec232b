"""Actions of the tenant file, as they are written for Auth0, run by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from mock_idp.actions.node import Node

pytestmark = pytest.mark.usefixtures("installed_node")

API = "http://localhost:5555/mcp"
PLAN = "https://gatehouse.example/plan"
Document = dict[str, Any]


def action(name: str, body: str, function: str = "onExecutePostLogin", **members: Any) -> Document:
    code = f"exports.{function} = async (event, api) => {{\n{body}\n}};\n"
    return {"name": name, "code": code, "deployed": True, "secrets": [], "runtime": "node22", **members}


def with_actions(*actions: Document, trigger: str = "post-login") -> Callable[[Document], None]:
    def change(file: Document) -> None:
        file["actions"] = list(actions)
        bindings = [{"action_name": each["name"], "display_name": each["name"]} for each in actions]
        file["triggers"] = {trigger: bindings, "send-phone-message": []}

    return change


@pytest.fixture
def play(start: Any) -> Iterator[Any]:
    """Start a tenant with one post-login Action that has this body."""
    started = []

    def play(body: str, *, offline: Callable[[Document], None] | None = None, **members: Any) -> Any:
        tenant = start(with_actions(action("Add claims", body, **members)), offline)
        started.append(tenant)
        return tenant

    yield play
    for tenant in started:
        tenant.idp.node.close()


def refused(tenant: Any, **parameters: Any) -> tuple[str, str]:
    answer = tenant.callback_parameters(tenant.follow(tenant.log_in(tenant.authorize(**parameters))))
    return answer["error"], answer["error_description"]


def event_of(play: Any, path: str, email: str = "alice@example.com", **parameters: Any) -> Any:
    """What an Action sees: the value of `path`, through a claim."""
    tenant = play(f"api.accessToken.setCustomClaim('{PLAN}', {path});")
    return tenant.claims(tenant.tokens(email, **parameters)["access_token"])[PLAN]


def test_an_action_adds_claims_to_both_tokens(play: Any) -> None:
    tenant = play(
        f"""
        const roles = event.authorization.roles;
        api.accessToken.setCustomClaim('{PLAN}/roles', roles).idToken.setCustomClaim('{PLAN}/roles', roles);
        api.idToken.setCustomClaim('employee', {{ id: 7 }});
        """
    )
    answer = tenant.tokens()
    access, identity = tenant.claims(answer["access_token"]), tenant.claims(answer["id_token"])
    assert access[f"{PLAN}/roles"] == identity[f"{PLAN}/roles"] == ["mcp-user"]
    assert identity["employee"] == {"id": 7}
    assert "employee" not in access


def test_an_action_overrides_the_claims_of_the_offline_file(play: Any) -> None:
    def stated(file: Document) -> None:
        file["claims"] = {"users": {"alice@example.com": {"access_token": {"a": "file", "b": "file"}}}}

    tenant = play("api.accessToken.setCustomClaim('b', 'action');", offline=stated)
    token = tenant.claims(tenant.tokens()["access_token"])
    assert (token["a"], token["b"]) == ("file", "action")


def test_reserved_claims_of_an_action_are_dropped_and_said_in_the_log(play: Any) -> None:
    tenant = play("api.accessToken.setCustomClaim('sub', 'x').accessToken.setCustomClaim('roles', ['admin']);")
    token = tenant.claims(tenant.tokens()["access_token"])
    assert token["sub"].startswith("auth0|")
    assert "roles" not in token
    assert "does not add: accessToken: sub, accessToken: roles" in tenant.idp.log.events[-1].details


def test_an_action_denies_access_with_its_reason(play: Any) -> None:
    tenant = play("if (!event.user.email.endsWith('@corp.example')) return api.access.deny('Only for employees.');")
    assert refused(tenant) == ("access_denied", "Only for employees.")


def test_no_action_runs_after_one_that_denies(start: Any) -> None:
    first, second = action("First", "api.access.deny('no');"), action("Second", "throw new Error('ran');")
    tenant = start(with_actions(first, second))
    assert refused(tenant) == ("access_denied", "no")


def test_an_error_of_an_action_ends_the_sign_in_and_the_log_has_its_place(play: Any) -> None:
    tenant = play("\nthrow new Error('no such plan');")
    assert refused(tenant) == ("access_denied", "no such plan")
    details = tenant.idp.log.events[-1].details
    assert "Action 'Add claims', line 3: no such plan" in details


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("api.redirect.sendUserTo('https://x.example/');", "api.redirect.sendUserTo()"),
        ("api.multifactor.enable('any');", "api.multifactor.enable()"),
        ("api.authentication.challengeWith({ type: 'otp' });", "api.authentication.challengeWith()"),
        ("await fetch('https://x.example/');", "fetch()"),
        ("require('axios');", 'require("axios")'),
        ("require('fs').readFileSync('/etc/passwd');", 'require("fs")'),
        ("require('node:net').connect(80);", 'require("node:net")'),
        ("require('child_process').execSync('id');", 'require("child_process")'),
    ],
)
def test_what_an_action_calls_and_is_not_here_is_named(play: Any, body: str, name: str) -> None:
    error, description = refused(play(body))
    assert error == "access_denied"
    assert f"{name} is not available in the offline tenant" in description


def test_an_action_may_ask_whether_something_is_there(play: Any) -> None:
    assert event_of(play, "typeof api.redirect.sendUserTo") == "function"


# The event.


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("event.user.user_id", "auth0|65a11ce00000000000000001"),
        ("event.user.email", "alice@example.com"),
        ("event.user.name", "Alice Adams"),
        ("event.user.nickname", "alice"),
        ("[event.user.app_metadata, event.user.user_metadata]", [{}, {}]),
        ("event.user.password === undefined", True),
        ("event.client.client_id", "GatehouseAgentDemoClient00000000"),
        ("event.client.name", "Gatehouse agent"),
        ("event.connection.name", "Username-Password-Authentication"),
        ("event.resource_server.identifier", API),
        ("event.request.query.audience", API),
        ("event.request.query.plan", "gold"),
        ("event.request.method", "GET"),
        ("event.request.ip", "127.0.0.1"),
        ("event.request.hostname", "localhost"),
        ("event.transaction.protocol", "oidc-basic-profile"),
        ("event.transaction.requested_scopes", ["openid", "access:mcp"]),
        ("event.transaction.redirect_uri", "http://localhost:5000/callback"),
        ("event.transaction.state", "s-1"),
        ("event.stats.logins_count", 1),
        ("event.authentication.methods[0].name", "pwd"),
        ("event.organization === undefined", True),
        ("event.user instanceof Object && Array.isArray(event.authorization.roles)", True),
    ],
)
def test_the_event_has(play: Any, path: str, value: Any) -> None:
    assert event_of(play, path, scope="openid access:mcp", plan="gold") == value


def test_the_event_has_the_connection_of_the_request(start: Any) -> None:
    def change(file: Document) -> None:
        with_actions(action("Add", f"api.accessToken.setCustomClaim('{PLAN}', event.connection.name);"))(file)
        file["databases"].append({"name": "Staff", "strategy": "auth0", "enabled_clients": ["Gatehouse agent"]})

    tenant = start(change)
    try:
        assert tenant.claims(tenant.tokens(connection="Staff")["access_token"])[PLAN] == "Staff"
    finally:
        tenant.idp.node.close()


def test_the_event_has_the_organization_and_the_roles_there(start: Any) -> None:
    def organization(file: Document) -> None:
        body = f"api.idToken.setCustomClaim('{PLAN}', [event.organization, event.authorization.roles]);"
        with_actions(action("A", body))(file)
        enabled = [{"name": "Username-Password-Authentication"}]
        file["organizations"] = [
            {"name": "acme", "display_name": "Acme", "connections": enabled, "metadata": {"t": "1"}}
        ]
        file["clients"][0]["organization_usage"] = "allow"

    def members(file: Document) -> None:
        file["organizations"] = {"acme": {"id": "org_a1", "members": {"bob@example.com": ["mcp-user"]}}}

    tenant = start(organization, members)
    found, roles = tenant.claims(tenant.tokens("bob@example.com", organization="org_a1")["id_token"])[PLAN]
    assert found == {"id": "org_a1", "name": "acme", "display_name": "Acme", "metadata": {"t": "1"}}
    assert roles == ["mcp-user"]


def test_each_action_sees_its_own_secrets_only(start: Any) -> None:
    body = "api.idToken.setCustomClaim(event.secrets.NAME, Object.keys(event.secrets));"
    first = action("First", body, secrets=[{"name": "NAME", "value": "one"}, {"name": "KEY", "value": "k"}])
    second = action("Second", body, secrets=[{"name": "NAME", "value": "two"}])
    tenant = start(with_actions(first, second))
    claims = tenant.claims(tenant.tokens()["id_token"])
    assert (claims["one"], claims["two"]) == (["NAME", "KEY"], ["NAME"])


def test_actions_share_the_metadata_of_the_transaction(start: Any) -> None:
    first = action("First", "api.transaction.setMetadata('risk', { high: true });")
    second = action("Second", "api.idToken.setCustomClaim('risk', event.transaction.metadata.risk);")
    tenant = start(with_actions(first, second))
    assert tenant.claims(tenant.tokens()["id_token"])["risk"] == {"high": True}


def test_the_count_of_logins_grows_with_each_sign_in(play: Any) -> None:
    tenant = play("api.idToken.setCustomClaim('count', event.stats.logins_count);")
    assert [tenant.claims(tenant.browser().tokens()["id_token"])["count"] for _ in range(2)] == [1, 2]


def test_a_date_in_the_metadata_of_a_file_is_a_text(play: Any) -> None:
    def dated(file: Document) -> None:
        file["users"][0]["app_metadata"] = {"since": date(2026, 1, 1)}

    tenant = play("api.idToken.setCustomClaim('since', event.user.app_metadata.since);", offline=dated)
    assert tenant.claims(tenant.tokens()["id_token"])["since"] == "2026-01-01"


# Scopes and metadata.


def test_an_action_changes_the_scopes(play: Any) -> None:
    tenant = play("api.accessToken.addScope('plan:gold').accessToken.removeScope('access:mcp');")
    answer = tenant.tokens(scope="openid access:mcp")
    assert answer["scope"].split() == ["openid", "plan:gold"]
    assert tenant.claims(answer["access_token"])["scope"].split() == ["openid", "plan:gold"]


def test_a_scope_with_spaces_is_not_several_scopes(play: Any) -> None:
    tenant = play("api.accessToken.addScope('a admin:all');")
    assert "admin:all" not in tenant.tokens()["scope"].split()


def test_an_action_that_removes_offline_access_prevents_a_refresh_token(play: Any) -> None:
    tenant = play("api.accessToken.removeScope('offline_access');")
    assert "refresh_token" not in tenant.tokens(scope="openid access:mcp offline_access")


@pytest.mark.parametrize("end", ["", "api.access.deny('no');"])
def test_metadata_is_kept_also_after_a_denial(play: Any, end: str) -> None:
    tenant = play(
        f"""
        api.user.setAppMetadata('plan', 'gold').user.setUserMetadata('seen', [1]);
        api.user.setAppMetadata('old', null);
        {end}
        """,
        offline=lambda file: file["users"][0].update(app_metadata={"old": 1, "kept": 2}),
    )
    tenant.follow(tenant.log_in(tenant.authorize()))
    alice = tenant.idp.tenant.user_by_email("alice@example.com")
    assert alice.app_metadata == {"kept": 2, "plan": "gold"}
    assert alice.user_metadata == {"seen": [1]}


# When Actions run.


def test_actions_run_again_on_a_refresh(play: Any) -> None:
    tenant = play(
        """
        api.accessToken.setCustomClaim('protocol', event.transaction.protocol);
        api.accessToken.setCustomClaim('body', Object.keys(event.request.body).sort().join());
        """
    )
    first = tenant.tokens(scope="openid access:mcp offline_access")
    assert tenant.claims(first["access_token"])["protocol"] == "oidc-basic-profile"
    again = tenant.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    claims = tenant.claims(again["access_token"])
    assert (claims["protocol"], claims["body"]) == ("oauth2-refresh-token", "client_id,grant_type")


def test_an_action_sees_the_refresh_policies_of_the_client_and_the_picture_of_the_user(start: Any) -> None:
    seen = "[event.client.refresh_token?.policies ?? null, event.user.picture]"
    change = with_actions(action("Look", f"api.accessToken.setCustomClaim('{PLAN}', {seen});"))

    def with_policies(file: Document) -> None:
        change(file)
        file["clients"][0]["refresh_token"] = {"policies": [{"audience": API, "scope": ["access:mcp"]}]}

    for edit, policies in ((change, None), (with_policies, [{"audience": API, "scope": ["access:mcp"]}])):
        tenant = start(edit)
        found, picture = tenant.claims(tenant.tokens()["access_token"])[PLAN]
        tenant.idp.node.close()
        assert found == policies
        assert picture.startswith("https://s.gravatar.com/avatar/")


def test_a_refresh_that_an_action_denies_fails(play: Any) -> None:
    tenant = play("if (event.transaction.protocol === 'oauth2-refresh-token') api.access.deny('Sign in again.');")
    token = tenant.tokens(scope="openid access:mcp offline_access")["refresh_token"]
    answer = tenant.token(grant_type="refresh_token", refresh_token=token)
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert answer.json()["error_description"] == "Sign in again."


def test_a_silent_sign_in_runs_the_actions(play: Any) -> None:
    tenant = play("if (event.transaction.prompt.includes('none')) api.access.deny('silent');")
    tenant.sign_in()
    assert tenant.callback_parameters(tenant.authorize(prompt="none"))["error_description"] == "silent"


def test_actions_run_once_in_a_sign_in_with_several_pages(play: Any) -> None:
    tenant = play("api.user.setAppMetadata('runs', (event.user.app_metadata.runs || 0) + 1);")
    tenant.tokens()
    assert tenant.idp.tenant.user_by_email("alice@example.com").app_metadata == {"runs": 1}


def test_actions_run_for_a_device(start: Any) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"

    def change(file: Document) -> None:
        with_actions(action("A", "api.accessToken.setCustomClaim('protocol', event.transaction.protocol);"))(file)
        file["clients"][0]["grant_types"].append(device)

    tenant = start(change)
    body = {"client_id": tenant.agent[0], "client_secret": tenant.agent[1], "audience": API, "scope": "access:mcp"}
    codes = tenant.http.post("/oauth/device/code", data=body).json()
    page = tenant.follow(tenant.http.post("/activate", data={"user_code": codes["user_code"]}))
    tenant.follow(tenant.decide(tenant.follow(tenant.log_in(page))))
    answer = tenant.token(grant_type=device, device_code=codes["device_code"]).json()
    assert tenant.claims(answer["access_token"])["protocol"] == "oauth2-device-code"


def by_password(start: Any, body: str) -> Any:
    def change(file: Document) -> None:
        with_actions(action("A", body))(file)
        file["tenant"]["default_directory"] = "Username-Password-Authentication"
        file["clients"][0]["grant_types"].append("password")

    tenant = start(change)
    person = {"username": "alice@example.com", "password": "Wonderland-1", "audience": API}
    return tenant, tenant.token(grant_type="password", scope="openid access:mcp offline_access", **person)


def test_actions_run_for_a_password_grant_and_do_not_see_the_password(start: Any) -> None:
    body = """
    api.accessToken.setCustomClaim('seen', [event.transaction.protocol, event.stats.logins_count]);
    api.accessToken.setCustomClaim('password', String(event.request.body.password));
    api.accessToken.removeScope('offline_access');
    """
    tenant, answer = by_password(start, body)
    claims = tenant.claims(answer.json()["access_token"])
    assert (claims["seen"], claims["password"]) == (["oauth2-password", 1], "undefined")
    assert "refresh_token" not in answer.json()


def test_an_action_denies_a_password_grant(start: Any) -> None:
    _, answer = by_password(start, "api.access.deny('Use the page.');")
    assert (answer.status_code, answer.json()["error_description"]) == (403, "Use the page.")


@pytest.mark.parametrize("deployed", [True, False])
def test_only_a_deployed_action_runs(play: Any, deployed: bool) -> None:
    tenant = play(f"api.accessToken.setCustomClaim('{PLAN}', 1);", deployed=deployed)
    assert (PLAN in tenant.claims(tenant.tokens()["access_token"])) is deployed


def test_actions_run_in_the_order_of_the_trigger(start: Any) -> None:
    first, second = (action(name, f"api.idToken.setCustomClaim('last', '{name}');") for name in ("First", "Second"))

    def change(file: Document) -> None:
        with_actions(first, second)(file)
        file["triggers"]["post-login"].reverse()

    tenant = start(change)
    assert tenant.claims(tenant.tokens()["id_token"])["last"] == "First"


# Client credentials.


def machine(start: Any, body: str) -> Any:
    change = with_actions(action("M2M", body, "onExecuteCredentialsExchange"), trigger="credentials-exchange")
    tenant = start(change)
    return tenant, tenant.token(tenant.machine, grant_type="client_credentials", audience=API, plan="gold")


def test_an_action_adds_a_claim_to_the_token_of_a_machine(start: Any) -> None:
    tenant, answer = machine(
        start,
        """
        api.accessToken.setCustomClaim('seen', [event.client.name, event.accessToken.scope, event.request.body.plan]);
        api.accessToken.setCustomClaim('secret', String(event.request.body.client_secret));
        """,
    )
    claims = tenant.claims(answer.json()["access_token"])
    assert claims["seen"] == ["Gatehouse machine", ["access:mcp"], "gold"]
    assert claims["secret"] == "undefined"


@pytest.mark.parametrize(("code", "status"), [("invalid_scope", 400), ("invalid_request", 400), ("server_error", 500)])
def test_an_action_denies_a_machine_with_a_code(start: Any, code: str, status: int) -> None:
    _, answer = machine(start, f"api.access.deny('{code}', 'Not today.');")
    assert (answer.status_code, answer.json()) == (status, {"error": code, "error_description": "Not today."})


def test_an_error_in_an_action_fails_the_request_of_a_machine(start: Any) -> None:
    tenant, answer = machine(start, "null.x;")
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "Action 'M2M', line 2" in tenant.idp.log.events[-1].details


# Without node.


def without_node(start: Any, body: str) -> Any:
    tenant = start(with_actions(action("Add claims", body)))
    tenant.idp.node = Node("off")
    return tenant


def test_without_node_the_sign_in_goes_on_and_the_log_says_what_did_not_run(start: Any) -> None:
    tenant = without_node(start, f"api.accessToken.setCustomClaim('{PLAN}', 1);")
    assert PLAN not in tenant.claims(tenant.tokens()["access_token"])
    warning = next(event for event in tenant.idp.log.events if event.type == "w")
    assert (warning.description, warning.details) == ("Actions that did not run: Add claims", "MOCK_IDP_ACTIONS is off")


def test_the_console_lists_the_actions_that_do_not_run(start: Any) -> None:
    page = without_node(start, "").http.get("/?tab=not_played").text
    assert "actions: Add claims (MOCK_IDP_ACTIONS is off)" in page


# The control API.


def test_the_control_api_runs_no_code_of_its_caller_and_shows_no_secret(play: Any) -> None:
    tenant = play("", secrets=[{"name": "KEY", "value": "live-secret-of-the-environment"}])
    for section in ("actions", "triggers"):
        answer = tenant.http.patch("/__mock__/configuration", json={"tenant": {section: []}})
        assert answer.status_code == 400
        assert "only the tenant file has Actions" in answer.json()["error"]
    shown = tenant.http.get("/__mock__/configuration").text
    assert "KEY" in shown
    assert "live-secret-of-the-environment" not in shown
    assert "live-secret-of-the-environment" not in repr(tenant.idp.configuration)
    assert tenant.http.patch("/__mock__/configuration", json={"offline": {}}).status_code == 200
    assert tenant.idp.tenant.actions["post-login"][0].secrets == {"KEY": "live-secret-of-the-environment"}


def test_a_secret_in_a_console_line_is_replaced(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    tenant = play("console.log('key', event.secrets.KEY);", secrets=[{"name": "KEY", "value": "live-secret"}])
    with caplog.at_level("INFO", logger="mock_idp"):
        tenant.tokens()
    assert "Action 'Add claims': key [secret]" in caplog.messages
