"""The issuer of the benchmark: signs tokens like Auth0, and serves its keys on a free port."""

from __future__ import annotations

import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "http://localhost:5555/mcp"
"""The API's identifier. It is only a name; no server is at that URL."""

_LIFETIME = 24 * 3600


class Issuer:
    """RS256 with RSA-2048; two published keys, like Auth0 (the current one and the next)."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(65537, 2048)
        following = rsa.generate_private_key(65537, 2048)
        self._kid = secrets.token_urlsafe(15)
        keys = [_public(self._private, self._kid), _public(following, secrets.token_urlsafe(15))]
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _answering(json.dumps({"keys": keys}).encode()))
        Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def token(self, *, age: int = 0) -> str:
        """A new token as Auth0 issues it to a user of an API with permissions."""
        now = int(time.time()) - age
        claims = {
            "iss": self.url,
            "sub": "auth0|65a11ce00000000000000001",
            "aud": [AUDIENCE, f"{self.url}userinfo"],
            "iat": now,
            "exp": now + _LIFETIME,
            "scope": "openid profile access:mcp offline_access",
            "azp": "GatehouseAgentDemoClient00000000",
            "jti": secrets.token_urlsafe(16),
            "permissions": ["access:mcp", "time:convert", "time:zones"],
        }
        return jwt.encode(claims, self._private, "RS256", headers={"kid": self._kid})

    def expired_token(self) -> str:
        """A token that expired a day ago."""
        return self.token(age=2 * _LIFETIME)


def _public(private: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    return {**public, "kid": kid, "use": "sig", "alg": "RS256"}


def _answering(document: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.send_header("Cache-Control", "public, max-age=3600")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler
