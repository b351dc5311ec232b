"""An error names the party where it arises: the MCP server, the authorization server, or the model."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.client.agent.fake_model_providers import OpenAI, running_provider
from tests.client.fake_stack import FakeStack, Tenant, server_app
from tests.client.run_command import Command
from tests.support.pty_session import CTRL_D
from tests.support.serve_in_thread import serve_in_thread

SELF_REGISTERED = {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": ""}


@dataclass
class Servers:
    """A tenant and an MCP server that a test can stop."""

    stack: FakeStack
    mcp_server: ExitStack


@pytest.fixture
def servers() -> Iterator[Servers]:
    stack = FakeStack()
    with serve_in_thread(Tenant(stack).app()) as tenant, ExitStack() as mcp_server:
        server = mcp_server.enter_context(serve_in_thread(server_app(stack)))
        stack.issuer, stack.server = f"{tenant}/", f"{server}/mcp"
        yield Servers(stack, mcp_server)


@pytest.fixture
def stack(servers: Servers) -> FakeStack:
    return servers.stack


@pytest.mark.parametrize("offline", [True, False], ids=["offline model", "model of a provider"])
def test_in_a_chat_an_mcp_server_that_went_down_is_named_and_not_the_model(
    command: Command, servers: Servers, offline: bool
) -> None:
    assert command("login").exit_code == 0
    with running_provider(OpenAI()) as provider:
        variables = {} if offline else provider.variables()
        with command.on_terminal("chat", **variables) as session:
            session.until("you>")
            session.type("What time is it in Tokyo?")
            session.until("12:00 in Asia/Tokyo")
            session.until("you>")
            servers.mcp_server.close()
            session.type("And in Berlin?")
            session.until(f"The MCP server {servers.stack.server} cannot be reached: ")
            session.until("you>")
            session.type(CTRL_D)
            assert session.end() == 0
    assert "model" not in session.text.split("And in Berlin?")[1]
    assert "Traceback" not in session.text


def test_in_json_the_party_is_a_member_of_the_error(stack: FakeStack, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://localhost:{unused.getsockname()[1]}"
    for arguments in (("tools",), ("ask", "What time is it?")):
        error = json.loads(command("--json", *arguments, MCP_PUBLIC_URL=f"{url}/mcp").stderr)
        assert (error["error"], error["party"]) == ("unreachable", "MCP server")
        assert error["message"].startswith(f"The MCP server {url}/mcp cannot be reached: ")
    stack.resource_overrides = {"authorization_servers": [f"{url}/"]}
    error = json.loads(command("--json", "tools").stderr)
    assert (error["error"], error["party"]) == ("unreachable", "authorization server")


def registered(stack: FakeStack, command: Command) -> None:
    """Sign in as a client that registered itself. Then the provider forgets the client, and the access token ends."""
    stack.tenant_overrides = {"registration_endpoint": f"{stack.issuer}oidc/register"}
    assert command("login", **SELF_REGISTERED).exit_code == 0
    stack.deleted_clients = {"tpc_1"}
    stack.forget_access_tokens()


def test_a_client_that_the_provider_forgot_registers_anew_and_signs_in(stack: FakeStack, command: Command) -> None:
    registered(stack, command)
    result = command("call", "get_time", **SELF_REGISTERED)
    assert (result.exit_code, result.stdout) == (0, "12:00 in the server zone\n"), result.stderr
    assert "AUTH0_CLIENT_ID" not in result.stderr
    assert [entry["client_id"] for entry in stack.entries("register")] == ["tpc_1", "tpc_2"]
    assert [entry["client_id"] for entry in stack.entries("authorize")] == ["tpc_1", "tpc_2"]


def test_without_a_browser_a_forgotten_client_is_one_line_that_names_login(stack: FakeStack, command: Command) -> None:
    registered(stack, command)
    for _ in range(2):
        result = command("call", "get_time", **SELF_REGISTERED, BROWSER="", DISPLAY="", WAYLAND_DISPLAY="")
        assert result.exit_code == 3
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{stack.server} asks for a sign-in")
        assert line.endswith("run `gatehouse login`.")
    assert len(stack.entries("authorize")) == 1


def test_a_client_that_is_forgotten_during_a_sign_in_registers_anew(stack: FakeStack, command: Command) -> None:
    registered(stack, command)
    assert command("logout", **SELF_REGISTERED).exit_code == 0
    result = command("login", **SELF_REGISTERED)
    assert result.exit_code == 0, result.stderr
    assert len(stack.entries("register")) == 2
