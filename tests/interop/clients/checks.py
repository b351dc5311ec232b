"""What must hold with every MCP client. A check gets a client maker and the stack, and raises `Miss`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol

from tests.interop.clients.client import BOB, CONVERT, GET_TIME, LIST, WAIT, WAITED, McpClient
from tests.support.judged import Miss, wait_until
from tests.support.stack import DEMO_CLIENT, LocalStack

CONVERTED = "2026-07-28T00:30:00+00:00"
LIFETIME = 2
"""Seconds that a short-lived access token lives. The server allows clocks to differ by 30."""
MOST_SIGN_INS = 3
"""Some clients try a sign-in once more when they connect, and once more with the permissions that the server named."""


class Make(Protocol):
    """Makes the client with a new home folder."""

    def __call__(self, *, registered: bool = False) -> McpClient: ...


def sign_in(make: Make, stack: LocalStack) -> None:
    """without configuration it registers itself, or presents its metadata document; alice signs in, it lists tools"""
    client = make()
    _lists(client, client.run(LIST))
    if not client.document:
        _require(bool(_registrations(stack)), "it did not register itself")
        return
    _presented(stack, client.document)
    if client.document_without_iss:
        stack.control("DELETE", "requests")
        without = {"authorization_response_iss_parameter_supported": False}
        stack.control("PATCH", "configuration", tenant={"tenant": without})
        make().run(LIST)
        _presented(stack, client.document_without_iss)


def registered_beforehand(make: Make, stack: LocalStack) -> None:
    """signs in as an application that is registered beforehand, with its client secret"""
    client = make(registered=True)
    callbacks = [f"http://localhost:{stack.callback_port}/{path}" for path in ("callback", "oauth/callback")]
    callbacks += [each.replace("localhost", "127.0.0.1") for each in callbacks]
    agent = {"name": "Gatehouse agent", "callbacks": [*callbacks, *client.callbacks]}
    stack.control("PATCH", "configuration", tenant={"clients": [agent]})
    _lists(client, client.run(LIST))
    _require(not _registrations(stack), "it registered itself nevertheless")
    used = [entry for entry in _tokens(stack) if DEMO_CLIENT["AUTH0_CLIENT_ID"] in json.dumps(entry)]
    _require(bool(used), "no code was exchanged by the application")


def call(make: Make, stack: LocalStack) -> None:
    """calls a tool"""
    said = make().run(GET_TIME)
    _require("weekday" in said, f"get_time answers: {said}")


def step_up(make: Make, stack: LocalStack) -> None:
    """a call that needs one more permission asks for it in a second sign-in"""
    said = make().run(LIST, CONVERT)
    _require(CONVERTED in said, f"convert_time answers: {said}")
    _require(len(_sign_ins(stack)) > 1, "it had the permission already: the first sign-in asked for all")


def renewal(make: Make, stack: LocalStack) -> None:
    """while it runs, or between two commands, its access token expires: it goes on without a person"""
    client = make()
    with _short_lived(stack), _expiry(stack) as client.expired:
        _, _, after = client.run(LIST, WAIT, LIST).partition(WAITED)
    _lists(client, after)
    _require(len(_sign_ins(stack)) == 1, f"alice signed in {len(_sign_ins(stack))} times")


def restart(make: Make, stack: LocalStack) -> None:
    """a new process goes on without a person, after the expiry of the access token that is kept"""
    client = make()
    with _short_lived(stack):
        client.run(LIST)
        _await_expiry(stack)
    _lists(client, client.run(LIST, browser=False))


def refusal(make: Make, stack: LocalStack) -> None:
    """bob, who has no permission, gets an error, and is not asked to sign in again and again"""
    try:
        said = make().run(LIST, user=BOB)
    except Miss as miss:
        _require("did not end" not in str(miss), str(miss))
    else:
        raise Miss(f"it ends without an error: {said}")
    _require(len(_sign_ins(stack)) <= MOST_SIGN_INS, f"bob had to sign in {len(_sign_ins(stack))} times")


CHECKS: dict[str, Callable[[Make, LocalStack], None]] = {
    "sign-in": sign_in,
    "registered": registered_beforehand,
    "call": call,
    "step-up": step_up,
    "renewal": renewal,
    "restart": restart,
    "refusal": refusal,
}


def asked_for(stack: LocalStack) -> list[str]:
    """The scopes that were requested at /authorize since the journal was cleared."""
    return [str(dict(entry["query"]).get("scope", "")) for entry in _journal(stack, "/authorize")]


@contextmanager
def _short_lived(stack: LocalStack) -> Iterator[None]:
    """Access tokens of the API live for some seconds."""
    api = {"identifier": stack.audience, "token_lifetime": LIFETIME}
    stack.control("PATCH", "configuration", tenant={"resourceServers": [api]})
    try:
        yield
    finally:
        api = {"identifier": stack.audience, "token_lifetime": 86400}
        stack.control("PATCH", "configuration", tenant={"resourceServers": [api]})


@contextmanager
def _expiry(stack: LocalStack) -> Iterator[str]:
    """An address of this machine that answers when an access token of the time of the request has expired."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _await_expiry(stack)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(WAITED.encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _await_expiry(stack: LocalStack) -> None:
    token = stack.mint()
    wait_until("the server refuses an expired token", lambda: stack.call(token).status_code == 401)


def _lists(client: McpClient, said: str) -> None:
    missing = client.shows_tools and [tool for tool in (GET_TIME, CONVERT) if tool not in said]
    _require(not missing, f"it lists {said}")


def _presented(stack: LocalStack, document: str) -> None:
    codes = [entry for entry in _tokens(stack) if re.search(f'"{document}"', json.dumps(entry))]
    _require(not _registrations(stack), "it registered itself, and did not present its metadata document")
    _require(bool(codes), f"no code was exchanged by the client of {document}")


def _registrations(stack: LocalStack) -> list[dict[str, Any]]:
    return [entry for entry in _journal(stack, "/oidc/register") if entry["status"] == 201]


def _journal(stack: LocalStack, path: str) -> list[dict[str, Any]]:
    entries = stack.control("GET", "requests").json()["requests"]
    return [entry for entry in entries if entry["path"] == path]


def _tokens(stack: LocalStack) -> list[dict[str, Any]]:
    return [entry for entry in _journal(stack, "/oauth/token") if entry["status"] == 200]


def _sign_ins(stack: LocalStack) -> list[dict[str, Any]]:
    return [entry for entry in _tokens(stack) if "authorization_code" in json.dumps(entry)]


def _require(holds: bool, seen: str) -> None:
    if not holds:
        raise Miss(seen)
