"""The OAuth client and its authentication (RFC 6749 section 2.3, RFC 7523 section 2.2)."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

from ...errors import ConfigurationError
from ...foreign_text import foreign
from ...storage.grant import ClientAuthentication
from .discovery import AuthorizationServer

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME: Final = 60  # seconds; Auth0 accepts up to 300

_WITH_SECRET: Final[tuple[ClientAuthentication, ...]] = ("client_secret_post", "client_secret_basic")
_ALGORITHMS: Final = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}


class SigningKey:
    """A private key that signs client assertions.

    The cryptography package is loaded only for a key, because loading it is slower than most commands.

    Attributes:
        algorithm: the signature algorithm for the type of key, such as RS256.
    """

    def __init__(self, key: RSAKey | ECKey | OKPKey, algorithm: str) -> None:
        self.key = key
        self.algorithm = algorithm

    @classmethod
    def from_pem(cls, pem: str) -> SigningKey:
        """The key of a PEM file.

        Raises:
            ValueError: it is not a private key of a supported type.
        """
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, OKPKey, RSAKey

        for kind in (RSAKey, ECKey, OKPKey):
            try:
                key: RSAKey | ECKey | OKPKey = kind.import_key(pem)
            except (ValueError, JoseError, TypeError):
                continue
            name = str(key.as_dict(private=False).get("crv", key.key_type))
            if key.is_private and name in _ALGORITHMS:
                return cls(key, _ALGORITHMS[name])
        raise ValueError("it must be a private key in PEM: RSA, EC (P-256, P-384, P-521) or Ed25519")

    def assertion(self, client_id: str, issuer: str, now: float) -> str:
        """A client assertion for one request (RFC 7523 section 3; the audience is the issuer, as in rfc7523bis)."""
        from joserfc import jwt

        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "iat": int(now),
            "exp": int(now) + ASSERTION_LIFETIME,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode({"alg": self.algorithm}, claims, self.key, algorithms=[self.algorithm])


@dataclass(frozen=True)
class OAuthClient:
    """A client that is registered with the tenant.

    Attributes:
        secret, key: its credentials; None for a public client.
        method: how it authenticates at the token endpoint; None takes a method that the authorization server allows.
        registered_itself: whether it is a dynamic registration, which can be made again.
    """

    client_id: str
    secret: str | None = field(default=None, repr=False)
    key: SigningKey | None = field(default=None, repr=False)
    method: ClientAuthentication | None = None
    registered_itself: bool = False

    @property
    def is_document(self) -> bool:
        """Whether its id is the URL of its metadata document (CIMD)."""
        return self.client_id.startswith("https://")

    def authentication(self, server: AuthorizationServer) -> ClientAuthentication:
        """The first of `authentications`.

        Raises:
            ConfigurationError: the authorization server accepts no client secret.
        """
        return self.authentications(server)[0]

    def authentications(self, server: AuthorizationServer) -> tuple[ClientAuthentication, ...]:
        """How to authenticate at the token endpoint: with the key if there is one, else with the secret. A server can
        list both ways to send the secret, and accept one for this client. `client_secret_post` is Auth0's default, so
        it is the first.

        Raises:
            ConfigurationError: the authorization server accepts no client secret.
        """
        if self.method is not None:
            return (self.method,)
        if self.key is not None:
            return ("private_key_jwt",)
        if self.secret is None:
            return ("none",)
        allowed = server.token_endpoint_auth_methods_supported
        possible = tuple(method for method in _WITH_SECRET if allowed is None or method in allowed)
        if possible:
            return possible
        raise ConfigurationError(
            f"{server.issuer} accepts no client secret at its token endpoint (only {foreign(', '.join(allowed or ()))})"
            ": unset AUTH0_CLIENT_SECRET."
        )

    def credentials(
        self, method: ClientAuthentication, issuer: str, now: float
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Form fields and headers that authenticate the client.

        Raises:
            ConfigurationError: the method needs a secret or a key that the client does not have.
        """
        if method == "none":
            return {"client_id": self.client_id}, {}
        if method == "private_key_jwt":
            if self.key is None:
                raise ConfigurationError("private_key_jwt needs AUTH0_CLIENT_PRIVATE_KEY, which is not set.")
            # `client_id` is optional here, and Auth0 expects none: the assertion names the client.
            assertion = self.key.assertion(self.client_id, issuer, now)
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}, {}
        if self.secret is None:
            raise ConfigurationError(f"{method} needs AUTH0_CLIENT_SECRET, which is not set.")
        if method == "client_secret_post":
            return {"client_id": self.client_id, "client_secret": self.secret}, {}
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}".encode()
        return {}, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
