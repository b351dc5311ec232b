"""A ready token: used as it is, for the server only, and never replaced by a sign-in."""

from __future__ import annotations

import httpx2
import pytest

from gatehouse_client.errors import ForbiddenError, SignInError
from gatehouse_client.signin.http_outcome import recording_outcome
from gatehouse_client.signin.ready_token import ReadyTokenAuth
from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command

pytestmark = pytest.mark.anyio

SERVER = "https://mcp.example/mcp"


def ready(stack: FakeStack) -> str:
    return str(stack.issue(frozenset({"access:mcp"}))["access_token"])


def test_a_ready_token_needs_no_application_and_is_not_kept(stack: FakeStack, command: Command) -> None:
    for variables in ({}, {"GATEHOUSE_SIGN_IN": "token"}):
        token = ready(stack)
        result = command("call", "add", "a=1", "b=2", AUTH0_CLIENT_ID="", GATEHOUSE_TOKEN=token, **variables)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "3\n", "")
    assert stack.entries("authorize") == []
    assert not (command.folder / "home" / "tokens").exists()


def test_login_with_a_ready_token_says_who_it_is(stack: FakeStack, command: Command) -> None:
    result = command("login", GATEHOUSE_TOKEN=ready(stack))
    assert (result.exit_code, result.stdout) == (0, f"Signed in to {stack.server} as alice@example.com (auth0|1).\n")


def test_a_chosen_way_goes_before_a_ready_token(stack: FakeStack, command: Command) -> None:
    assert command("login", "--browser", GATEHOUSE_TOKEN="n0-token").exit_code == 0
    assert len(stack.entries("authorize")) == 1


def test_a_refused_token_is_told_and_no_browser_opens(stack: FakeStack, command: Command) -> None:
    result = command("tools", GATEHOUSE_TOKEN="n0-such-token")
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"{stack.server} refuses the token of GATEHOUSE_TOKEN" in result.stderr
    assert "n0-such-token" not in result.stderr
    assert stack.entries("authorize") == []


def test_token_as_the_way_without_a_token_is_told(command: Command) -> None:
    result = command("tools", GATEHOUSE_SIGN_IN="token")
    assert result.exit_code == 2
    assert "GATEHOUSE_TOKEN (or GATEHOUSE_TOKEN_FILE) is not set" in result.stderr


async def test_a_missing_permission_is_explained_and_nothing_is_tried() -> None:
    challenge = 'Bearer error="insufficient_scope", scope="access:mcp time:read"'
    seen: list[str] = []

    def forbid(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(403, headers={"WWW-Authenticate": challenge})

    auth = ReadyTokenAuth(SERVER, "t0ken")
    async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(forbid)) as http:
        with recording_outcome() as outcome:
            assert (await http.post(SERVER)).status_code == 403
    assert isinstance(outcome.error, ForbiddenError)
    assert seen == ["Bearer t0ken"]


async def test_the_token_goes_to_no_other_server() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert "authorization" not in request.headers
        return httpx2.Response(401)

    auth = ReadyTokenAuth(SERVER, "t0ken")
    async with httpx2.AsyncClient(auth=auth, transport=httpx2.MockTransport(answer)) as http:
        for url in ("https://other.example/mcp", "https://mcp.example/tenant-b/mcp", "https://mcp.example/"):
            assert (await http.get(url)).status_code == 401


async def test_a_token_that_is_no_jwt_is_as_good() -> None:
    auth = ReadyTokenAuth(SERVER, "opaque")
    assert (auth.grant.person, auth.grant.expires_at, auth.grant.scopes) == (None, None, frozenset())
    transport = httpx2.MockTransport(lambda _: httpx2.Response(401))
    async with httpx2.AsyncClient(auth=auth, transport=transport) as http:
        with pytest.raises(SignInError, match=r"\(401\)\. Set another"):
            await http.get(SERVER)
