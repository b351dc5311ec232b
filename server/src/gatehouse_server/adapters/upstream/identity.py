"""How the upstream learns who asks: a short-lived JWT of the gate, or plain headers.

The caller's own token never leaves the gate (MCP authorization, "Access token privilege restriction").

Sources: RFC 7519 (JWT), RFC 8725 section 3.11 (explicit types), RFC 9068 (claims of an access token), RFC 7517 and 7638
(key set and key ids).
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol
from urllib.parse import quote

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mcp.server.auth.provider import AccessToken

from .headers import Header

LIFETIME = 60
"""Seconds from `iat` to `exp` of an assertion."""
REUSED = 30
"""Seconds for which the same assertion is sent again. It has at least the rest of its lifetime then."""
MAX_ASSERTIONS = 4096

ASSERTION_HEADER = b"gatehouse-assertion"
SUBJECT_HEADER = b"gatehouse-subject"
CLIENT_HEADER = b"gatehouse-client"
PERMISSIONS_HEADER = b"gatehouse-permissions"

KEY_SET_PATH = "/.well-known/jwks.json"

Way = Literal["assertion", "bearer", "headers", "none"]

_NONE: Header = (b"", b"")
_PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_SAFE = " |@:/.~_-+=,;()!*'"
"""Characters that stay as they are in a plain header, besides letters and digits. All others are percent-encoded."""


class Identity(Protocol):
    """Makes the headers that tell the upstream who asks."""

    def headers(self, token: AccessToken | None) -> list[Header]:
        """The headers for the caller with that verified token; None for the gate itself."""
        ...


class GateKeys:
    """The gate's own keys: P-256, for ES256 (RFC 7518 section 3.4).

    Args:
        keys: the first one signs, all are published.
    """

    def __init__(self, keys: Sequence[ec.EllipticCurvePrivateKey]) -> None:
        self._keys = [(_thumbprint(key), key) for key in keys]

    @classmethod
    def generated(cls) -> GateKeys:
        """A new key. Other processes and replicas do not have it."""
        return cls([ec.generate_private_key(ec.SECP256R1())])

    @classmethod
    def from_pem(cls, text: bytes) -> GateKeys:
        """The keys in a file.

        Raises:
            ValueError: the text has no P-256 private key in PEM, or another kind of key.
        """
        keys = [serialization.load_pem_private_key(block, None) for block in _PEM.findall(text)]
        good = [key for key in keys if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1"]
        if not good or len(good) != len(keys):
            raise ValueError("it has no P-256 private key in PEM, or another kind of key")
        return cls(good)

    def sign(self, claims: Mapping[str, object], kind: str) -> str:
        """A JWT with that `typ`."""
        key_id, key = self._keys[0]
        return jwt.encode(dict(claims), key, "ES256", headers={"kid": key_id, "typ": kind})

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The JSON Web Key Set with the public keys (RFC 7517 section 5)."""
        return {"keys": [{**_public(key), "kid": key_id, "use": "sig", "alg": "ES256"} for key_id, key in self._keys]}

    def secrets(self, purpose: str) -> list[bytes]:
        """A secret for another purpose from each key (RFC 5869)."""
        return [
            HKDF(hashes.SHA256(), 32, None, purpose.encode()).derive(
                key.private_numbers().private_value.to_bytes(32, "big")
            )
            for _, key in self._keys
        ]


class Assertions:
    """Signed assertions for one upstream, as a header of their own or as a bearer token.

    Args:
        issuer: the gate's public URL.
        audience: identifies the upstream.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        keys: GateKeys,
        issuer: str,
        audience: str,
        *,
        bearer: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._bearer = bearer
        self._clock = clock
        self._made: OrderedDict[tuple[object, ...], tuple[int, Header]] = OrderedDict()

    def headers(self, token: AccessToken | None) -> list[Header]:
        """One header with the assertion. For the gate itself `sub` is its own URL, and it has no permissions."""
        now = int(self._clock())
        if token is None:
            token = AccessToken(token="", client_id=self._issuer, subject=self._issuer, scopes=[])
        who = (token.subject, token.client_id, *token.scopes, token.expires_at)
        made_at, header = self._made.get(who, (now - REUSED, _NONE))
        if not 0 <= now - made_at < REUSED:
            header = self._header(token, now)
            self._made[who] = (now, header)
            self._made.move_to_end(who)
            if len(self._made) > MAX_ASSERTIONS:
                self._made.popitem(last=False)
        return [header]

    def _header(self, token: AccessToken, now: int) -> Header:
        until = now + LIFETIME
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": token.subject,
            "client_id": token.client_id,
            "permissions": token.scopes,
            "scope": " ".join(token.scopes),
            "iat": now,
            "exp": until if token.expires_at is None else min(until, token.expires_at),
        }
        if self._bearer:
            return b"authorization", b"Bearer " + self._keys.sign(claims, "at+jwt").encode("ascii")
        return ASSERTION_HEADER, self._keys.sign(claims, "gatehouse-assertion+jwt").encode("ascii")


class PlainHeaders:
    """Subject, client and permissions as text. Only for an upstream that nobody but the gate can reach."""

    def headers(self, token: AccessToken | None) -> list[Header]:
        """The headers; none for the gate itself."""
        if token is None:
            return []
        return [
            (SUBJECT_HEADER, plain(token.subject or "")),
            (CLIENT_HEADER, plain(token.client_id)),
            (PERMISSIONS_HEADER, plain(" ".join(token.scopes))),
        ]


class Nobody:
    """The upstream does not learn who asks."""

    def headers(self, token: AccessToken | None) -> list[Header]:
        """No headers."""
        return []


def identity(way: Way, keys: GateKeys, issuer: str, audience: str) -> Identity:
    """The identity of that kind."""
    if way == "headers":
        return PlainHeaders()
    if way == "none":
        return Nobody()
    return Assertions(keys, issuer, audience, bearer=way == "bearer")


def plain(text: str) -> bytes:
    """The text as a header value in ASCII, percent-encoded (RFC 3986 section 2.1)."""
    # A subject is any text: a line break in it must not start a header of its own.
    return quote(text, safe=_SAFE, errors="replace").encode("ascii")


def _public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    public: dict[str, str] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {name: public[name] for name in ("crv", "kty", "x", "y")}


def _thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """The key's id (RFC 7638): the hash of its required members, in order of their names."""
    text = json.dumps(_public(key), separators=(",", ":"), sort_keys=True)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode("ascii"))
    return jwt.utils.base64url_encode(digest.finalize()).decode("ascii")
