"""What the tenant granted: the tokens and everything needed to use, renew and revoke them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..claims import claims_of
from ..errors import foreign

SKEW: Final = 60.0
"""Seconds before its expiry from which an access token is renewed (at most half of its lifetime)."""

ClientAuthentication = Literal["none", "client_secret_post", "client_secret_basic", "private_key_jwt"]


class Grant(BaseModel):
    """One sign-in at one issuer for one server. Tokens stay out of its repr.

    Attributes:
        server: the MCP server's URL, as configured.
        resource: the server's own name for itself (RFC 8707).
        scope: what was granted; as RFC 6749 section 5.1 has it, what was asked for if the tenant did not say.
        requested_scope: what was asked for.
        obtained_at, expires_at: seconds since the epoch; `expires_at` is None when the tenant did not say.
        interactive: whether a person has just signed in for it, and it was not renewed since.
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
        """Whether the access token need not be renewed yet."""
        if self.expires_at is None:
            return True
        lifetime = max(0.0, self.expires_at - self.obtained_at)
        return now < self.expires_at - min(SKEW, lifetime / 2)

    def is_alive(self, now: float) -> bool:
        """Whether the access token has not run out by our clock."""
        return self.expires_at is None or now < self.expires_at

    @property
    def person(self) -> str | None:
        """Who is signed in, by the access token's own words, which are not verified: for display only."""
        claims = claims_of(self.access_token)
        by_claim = [claims.get(name) for name in ("email", "preferred_username", "name", "sub")]
        namespaced = [value for name, value in claims.items() if name.endswith("/email")]
        named = next((value for value in [*namespaced, *by_claim] if isinstance(value, str) and value), None)
        return foreign(named, 80) if named else None
