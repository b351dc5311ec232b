"""A grant of the tenant: the tokens, and everything that is needed to use, renew and revoke them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

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
        takes_resource: whether `resource` is sent with a renewal.
        display_name: e-mail or name of the person in the ID token, which is not verified: for display only.
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
    takes_resource: bool = True
    display_name: str | None = None

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
        """Who is signed in: e-mail or name, else the subject. Not verified: for display only."""
        named = name_in(claims_of(self.access_token)) or self.display_name or self.subject
        return foreign(named, 80) if named else None

    @property
    def subject(self) -> str | None:
        """The subject of the access token, which is not verified: for display only."""
        return _text(claims_of(self.access_token).get("sub"))


def name_in(claims: Mapping[str, Any]) -> str | None:
    """The e-mail or name in the claims of a token. Auth0 puts custom claims under a namespace."""
    namespaced = [value for name, value in claims.items() if name.endswith("/email")]
    values = [*namespaced, *(claims.get(name) for name in ("email", "preferred_username", "name"))]
    return next((text for value in values if (text := _text(value))), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
