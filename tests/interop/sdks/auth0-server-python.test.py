"""auth0-server-python: a web application that signs a person in. The stores keep everything in memory."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from auth0_server_python.auth_server.server_client import ServerClient
from auth0_server_python.auth_types import LogoutOptions, StartInteractiveLoginOptions
from auth0_server_python.error import AccessTokenError, ApiError, MissingTransactionError
from auth0_server_python.store.abstract import StateStore, TransactionStore

PORT = int(os.environ["APP_PORT"])
APP = f"http://localhost:{PORT}"
API = "https://api.example.com/"


class Kept:
    """A store of the SDK in memory."""

    def __init__(self) -> None:
        super().__init__({"secret": "it encrypts nothing here"})
        self.kept: dict[str, Any] = {}

    async def set(self, identifier: str, state: Any, *_: Any, **__: Any) -> None:
        self.kept[identifier] = state

    async def get(self, identifier: str, *_: Any, **__: Any) -> Any:
        return self.kept.get(identifier)

    async def delete(self, identifier: str, *_: Any, **__: Any) -> None:
        self.kept.pop(identifier, None)


class Sessions(Kept, StateStore):
    pass


class SignIns(Kept, TransactionStore):
    pass


def application(**more: Any) -> ServerClient[Any]:
    parameters = {"audience": API, "scope": "openid profile email offline_access read:items"}
    return ServerClient(
        domain=os.environ["AUTH0_DOMAIN"],
        client_id="example-web-application",
        client_secret="offline-secret-of-the-web-application",
        redirect_uri=f"{APP}/callback",
        secret="the secret of this application",
        transaction_store=SignIns(),
        state_store=Sessions(),
        authorization_params=parameters,
        **more,
    )


@contextmanager
def callback() -> Iterator[list[str]]:
    """The application's callback, which records the address of the answer."""
    answers: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.append(f"{APP}{self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("localhost", PORT), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield answers
        finally:
            server.shutdown()
            thread.join()


def answer_of(url: str) -> str:
    """The address to which the tenant sends alice back."""
    with callback() as answers:
        # Its exit code says nothing: it does not know the callback of a pushed request.
        subprocess.run([*shlex.split(os.environ["BROWSER"]), url], check=False, timeout=60)
    (answer,) = answers
    return answer


async def signed_in(client: ServerClient[Any], **more: Any) -> Any:
    url = await client.start_interactive_login(StartInteractiveLoginOptions(**more))
    return await client.complete_interactive_login(answer_of(url))


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_person_signs_in_and_the_session_has_their_claims() -> None:
    async def scenario() -> None:
        client = application()
        done = await signed_in(client, app_state={"return": "/account"})
        assert done["app_state"] == {"return": "/account"}
        assert (await client.get_user())["email"] == "alice@example.com"
        token = claims(await client.get_access_token())
        assert API in token["aud"]
        assert "read:items" in token["scope"].split()

    asyncio.run(scenario())


def test_a_request_that_is_pushed_shows_its_parameters_to_nobody() -> None:
    async def scenario() -> None:
        client = application(pushed_authorization_requests=True)
        url = await client.start_interactive_login()
        assert parse_qs(urlsplit(url).query).keys() == {"request_uri", "response_type", "client_id"}
        await client.complete_interactive_login(answer_of(url))
        assert (await client.get_user())["email"] == "alice@example.com"

    asyncio.run(scenario())


def test_an_expired_access_token_is_replaced_by_the_refresh_token() -> None:
    async def scenario() -> None:
        client = application()
        await signed_in(client)
        first = await client.get_access_token()
        assert await client.get_access_token() == first
        (session,) = client._state_store.kept.values()
        for each in session["token_sets"] if isinstance(session, dict) else session.token_sets:
            if isinstance(each, dict):
                each["expires_at"] = 0
            else:
                each.expires_at = 0
        assert claims(await client.get_access_token())["jti"] != claims(first)["jti"]

    asyncio.run(scenario())


def test_a_sign_in_for_an_organization_is_in_the_token() -> None:
    async def scenario() -> None:
        client = application(organization="org_acme000000000001")
        await signed_in(client)
        assert (await client.get_user())["org_id"] == "org_acme000000000001"

    asyncio.run(scenario())


def test_an_answer_that_this_application_did_not_begin_is_refused() -> None:
    with pytest.raises(MissingTransactionError):
        asyncio.run(application().complete_interactive_login(f"{APP}/callback?code=abc&state=abc"))


def test_a_code_that_the_tenant_did_not_issue_is_refused() -> None:
    async def scenario() -> None:
        client = application()
        url = await client.start_interactive_login()
        (state,) = parse_qs(urlsplit(url).query)["state"]
        with pytest.raises(ApiError):
            await client.complete_interactive_login(f"{APP}/callback?code=abc&state={state}")

    asyncio.run(scenario())


def test_logout_ends_the_session_and_leads_to_the_tenant() -> None:
    async def scenario() -> None:
        client = application()
        await signed_in(client)
        url = urlsplit(await client.logout(LogoutOptions(return_to=APP)))
        assert (url.netloc, url.path) == (os.environ["AUTH0_DOMAIN"], "/v2/logout")
        assert await client.get_user() is None
        with pytest.raises(AccessTokenError):
            await client.get_access_token()

    asyncio.run(scenario())
