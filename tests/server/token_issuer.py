"""A test issuer: signs tokens, publishes keys, and can be made to fail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from gatehouse_server.serving.settings import Settings

ISSUER = "https://tenant.example.com/"
RESOURCE = "http://localhost:5555/mcp"
JWKS_URL = f"{ISSUER}.well-known/jwks.json"

SettingsT = TypeVar("SettingsT", bound=Settings)


@dataclass
class Issuer:
    """Signs tokens and publishes keys. `answer` replaces the answer of its JWKS endpoint."""

    private: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    fetches: int = 0
    answer: Callable[[], httpx2.Response] | None = None

    def add_key(self, kid: str, *, publish: bool = True) -> None:
        self.private[kid] = rsa.generate_private_key(65537, 2048)
        if publish:
            self.published.append(kid)

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self._public(kid) for kid in self.published]}

    def handle(self, _: httpx2.Request) -> httpx2.Response:
        self.fetches += 1
        return self.answer() if self.answer else httpx2.Response(200, json=self.jwks())

    def token(self, *, kid: str = "one", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good token with the given changes; None removes a claim."""
        now = int(time.time())
        good = {
            "iss": ISSUER,
            "sub": "auth0|alice",
            "aud": RESOURCE,
            "iat": now,
            "exp": now + 600,
            "azp": "agent",
            "scope": "access:mcp",
        }
        kept = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(kept, self.private[kid], "RS256", headers={"kid": kid, "typ": "JWT", **(header or {})})

    def signed(self, payload: bytes, header: dict[str, Any] | None = None, kid: str = "one") -> str:
        """A correctly signed token with any payload."""
        return jwt.PyJWS().encode(payload, self.private[kid], "RS256", {"kid": kid, "typ": "JWT", **(header or {})})

    def _public(self, kid: str) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private[kid].public_key()))
        return {**public, "kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class Clock:
    """A clock that moves only when a test sets it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def settings(**variables: str) -> Settings:
    """Settings, as if read from the environment."""
    return settings_of(Settings, **variables)


def settings_of(kind: type[SettingsT], **variables: str) -> SettingsT:
    """Settings of that kind."""
    given = {"AUTH0_DOMAIN": "tenant.example.com", **variables}
    return kind(_env_file=None, **given)  # type: ignore[arg-type]
