"""Everything that does not work: the sentence, the exit code, and that the browser does not open again for it."""

from __future__ import annotations

import base64
import json
import socket

import pytest

from gatehouse_client.causes.catalogue import ENTRIES
from gatehouse_client.signin.protocol.challenge import Challenge
from gatehouse_client.signin.refusals import forbidden, refused_token
from gatehouse_client.storage.grant import Grant
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command


def test_who_lacks_the_permission_is_told_which_one_and_who_can_grant_it(stack: FakeStack, command: Command) -> None:
    stack.permissions, stack.person = frozenset(), "bob@example.com"
    result = command("tools")
    assert (result.exit_code, result.stdout) == (4, "")
    last = result.stderr.splitlines()[-1]
    assert "The permission access:mcp is missing" in last
    assert "Signed in as bob@example.com." in last
    assert "administrator" in last
    assert "User Management > Users" in last


def test_a_machine_that_lacks_the_permission_is_told_where_applications_get_it() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "machine@clients"}).encode()).decode().rstrip("=")
    grant = Grant.model_validate(
        {
            **dict.fromkeys(("server", "resource", "issuer", "client_id", "token_endpoint"), "https://x.example/"),
            "token_endpoint_auth_method": "none",
            "access_token": f"e30.{claims}.s",
            "obtained_at": 1.0,
        }
    )
    challenge = Challenge("bearer", {"error": "insufficient_scope", "scope": "time:read"})
    told = str(forbidden("https://x.example/", grant, challenge, "access:mcp"))
    assert "The permission time:read is missing" in told
    assert "Signed in as machine@clients" in told
    assert "Applications > APIs" in told


def test_a_refusal_opens_the_browser_once_and_not_again_in_the_next_run(stack: FakeStack, command: Command) -> None:
    stack.permissions = frozenset()
    assert command("tools").exit_code == 4
    assert command("tools").exit_code == 4
    assert len(stack.entries("authorize")) == 1


def test_a_role_that_was_given_since_counts_without_a_browser(stack: FakeStack, command: Command) -> None:
    stack.permissions = frozenset()
    assert command("tools").exit_code == 4
    stack.permissions = frozenset({"access:mcp"})
    assert command("tools").exit_code == 0
    assert len(stack.entries("authorize")) == 1


def test_a_tool_with_a_permission_of_its_own_leads_to_one_step_up_with_the_union(
    stack: FakeStack, command: Command
) -> None:
    stack.permission_of_tool = {"get_time": "time:read"}
    stack.permissions = frozenset({"access:mcp", "time:read"})
    assert command("call", "add", "a=1", "b=2").exit_code == 0
    assert command("call", "get_time").exit_code == 0
    scopes = [set(entry["scope"].split()) for entry in stack.entries("authorize")]
    assert scopes == [{"access:mcp", "offline_access"}, {"access:mcp", "offline_access", "time:read"}]


def test_a_step_up_that_is_not_granted_stops_and_leaves_the_rest_usable(stack: FakeStack, command: Command) -> None:
    stack.permission_of_tool = {"get_time": "time:read"}
    result = command("call", "get_time")
    assert result.exit_code == 4
    assert "The permission time:read is missing" in result.stderr
    assert len(stack.entries("authorize")) == 2
    assert command("call", "add", "a=1", "b=2").exit_code == 0
    assert len(stack.entries("authorize")) == 2


def test_a_denied_sign_in_exits_with_3_and_shows_it_in_the_browser_too(stack: FakeStack, command: Command) -> None:
    stack.deny = ("access_denied", "User did not authorize the request")
    result = command("login")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "access_denied: User did not authorize the request" in result.stderr
    assert command.signed_in.wait(10), "the browser shows the page a moment after the command ends"
    assert "Not signed in" in command.pages[0]


def test_an_unknown_api_is_explained(stack: FakeStack, command: Command) -> None:
    stack.deny = ("access_denied", "Service not found: http://wrong/")
    assert "Set AUTH0_AUDIENCE to the Identifier of an API" in command("login").stderr


def test_a_wrong_secret_is_explained(stack: FakeStack, command: Command) -> None:
    stack.token_answer = (401, {"error": "access_denied", "error_description": "Unauthorized"})
    result = command("login")
    assert result.exit_code == 3
    assert "Set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET to the values of the application." in result.stderr


def test_an_answer_of_another_issuer_is_not_believed(stack: FakeStack, command: Command) -> None:
    stack.answer_iss = "https://evil.example/"
    stack.deny = ("access_denied", "call 555-0100 now")
    result = command("login")
    assert result.exit_code == 3
    assert "it is not used" in result.stderr
    assert command.signed_in.wait(10)
    assert "555-0100" not in result.output + command.pages[0]
    assert stack.entries("code") == []


def test_credentials_are_not_sent_to_a_tenant_that_they_do_not_belong_to(stack: FakeStack, command: Command) -> None:
    result = command("login", AUTH0_ISSUER="https://mine.example/")
    assert result.exit_code == 3
    assert f"The server names the authorization server {stack.issuer}" in result.stderr
    assert stack.entries("authorize") == []


