"""The sign-in at providers that do not work like Auth0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

KEYCLOAK = {"OIDC_PROFILE": "keycloak"}


@pytest.fixture
def roles(stack: FakeStack) -> FakeStack:
    """A provider whose permissions are roles, and a server that offers no scope for them."""
    stack.roles, stack.challenge_scope = True, "openid"
    stack.permission_of_tool = {"add": "math:add"}
    return stack


def test_a_role_is_not_requested_as_a_scope(roles: FakeStack, command: Command) -> None:
    assert command("call", "get_time", **KEYCLOAK).exit_code == 0
    (asked,) = roles.entries("authorize")
    assert asked["scope"] == "openid offline_access"


def test_a_missing_role_opens_no_browser_again_and_is_named(roles: FakeStack, command: Command) -> None:
    command("login", **KEYCLOAK)
    for _ in range(2):
        result = command("call", "add", "a=1", "b=2", **KEYCLOAK)
        assert result.exit_code == 4
        assert "The permission math:add is missing" in result.stderr
        assert "Keycloak: Users > the user > Role mapping" in result.stderr
    assert len(roles.entries("authorize")) == 1


def test_a_role_that_was_given_since_counts_after_a_renewal(roles: FakeStack, command: Command) -> None:
    command("login", **KEYCLOAK)
    roles.permissions |= {"math:add"}
    assert command("call", "add", "a=1", "b=2", **KEYCLOAK).exit_code == 0
    assert (len(roles.entries("authorize")), len(roles.entries("refresh"))) == (1, 1)


def test_entra_gets_the_api_in_its_scopes_only(stack: FakeStack, command: Command) -> None:
    stack.permission_of_tool = {"add": "math:add"}
    assert command("login", OIDC_PROFILE="entra").exit_code == 0
    stack.forget_access_tokens()
    assert command("call", "get_time", OIDC_PROFILE="entra").exit_code == 0
    for kind in ("silent", "authorize", "code", "refresh"):
        assert stack.entries(kind), kind
        for entry in stack.entries(kind):
            assert not {"resource", "audience"} & set(entry)


@pytest.mark.parametrize("variables", [{}, KEYCLOAK, {"OIDC_PROFILE": "oidc"}], ids=str)
def test_others_get_it_as_resource_also(stack: FakeStack, command: Command, variables: dict[str, str]) -> None:
    assert command("login", **variables).exit_code == 0
    assert [entry["resource"] for entry in (*stack.entries("authorize"), *stack.entries("code"))] == [stack.server] * 2


def test_pkce_that_is_not_announced_needs_a_setting(stack: FakeStack, command: Command) -> None:
    stack.tenant_overrides["code_challenge_methods_supported"] = "absent"
    refused = command("login")
    assert (refused.exit_code, stack.entries("authorize")) == (3, [])
    assert "OAUTH_PKCE_UNANNOUNCED=1" in refused.stderr
    assert command("login", OAUTH_PKCE_UNANNOUNCED="1").exit_code == 0
    assert stack.entries("authorize")[0]["code_challenge_method"] == "S256"


def test_a_list_of_methods_without_s256_is_refused_in_any_case(stack: FakeStack, command: Command) -> None:
    stack.tenant_overrides["code_challenge_methods_supported"] = ["plain"]
    assert command("login", OAUTH_PKCE_UNANNOUNCED="1").exit_code == 3
    assert stack.entries("authorize") == []


def test_the_method_that_the_tenant_accepts_is_also_used_for_the_renewal(stack: FakeStack, command: Command) -> None:
    stack.refuses_secret_in_form = True
    assert command("login").exit_code == 0
    (file,) = (Path(command.variables["GATEHOUSE_HOME"]) / "tokens").glob("*.json")
    assert json.loads(file.read_text(encoding="utf-8"))["token_endpoint_auth_method"] == "client_secret_basic"
    stack.forget_access_tokens()
    assert command("call", "get_time").exit_code == 0
    assert ["client_secret" in form for form in stack.entries("refresh")] == [False]
