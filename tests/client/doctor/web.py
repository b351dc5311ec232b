"""A server and a tenant with a correct set-up that answer in this process; a test replaces their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gatehouse_client import account as account_module
from gatehouse_client.account import Account
from gatehouse_client.doctor.findings import Finding
from gatehouse_client.doctor.graph import examine
from gatehouse_client.settings import load_settings
from gatehouse_client.signin.http.fetch import Fetcher
from gatehouse_client.signin.http.trace import Trace

ISSUER = "https://tenant.example/"
API = "https://mcp.example/mcp"
CALLBACK = "http://localhost:5000/callback"
METADATA = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
CHALLENGE = f'Bearer scope="access:mcp", resource_metadata="{METADATA}"'
GOOD = {"iss": ISSUER, "aud": [API], "sub": "auth0|1", "scope": "access:mcp", "permissions": ["access:mcp"]}

Answer = Callable[[httpx2.Request], httpx2.Response]


@cache
def key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"})


def signed(claims: dict[str, object], **header: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one", "typ": "at+jwt", **header}, claims, key())


@dataclass
class Web:
    """A server and a tenant with a correct set-up. `answers` replaces the answer at a path."""

    monkeypatch: pytest.MonkeyPatch
    home: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    tenant: dict[str, object] = field(default_factory=dict)
    sent: list[httpx2.Request] = field(default_factory=list)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        path = request.url.path
        return (self.answers.get(path) or self.usual)(request)

    def usual(self, request: httpx2.Request) -> httpx2.Response:
        match request.url.path:
            case "/mcp" if "authorization" in request.headers:
                return httpx2.Response(200, json={})
            case "/mcp":
                return httpx2.Response(401, headers={"WWW-Authenticate": CHALLENGE})
            case "/.well-known/oauth-protected-resource/mcp":
                return httpx2.Response(200, json={"resource": API, "authorization_servers": [ISSUER]})
            case "/.well-known/oauth-authorization-server":
                return httpx2.Response(200, json=self.metadata())
            case "/jwks":
                return httpx2.Response(200, json={"keys": [key().as_dict(private=False)]})
            case "/authorize":
                return redirected("login_required", "Login required")
            case "/oauth/token":
                return httpx2.Response(403, json={"error": "invalid_grant"})
            case "/oidc/register":
                return httpx2.Response(400, json={"error": "invalid_redirect_uri"})
        return httpx2.Response(404)

    def metadata(self) -> dict[str, object]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}authorize",
            "token_endpoint": f"{ISSUER}oauth/token",
            "registration_endpoint": f"{ISSUER}oidc/register",
            "jwks_uri": f"{ISSUER}jwks",
            "code_challenge_methods_supported": ["S256"],
            **self.tenant,
        }

    async def found(self, skip: tuple[str, ...] = (), **values: object) -> dict[str, Finding]:
        """The findings, by check."""
        fetch = Fetcher(transport=httpx2.MockTransport(self._answer))
        self.monkeypatch.setattr(account_module, "fetcher_for", lambda *_: fetch)
        base = {"mcp_public_url": API, "auth0_issuer": ISSUER, "auth0_client_id": "the-client"}
        places = {"oauth_callback_uri": CALLBACK, "gatehouse_home": self.home, "gatehouse_keyring": False}
        settings = load_settings(**{**base, **places, **values})
        account = Account.from_settings(settings, lambda _: None, Trace())
        return {finding.check: finding for finding in await examine(settings, account, Trace(), skip=skip)}


def redirected(error: str, description: str) -> httpx2.Response:
    query = urlencode({"error": error, "error_description": description})
    return httpx2.Response(302, headers={"Location": f"{CALLBACK}?{query}"})