def test_a_tenant_without_pkce_is_refused(stack: FakeStack, command: Command) -> None:
    stack.tenant_overrides = {"code_challenge_methods_supported": "absent"}
    result = command("login")
    assert result.exit_code == 3
    assert "PKCE" in result.stderr
    assert stack.entries("authorize") == []


def test_a_token_that_the_server_refuses_at_once_does_not_open_the_browser_again(
    stack: FakeStack, command: Command
) -> None:
    stack.issue_refresh_tokens = False
    stack.lifetime = -1  # the server takes it as expired; the client is not told
    stack.token_answer = (200, {"access_token": "not-for-this-server", "token_type": "Bearer"})
    result = command("tools")
    assert result.exit_code == 3
    assert "refuses the token that was just issued" in result.stderr
    assert len(stack.entries("authorize")) == 1


def test_a_server_that_is_not_there_exits_with_5(command: Command) -> None:
    result = command("tools", MCP_PUBLIC_URL="http://localhost:1/mcp")
    assert result.exit_code == 5
    assert result.stderr.startswith("The MCP server http://localhost:1/mcp cannot be reached:")
    assert len(result.stderr.splitlines()) == 1


def test_a_tenant_that_is_not_there_exits_with_5(stack: FakeStack, command: Command) -> None:
    stack.resource_overrides = {"authorization_servers": ["http://localhost:1/"]}
    result = command("login")
    assert result.exit_code == 5
    assert "The authorization server http://localhost:1 cannot be reached" in result.stderr


@pytest.mark.parametrize("status", [503, 502, 429])
def test_a_server_that_cannot_serve_exits_with_5(stack: FakeStack, command: Command, status: int) -> None:
    stack.server_status = status
    result = command("tools")
    assert result.exit_code == 5
    assert f"it answered {status}" in result.stderr


def test_an_address_without_an_mcp_server_is_explained(stack: FakeStack, command: Command) -> None:
    result = command("login", MCP_PUBLIC_URL=stack.server.replace("/mcp", "/wrong"))
    assert result.exit_code == 5
    assert "answered 404" in result.stderr


def test_a_taken_callback_port_is_one_clear_line(command: Command) -> None:
    port = int(command.variables["OAUTH_CALLBACK_URI"].split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        result = command("login")
    assert result.exit_code == 2
    assert f"Port {port}, which the sign-in's callback needs, is taken" in result.stderr


def test_nobody_signing_in_ends_with_a_sentence(command: Command) -> None:
    command.monkeypatch.setattr("webbrowser.open", lambda _: False)
    result = command("login", OAUTH_CALLBACK_TIMEOUT="0.2")
    assert result.exit_code == 3
    assert "No browser could be opened here" in result.stderr
    assert "Nobody signed in within the time limit" in result.stderr


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        (("access_denied", "Service not found: http://wrong/"), "api"),
        (("invalid_request", "no connections enabled for the client"), "connection"),
        (("invalid_request", 'Client is not authorized to access resource server "x"'), "client-grant"),
        (("unauthorized_client", "Grant type 'authorization_code' not allowed for the client."), "grant-types"),
    ],
)
def test_a_refusal_of_the_tenant_names_the_check_of_the_doctor(
    stack: FakeStack, command: Command, answer: tuple[str, str], check: str
) -> None:
    stack.deny = answer
    result = command("login")
    assert result.exit_code == 3
    assert ENTRIES[check].advice in result.stderr
    assert f"gatehouse doctor --explain {check}" in result.stderr


@pytest.mark.parametrize(
    ("description", "check"),
    [
        ("The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience.", "token"),
        ("The token is not for http://localhost:5555/mcp.", "token-audience"),
        ("The token is not from https://tenant.example/.", "issuer"),
        ("Only RS256 signatures are accepted.", "token-algorithm"),
        ("The token is signed with a key that the issuer does not publish.", "token-signature"),
        ("It is Tuesday.", "accepted"),
    ],
)
def test_a_refused_token_names_the_check_of_the_doctor(description: str, check: str) -> None:
    challenge = Challenge("bearer", {"error": "invalid_token", "error_description": description})
    told = str(refused_token("https://x.example/mcp", None, challenge))
    assert description.rstrip(".") in told
    assert told.endswith(f"(More: gatehouse doctor --explain {check})")


def test_a_missing_permission_names_the_check_of_the_doctor() -> None:
    challenge = Challenge("bearer", {"error": "insufficient_scope", "scope": "time:read"})
    assert "gatehouse doctor --explain role" in str(forbidden("https://x.example/", None, challenge, "access:mcp"))


def test_a_host_name_that_the_server_does_not_take_names_the_check_of_the_doctor(
    stack: FakeStack, command: Command
) -> None:
    stack.server_status = 421
    result = command("tools")
    assert result.exit_code == 5
    assert "answered 421" in result.stderr
    assert "MCP_ALLOWED_HOSTS" in result.stderr
    assert "gatehouse doctor --explain hosts" in result.stderr
