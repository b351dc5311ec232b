"""Access tokens: from the text in the Authorization header to the verified claims, or a refusal with a reason.

Sources: RFC 7519 (JWT), RFC 8725 (JWT best current practices), RFC 9068 (JWT profile for access tokens),
Auth0 docs, "Access token profiles".
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jwt

from . import strict_json
from .keys import SigningKeys
from .profiles import PROFILES, MalformedGrant, Profile

MAX_TOKEN_LENGTH = 16 * 1024
"""Characters. Longer tokens are refused before anything of them is read."""

_ACCESS_TOKEN_TYPES = ("jwt", "at+jwt", "application/at+jwt")
# Keys that a token brings along, and rules that it sets for its own reading, are an attacker's tools (RFC 8725).
_UNTRUSTED_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty")
_REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
_NUMBERS = (int, float)
# From base64url to base64, and what is base64 only to what is neither.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
# How the characters beyond the last four can end: the bits that make no whole byte are zero. A single one cannot be.
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
_IDENTITY_NOT_ACCESS = "This is an ID token: send the access token."


class TokenRefused(Exception):
    """The token does not let anyone in.

    Attributes:
        code: short, stable, for logs and metrics.
        description: one sentence for the client's developer; holds nothing of the token but short claims.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class VerifiedToken(NamedTuple):
    """What is known about the caller after verification. Times are seconds since the epoch.

    Attributes:
        granted: the permissions that the token itself states, by its profile.
    """

    key_id: str
    client_id: str
    subject: str
    issued_at: float
    not_before: float
    expires_at: float
    granted: frozenset[str]
    claims: dict[str, Any]


class TokenVerifier:
    """Verifies access tokens of one issuer for one audience.

    Args:
        issuer: the `iss` claim, byte for byte (Auth0's ends in a slash).
        audience: the API's identifier that `aud` must hold, byte for byte.
        algorithm: the one signature algorithm that is accepted.
        profile: what tells an access token, and where it says what it allows.
        leeway: seconds that clocks may differ.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        keys: SigningKeys,
        *,
        issuer: str,
        audience: str,
        algorithm: str = "RS256",
        profile: Profile = PROFILES["auth0"],
        leeway: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithm = algorithm
        self._profile = profile
        self._leeway = leeway
        self._clock = clock
        # All tokens of a key have the same header.
        self._key_id = lru_cache(64)(self._read_key_id)

    async def verify(self, token: str) -> VerifiedToken:
        """The verified token.

        Raises:
            TokenRefused: the token is not good; its `code` says why.
            KeysUnavailable: whether it is good cannot be said now.
        """
        verified = await self.verify_but_times(token)
        self.check_times(verified)
        return verified

    async def verify_but_times(self, token: str) -> VerifiedToken:
        """As `verify`, for a token that is to be remembered: its times are left to `check_times` at each use."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefused("token_too_large", f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
        header, payload, signature = _split(token)
        key_id = self._key_id(header)
        key = await self._keys.get(key_id)
        if key is None:
            raise TokenRefused("unknown_key", "The token is signed with a key that the issuer does not publish.")
        if key.algorithm_name != self._algorithm or not _is_signed(f"{header}.{payload}", signature, key):
            raise TokenRefused("bad_signature", "The token's signature does not match.")
        claims = _read_object(payload, "claims")
        self._check_claims(claims)
        return VerifiedToken(
            key_id=key_id,
            client_id=claims.get("client_id") or claims["azp"],
            subject=claims["sub"],
            issued_at=claims["iat"],
            not_before=claims.get("nbf", 0),
            expires_at=claims["exp"],
            granted=self._granted(claims),
            claims=claims,
        )

    def holds(self, verified: VerifiedToken) -> bool:
        """Whether its key has not been withdrawn since it was verified."""
        return self._keys.holds(verified.key_id)

    def check_times(self, token: VerifiedToken) -> None:
        """Compare its times with the clock.

        Raises:
            TokenRefused: it has expired, or is from the future.
        """
        now = self._clock()
        if token.expires_at <= now - self._leeway:
            raise TokenRefused("token_expired", "The token has expired.")
        if token.issued_at > now + self._leeway:
            raise TokenRefused("issued_in_the_future", "The token was issued in the future: compare the clocks.")
        if token.not_before > now + self._leeway:
            raise TokenRefused("not_yet_valid", "The token is not valid yet.")

    def _read_key_id(self, part: str) -> str:
        """The key id of a header that may be trusted so far as to look for the key."""
        header = _read_object(part, "header")
        if header.get("alg") != self._algorithm:
            raise TokenRefused("algorithm_not_allowed", f"Only {self._algorithm} signatures are accepted.")
        for name in _UNTRUSTED_HEADERS:
            if name in header:
                raise TokenRefused("header_not_allowed", f"The token's header holds {name}, which is not accepted.")
        token_type = header.get("typ")
        if not isinstance(token_type, str) or token_type.lower() not in _ACCESS_TOKEN_TYPES:
            raise TokenRefused("wrong_type", "The token's typ is not that of an access token (JWT or at+jwt).")
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= 256:
            raise TokenRefused("no_key_id", "The token's header does not name its key (kid).")
        return key_id

    def _check_claims(self, claims: dict[str, Any]) -> None:
        missing = [name for name in _REQUIRED_CLAIMS if claims.get(name) is None]
        if missing:
            raise TokenRefused("missing_claim", f"The token lacks the claims: {', '.join(missing)}.")
        self._check_issuer(claims["iss"])
        self._check_audience(claims)
        _check_time_types(claims)
        _check_text(claims, "sub")
        _check_client(claims)

    def _check_issuer(self, issuer: object) -> None:
        if issuer != self._issuer or not isinstance(issuer, str):
            raise TokenRefused("wrong_issuer", f"The token is not from {self._issuer}.")

    def _check_audience(self, claims: dict[str, Any]) -> None:
        audience = claims["aud"]
        audiences = [audience] if isinstance(audience, str) else audience
        if not isinstance(audiences, list) or not {*map(type, audiences)} <= {str}:
            raise TokenRefused("invalid_claim", "The token's aud is neither a string nor a list of strings.")
        id_token = self._profile.is_id_token(claims)
        if self._audience not in audiences:
            hint = _IDENTITY_NOT_ACCESS if id_token else f"The token is not for {self._audience}."
            raise TokenRefused("wrong_audience", hint)
        if id_token:
            raise TokenRefused("wrong_type", _IDENTITY_NOT_ACCESS)

    def _granted(self, claims: dict[str, Any]) -> frozenset[str]:
        try:
            return self._profile.granted(claims)
        except MalformedGrant as error:
            raise TokenRefused("invalid_claim", f"The token's {error}.") from error


