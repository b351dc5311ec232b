"""Before a browser opens, the client asks the tenant whether the sign-in can succeed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from tests.client.fake_stack import FakeStack
from tests.client.run_command import Command
from tests.support.serve_in_thread import serve_in_thread

MISMATCH = "<style>p{}</style><h1>Oops!</h1><p>Callback URL mismatch. The provided redirect_uri is not allowed.</p>"


@pytest.mark.parametrize(
    ("status", "page", "check", "seen"),
    [
        (403, MISMATCH, "callback", "The application does not allow 'http://localhost:"),
        (400, "<p>Unknown client: the-client</p>", "application", "does not know the Client ID 'the-client'"),
        (400, "<p>no connections enabled for the client</p>", "connection", "no connections enabled"),
        (400, '{"error":"unauthorized_client","error_description":"Not now"}', "grant-types", "unauthorized_client"),
        (400, "<p>We are sorry...</p><p>Invalid parameter: redirect_uri</p>", "callback", "does not allow"),
    ],
)
def test_an_error_page_of_the_tenant_ends_the_sign_in_at_once(
    stack: FakeStack, command: Command, status: int, page: str, check: str, seen: str
) -> None:
    stack.silent_page = (status, page)
    result = command("login")
    assert result.exit_code == 3
    said = " ".join(result.stderr.split())
    assert "cannot succeed, so no browser opens" in said
    assert seen in said
    assert f"gatehouse doctor --explain {check}" in said
    assert stack.entries("authorize") == []


@pytest.mark.parametrize(
    ("error", "description", "check"),
    [
        ("access_denied", "Service not found: urn:other", "api"),
        ("access_denied", 'Client is not authorized to access resource server "x".', "client-grant"),
        ("invalid_request", "no connections enabled for the client", "connection"),
        ("unauthorized_client", "Grant type 'authorization_code' not allowed for the client.", "grant-types"),
        ("invalid_scope", "Unknown scope", None),
        ("invalid_target", "", None),
    ],
)
def test_a_refusal_at_the_callback_ends_the_sign_in_at_once(
    stack: FakeStack, command: Command, error: str, description: str, check: str | None
) -> None:
    stack.silent = (error, description)
    result = command("login")
    assert result.exit_code == 3
    said = " ".join(result.stderr.split())
    assert error in said
    assert (check is None) or f"gatehouse doctor --explain {check}" in said
    assert stack.entries("authorize") == []


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("login_required", ""),
        ("consent_required", ""),
        ("interaction_required", ""),
        ("account_selection_required", ""),
        ("invalid_request", "Unsupported prompt: none"),
        ("invalid_request", "The token has expired"),
        ("access_denied", "An action of the tenant wants a person"),
        ("temporarily_unavailable", ""),
        ("server_error", "Service Not Available"),
    ],
)
def test_any_other_answer_at_the_callback_changes_nothing(
    stack: FakeStack, command: Command, error: str, description: str
) -> None:
    stack.silent = (error, description)
    assert command("login").exit_code == 0
    assert len(stack.entries("silent")) == len(stack.entries("authorize")) == 1


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (200, "<h1>Sign in</h1>"),
        (200, "<p>Callback URL mismatch is a frequent error.</p>"),
        (400, "<p>Unsupported prompt</p>"),
        (403, "<p>Access denied by the firewall</p>"),
        (404, ""),
        (429, '{"error":"too_many_requests"}'),
        (503, "<p>Service not found: the tenant is being moved</p>"),
        (401, "<p>invalid_client</p>" + "x" * 300_000),
    ],
)
def test_any_other_page_changes_nothing(stack: FakeStack, command: Command, status: int, page: str) -> None:
    stack.silent_page = (status, page)
    assert command("login").exit_code == 0
    assert len(stack.entries("authorize")) == 1


def test_the_request_is_that_of_the_sign_in_without_a_person(stack: FakeStack, command: Command) -> None:
    assert command("login").exit_code == 0
    (silent,), (opened,) = stack.entries("silent"), stack.entries("authorize")
    fresh = {"state", "code_challenge"}
    assert {k: v for k, v in silent.items() if k not in fresh} == {
        **{k: v for k, v in opened.items() if k not in fresh},
        "prompt": "none",
    }
    assert silent["state"] != opened["state"]


def test_an_api_with_a_similar_identifier_is_named(stack: FakeStack, command: Command) -> None:
    stack.silent = ("access_denied", "Service not found: urn:api")
    stack.known_api = "urn:api/"
    said = " ".join(command("login", AUTH0_AUDIENCE="urn:api").stderr.split())
    assert "The tenant has the API 'urn:api/' (the final slash)." in said


def test_a_pasted_sign_in_also_asks_first(stack: FakeStack, command: Command) -> None:
    stack.silent_page = (403, MISMATCH)
    result = command("login", "--paste", stdin="")
    assert result.exit_code == 3
    assert "Callback URL mismatch" in result.stderr
    assert "Open this address" not in result.stderr


def test_a_client_that_the_tenant_deleted_registers_itself_again(stack: FakeStack, command: Command) -> None:
    with registering(stack) as deleted:
        without = {"AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": ""}
        assert command("login", **without).exit_code == 0
        deleted("client-1")
        result = command("login", "--force", **without)
        assert result.exit_code == 0, result.stderr
        assert [entry["client_id"] for entry in stack.entries("authorize")] == ["client-1", "client-2"]


def test_the_limit_is_shown_in_seconds_or_in_whole_minutes(stack: FakeStack, command: Command) -> None:
    for seconds, shown in (("20", "20 s"), ("90", "90 s"), ("300", "5 min"), ("0.5", "0.5 s"), ("150", "150 s")):
        result = command("login", "--force", OAUTH_CALLBACK_TIMEOUT=seconds)
        assert f"waiting up to {shown})" in result.stderr


def test_a_tenant_that_hangs_delays_the_browser_for_a_moment_only(
    stack: FakeStack, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatehouse_client.signin.protocol.silent.SECONDS", 0.05)
    stack.silent_delay = 30
    began = time.monotonic()
    assert command("login").exit_code == 0
    assert time.monotonic() - began < 15


@contextmanager
def registering(stack: FakeStack) -> Generator[Callable[[str], None]]:
    """A registration endpoint. The function deletes a client from the tenant."""
    clients: list[str] = []
    deleted: set[str] = set()

    async def register(_: object) -> JSONResponse:
        clients.append(f"client-{len(clients) + 1}")
        return JSONResponse({"client_id": clients[-1], "token_endpoint_auth_method": "none"}, 201)

    app = Starlette()
    app.add_route("/register", register, methods=["POST"])
    with serve_in_thread(app) as origin:
        stack.tenant_overrides = {"registration_endpoint": f"{origin}/register"}
        stack.deleted_clients = deleted
        yield deleted.add
