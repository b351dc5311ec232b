"""A browser with its cookies at the tenant's pages, one step at a time, and the requests of a client of the tenant."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

from tests.support.processes import TLS
from tests.support.scripted_browser import PASSWORDS, Form, forms_of
from tests.support.stack import DEMO_CLIENT, Stack

ALICE = "alice@example.com"
AGENT = {"client_id": DEMO_CLIENT["AUTH0_CLIENT_ID"], "client_secret": DEMO_CLIENT["AUTH0_CLIENT_SECRET"]}
INSPECTOR = "tpc_GatehouseInspectorDemoClient00000"
SECONDS = 20
MAX_STEPS = 20


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Browser:
    """One person's browser. It follows no redirect by itself."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx2.Client(
            base_url=stack.issuer,
            timeout=SECONDS,
            verify=TLS,
            headers={"Accept": "text/html"},
            limits=httpx2.Limits(max_keepalive_connections=0),  # no connection stays open for the end of the test
        )
        self.verifier = secrets.token_urlsafe(48)

    @property
    def callback(self) -> str:
        return self.stack.variables["OAUTH_CALLBACK_URI"]

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of the agent's authorization request, changed. None leaves one out."""
        parameters: dict[str, str | None] = {
            "client_id": AGENT["client_id"],
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "openid offline_access access:mcp",
            "audience": self.stack.audience,
            "state": "the-state",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def authorize(self, **changes: str | None) -> httpx2.Response:
        return self.http.get("/authorize", params=self.request(**changes))

    def page(self, answer: httpx2.Response) -> httpx2.Response:
        """The page that the answer's redirects within the tenant lead to, or the redirect that leaves the tenant."""
        for _ in range(MAX_STEPS):
            if answer.next_request is None or not str(answer.next_request.url).startswith(self.stack.issuer):
                return answer
            answer = self.http.send(answer.next_request)
        raise AssertionError(f"still at {answer.url}")

    def submit(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """Send the first form of the page with these fields in addition."""
        form = form_of(page)
        return self.page(self.http.post(urljoin(str(page.url), form.action), data={**form.fields, **fields}))

    def log_in(self, page: httpx2.Response, user: str = ALICE) -> httpx2.Response:
        """Fill in the login page. Returns the next page."""
        return self.submit(page, username=user, password=PASSWORDS[user])

    def sign_in(self, user: str = ALICE, **changes: str | None) -> dict[str, str]:
        """Sign in and consent. Returns the parameters that reach the callback."""
        page = self.page(self.authorize(**changes))
        for _ in range(MAX_STEPS):
            if page.next_request is not None:
                return dict(parse_qsl(urlsplit(str(page.next_request.url)).query))
            assert page.status_code == 200, page.text
            if "username" in form_of(page).fields:
                page = self.log_in(page, user)
            else:
                page = self.submit(page, action="accept")
        raise AssertionError(f"still at {page.url}")

    def redeem(self, code: str, **changes: str | None) -> httpx2.Response:
        """Exchange a code as the agent does, changed."""
        form: dict[str, Any] = {
            **AGENT,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.token({name: value for name, value in form.items() if value is not None})

    def refresh(self, token: str, **client: str) -> httpx2.Response:
        return self.token({**(client or AGENT), "grant_type": "refresh_token", "refresh_token": token})

    def token(self, form: dict[str, str]) -> httpx2.Response:
        """A request to the token endpoint. It has no cookies: programs send it."""
        return httpx2.post(f"{self.stack.issuer}oauth/token", data=form, timeout=SECONDS, verify=TLS)


def form_of(page: httpx2.Response) -> Form:
    return forms_of(page.text)[0]