def _split(token: str) -> list[str]:
    """Header, payload and signature (RFC 7515 section 7.1), still encoded."""
    parts = token.split(".")
    if len(parts) == 5:
        # What Auth0 issues when the client names no API: only the tenant's own /userinfo can read it.
        raise TokenRefused(
            "opaque_token",
            "The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience.",
        )
    if len(parts) != 3 or not all(parts):
        raise TokenRefused("malformed_token", "The token is not a signed JWT (three parts).")
    return parts


def _is_signed(text: str, signature: str, key: jwt.PyJWK) -> bool:
    # The key verifies with its own algorithm, whatever the token's header says.
    try:
        return key.Algorithm.verify(text.encode("ascii"), key.key, _base64url(signature))
    except ValueError:
        return False


def _read_object(part: str, what: str) -> dict[str, Any]:
    try:
        raw = _base64url(part)
    except ValueError as error:
        raise TokenRefused("malformed_token", f"The token's {what} is not base64url.") from error
    try:
        value = strict_json.parse(raw)
    except strict_json.Ambiguous as error:
        raise TokenRefused("malformed_token", f"The token's {what} is not plain JSON.") from error
    if not isinstance(value, dict):
        raise TokenRefused("malformed_token", f"The token's {what} is not a JSON object.")
    return value


def _base64url(part: str) -> bytes:
    """The bytes, from the one spelling that RFC 7515 allows: no padding, no other alphabet, no stray bits."""
    encoded = part.encode("ascii").translate(_TO_BASE64)
    beyond = len(encoded) % 4
    if beyond and encoded[-1] not in _LAST[beyond]:
        raise ValueError("bits that belong to no byte")
    return binascii.a2b_base64(encoded + b"=" * (-beyond % 4), strict_mode=True)


def _check_time_types(claims: dict[str, Any]) -> None:
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise TokenRefused("invalid_claim", f"The token's {name} is not a time.")


def _is_time(value: object) -> bool:
    # A bool is an int in Python; infinity and numbers that no clock reaches must not get into arithmetic.
    return isinstance(value, _NUMBERS) and not isinstance(value, bool) and abs(value) < 1e12


def _check_text(claims: dict[str, Any], name: str) -> None:
    if not isinstance(claims[name], str) or not claims[name]:
        raise TokenRefused("invalid_claim", f"The token's {name} is not a text.")


def _check_client(claims: dict[str, Any]) -> None:
    # Auth0's own profile says azp, RFC 9068 says client_id.
    names = [name for name in ("client_id", "azp") if claims.get(name) is not None]
    if not names:
        raise TokenRefused("missing_claim", "The token does not name its client (client_id or azp).")
    for name in names:
        _check_text(claims, name)
