"""A grant of the tenant: the tokens, and everything that is needed to use, renew and revoke them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..claims import claims_of
from ..foreign_text import foreign

SKEW: Final = 60.0
"""An access token is renewed this many seconds before it expires (at most half of its lifetime)."""

ClientAuthentication = Literal["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]


class Grant(BaseModel):
    """One sign-in at one issuer for one server. Its repr has no tokens.

    Attributes:
        server: the MCP server's URL, as configured.
        resource: the resource identifier that the server publishes (RFC 8707).
        scope: the granted scope. If the tenant names none, it is the requested scope (RFC 6749 section 5.1).
        requested_scope: the requested scope.
        obtained_at, expires_at: seconds since the epoch; `expires_at` is None if the tenant names no expiry.
        interactive: whether the token is from a sign-in, and not from a renewal.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    server: str
    resource: str
    issuer: str
    client_id: str
    token_endpoint: str
    token_endpoint_auth_method: ClientAuthentication
    revocation_endpoint: str | None = None
    access_token: str = Field(repr=False, min_length=1)
    refresh_token: str | None = Field(default=None, repr=False)
    scope: str | None = None
    requested_scope: str | None = None
    obtained_at: float
    expires_at: float | None = None
    interactive: bool = False

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset((self.scope or "").split())

    @property
    def requested_scopes(self) -> frozenset[str]:
        return frozenset((self.requested_scope or "").split())

    def is_fresh(self, now: float) -> bool:
        """Whether the access token does not need a renewal yet."""
        if self.expires_at is None:
            return True
        lifetime = max(0.0, self.expires_at - self.obtained_at)
        return now < self.expires_at - min(SKEW, lifetime / 2)

    def is_alive(self, now: float) -> bool:
        """Whether the access token has not expired by this machine's clock."""
        return self.expires_at is None or now < self.expires_at

    @property
    def person(self) -> str | None:
        """Who is signed in, from the access token's claims, which are not verified: for display only."""
        claims = claims_of(self.access_token)
        by_claim = [claims.get(name) for name in ("email", "preferred_username", "name", "sub")]
        namespaced = [value for name, value in claims.items() if name.endswith("/email")]
        named = next((value for value in [*namespaced, *by_claim] if isinstance(value, str) and value), None)
        return foreign(named, 80) if named else None
