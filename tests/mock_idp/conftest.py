from __future__ import annotations

import base64
import copy
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import yaml
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.testclient import TestClient

from mock_idp.actions.node import Node
from mock_idp.app import create_app
from mock_idp.console import ConsoleAccess
from mock_idp.control import ControlAccess
from mock_idp.http.fetching import Fetcher
from mock_idp.pytest_plugin import start_offline_tenant  # noqa: F401 - a fixture
from mock_idp.state.clock import Clock
from mock_idp.state.idp import Idp
from mock_idp.state.signing_keys import KeyRing, new_key_ring
from mock_idp.tenant.loading import checked_configuration
from tests.mock_idp.read_token import header_and_claims

BASE = Path(__file__).parent / "base"
FILES = ("tenant.yaml", "offline.yaml")
ISSUER = "http://localhost:9000/"
API = "http://localhost:5555/mcp"
CALLBACK = "http://localhost:5000/callback"
AGENT = ("GatehouseAgentDemoClient00000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-1")
MACHINE = ("GatehouseMachineDemoClient000000", "demo-secret-of-the-offline-tenant-never-use-it-with-a-real-one-2")
PASSWORDS = {"alice@example.com": "Wonderland-1", "bob@example.com": "Builder-2"}
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Harness:
    """A tenant and one browser that uses it."""

    http: TestClient
    idp: Idp
    agent: tuple[str, str] = AGENT
    machine: tuple[str, str] = MACHINE

    def browser(self, client: tuple[str, int] = ("127.0.0.1", 4711)) -> Harness:
        """A second browser: nothing of the first one's cookies."""
        app = self.http.app
        other = TestClient(app, base_url="http://localhost:9000", follow_redirects=False, client=client)
        other.portal = self.http.portal
        return Harness(other, self.idp)

    def authorize(self, **changes: Any) -> Any:
        parameters: dict[str, Any] = {
            "client_id": AGENT[0],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid profile email access:mcp",
            "audience": API,
            "state": "s-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return self.http.get("/authorize", params={k: v for k, v in parameters.items() if v is not None})

    def log_in(self, response: Any, email: str = "alice@example.com", password: str | None = None) -> Any:
        """Submit the login page that `response` redirects to, then go on."""
        assert response.status_code == 302, response.text
        page = urlsplit(response.headers["location"])
        assert page.path == "/u/login", response.headers["location"]
        form = {
            "state": parse_qs(page.query)["state"][0],
            "username": email,
            "password": password or PASSWORDS[email],
            "action": "default",
        }
        return self.http.post(response.headers["location"], data=form)

    def decide(self, response: Any, action: str = "accept") -> Any:
        page = urlsplit(response.headers["location"])
        assert page.path == "/u/consent", response.headers["location"]
        form = {"state": parse_qs(page.query)["state"][0], "action": action}
        return self.http.post(response.headers["location"], data=form)

    def follow(self, response: Any) -> Any:
        """Follow redirects inside the tenant, up to a page that asks or an answer that leaves it."""
        while response.status_code == 302 and response.headers["location"].startswith("/authorize/resume"):
            response = self.http.get(response.headers["location"])
        return response

    def sign_in(self, email: str = "alice@example.com", **changes: Any) -> dict[str, str]:
        """All pages filled in; the parameters that the callback gets."""
        response = self.follow(self.log_in(self.authorize(**changes), email))
        if response.headers["location"].startswith("/u/consent"):
            response = self.follow(self.decide(response))
        return self.callback_parameters(response)

    @staticmethod
    def callback_parameters(response: Any) -> dict[str, str]:
        assert response.status_code == 302, response.text
        location = urlsplit(response.headers["location"])
        return dict(parse_qsl(location.query or location.fragment))

    def token(self, client: tuple[str, str] = AGENT, **parameters: Any) -> Any:
        body = {"client_id": client[0], "client_secret": client[1], **parameters}
        return self.http.post("/oauth/token", data={k: v for k, v in body.items() if v is not None})

    def redeem(self, code: str, **changes: Any) -> Any:
        parameters = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **changes}
        return self.token(**{"code_verifier": VERIFIER, **parameters})

    @staticmethod
    def claims(token: str) -> dict[str, Any]:
        """The claims of a JWT, unverified."""
        return header_and_claims(token)[1]

    def tokens(self, email: str = "alice@example.com", **changes: Any) -> dict[str, Any]:
        response = self.redeem(self.sign_in(email, **changes)["code"])
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture(scope="session")
def keys() -> KeyRing:
    return new_key_ring("localhost", Clock().now())


@pytest.fixture(scope="session")
def offline_tenant_keys(keys: KeyRing) -> KeyRing:
    return keys


def require_node() -> None:
    """Skip the test if Actions cannot run here. In CI (CI=true) it fails."""
    if problem := Node().problem:
        if os.environ.get("CI") == "true":
            pytest.fail(problem, pytrace=False)
        pytest.skip(problem)


@pytest.fixture(scope="session")
def installed_node() -> None:
    """Actions can run here."""
    require_node()


@cache
def base_documents() -> tuple[Any, ...]:
    return tuple(yaml.safe_load((BASE / name).read_text(encoding="utf-8")) for name in FILES)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop for all requests. To start one for each takes as long as the request."""
    with start_blocking_portal() as running:
        yield running


Start = Callable[..., Harness]


@pytest.fixture
def start(keys: KeyRing, portal: BlockingPortal) -> Start:
    """Start a tenant. `change` edits the tenant file's document, `offline` the offline file's, before both are read."""

    def start(
        change: Callable[[dict[str, Any]], None] | None = None,
        offline: Callable[[dict[str, Any]], None] | None = None,
        peer: tuple[str, int] = ("127.0.0.1", 4711),
        fetcher: Fetcher | None = None,
        control: bool = True,
        control_token: str | None = None,
        console: ConsoleAccess | None = None,
    ) -> Harness:
        documents = copy.deepcopy(base_documents())
        for document, edit in zip(documents, (change, offline), strict=True):
            if edit is not None:
                edit(document)
        idp = Idp.start(checked_configuration(*documents, names=FILES), keys, Clock(), fetcher)
        app = create_app(idp, ISSUER, ControlAccess(control_token) if control else None, console)
        http = TestClient(app, base_url="http://localhost:9000", follow_redirects=False, client=peer)
        http.portal = portal
        return Harness(http, idp)

    return start


@pytest.fixture
def tenant(start: Start) -> Harness:
    return start()
