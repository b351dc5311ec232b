"""Verification of access tokens: returns the verified claims, or refuses the token with a reason.

Opaque tokens are verified by introspection, if it is configured.

PyJWT reads the keys and verifies the signatures. The parts of a token are read here, because PyJWT (2.15) also accepts
padding, JSON with a name twice, NaN, half of a surrogate pair, and times as text; and it decodes the header twice,
character by character. `tests/server/auth/verify/test_token_agreement.py` compares both: nothing is accepted that
PyJWT or joserfc refuses, and each of these reasons still holds.

Sources: RFC 7519 (JWT), RFC 8725 (JWT best current practices), RFC 9068 (JWT profile for access tokens),
Auth0 docs, "Access token profiles".
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jwt

from .. import strict_json
from ..provider.introspection import Introspection
from ..provider.keys import SigningKeys, names_of
from .profiles import PROFILES, MalformedGrant, Profile

MAX_TOKEN_LENGTH = 16 * 1024
"""Characters. A longer token is refused before it is parsed."""

# Headers with which a token brings its own key, or changes how it is read: an attacker could use them (RFC 8725).
_UNTRUSTED_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty")
_REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
# What introspection says of an access token, if it says it: `token_type` (RFC 7662), `token_use` (Ory Hydra).
_BEARER_TYPES = ("bearer", "access_token")
_ACCESS_USES = ("access", "access_token")

INTROSPECTED = ""
"""The key id of a token that no key signs. No key has this id, so the token is looked up at each use."""

_TYPE_NAMES = {"jwt": "JWT", "at+jwt": "at+jwt"}
_NUMBERS = (int, float)
_IDENTITY_NOT_ACCESS = "This is an ID token: send the access token."


class TokenRefused(Exception):
    """The token is not valid.

    Attributes:
        code: short and stable, for logs and metrics.
        description: one sentence for the client's developer. It contains no part of the token.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class VerifiedToken(NamedTuple):
    """The content of a verified token. Times are seconds since the epoch.

    Attributes:
        key_id: of the key that signed it; empty for an opaque token.
        client_id: the client that the token was issued to (`azp` or `client_id`).
        subject: the user's (or machine's) id at the issuer (`sub`).
        issued_at: `iat`.
        not_before: `nbf`; 0 without it.
        expires_at: `exp`.
        granted: the permissions in the token, read by the profile.
        claims: all claims.
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
        keys: the issuer's signing keys.
        issuer: the required `iss` claim, byte for byte (Auth0's ends in a slash).
        audience: the API's identifier, which `aud` must contain, byte for byte.
        algorithm: the only accepted signature algorithm. (Ed25519 has two names: EdDSA is the older one.)
        profile: the claims that identify an access token, and those with its permissions.
        introspection: asks the provider about tokens that are no signed JWTs. None refuses them.
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
        introspection: Introspection | None = None,
        leeway: int = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._algorithms = names_of(algorithm)
        self._profile = profile
        self._introspection = introspection
        self._leeway = leeway
        self._clock = clock
        # All tokens of a key have the same header.
        self._key_id = lru_cache(64)(self._read_key_id)

    async def verify(self, token: str) -> VerifiedToken:
        """The verified token.

        Raises:
            TokenRefused: the token is not valid; its `code` says why.
            VerificationUnavailable: the token cannot be verified now.
        """
        verified = await self.verify_except_times(token)
        self.check_times(verified)
        return verified

    async def verify_except_times(self, token: str) -> VerifiedToken:
        """Like `verify`, without the times. For a token that is cached: call `check_times` at each use."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefused("token_too_large", f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
        if self._introspection is not None and not _is_signed_jwt(token):
            return await self._introspected(self._introspection, token)
        header, payload, signature = _split(token)
        key_id = self._key_id(header)
        key = await self._keys.get(key_id)
        if key is None:
            raise TokenRefused("unknown_key", "The token is signed with a key that the issuer does not publish.")
        if key.algorithm_name not in self._algorithms or not _is_signed(f"{header}.{payload}", signature, key):
            raise TokenRefused("bad_signature", "The token's signature does not match.")
        claims = _read_object(payload, "payload")
        self._check_claims(claims, self._profile, _REQUIRED_CLAIMS)
        return self._verified(key_id, claims, self._profile)

    async def _introspected(self, introspection: Introspection, token: str) -> VerifiedToken:
        """The token as the provider describes it. Its audience must be named, as in a JWT."""
        answer = await introspection.claims(token)
        if answer is None:
            raise TokenRefused("inactive_token", "The provider says that the token is not valid (any more).")
        # RFC 7662 section 2.2 makes most members optional. The endpoint is the issuer's own, and its answer is new.
        now = self._clock()
        claims = {"iss": self._issuer, "iat": now, "exp": now + introspection.limits.max_age, **answer}
        if claims.get("sub") is None and "username" in claims:
            claims["sub"] = claims["username"]
        if str(claims.get("token_type", "bearer")).lower() not in _BEARER_TYPES:
            raise TokenRefused("wrong_type", "The token is no bearer token.")
        if claims.get("token_use", "access") not in _ACCESS_USES:
            raise TokenRefused("wrong_type", "This is no access token: send the access token.")
        profile = self._profile.introspected()
        self._check_claims(claims, profile, _REQUIRED_CLAIMS)
        return self._verified(INTROSPECTED, claims, profile)

    def is_key_current(self, verified: VerifiedToken) -> bool:
        """Whether the issuer still publishes the key of the token."""
        return self._keys.is_current(verified.key_id)

    def check_times(self, token: VerifiedToken) -> None:
        """Compare the token's times with the clock.

        Raises:
            TokenRefused: the token has expired, or is not valid yet.
        """
        now = self._clock()
        if token.expires_at <= now - self._leeway:
            raise TokenRefused("token_expired", "The token has expired.")
        if token.issued_at > now + self._leeway:
            raise TokenRefused("issued_in_the_future", "The token was issued in the future: compare the clocks.")
        if token.not_before > now + self._leeway:
            raise TokenRefused("not_yet_valid", "The token is not valid yet.")

    def _read_key_id(self, part: str) -> str:
        """The key id in the header, after all other checks on the header."""
        header = _read_object(part, "header")
        if header.get("alg") not in self._algorithms:
            raise TokenRefused("algorithm_not_allowed", f"Only {self._algorithms[0]} signatures are accepted.")
        for name in _UNTRUSTED_HEADERS:
            if name in header:
                raise TokenRefused("header_not_allowed", f"The token's header holds {name}, which is not accepted.")
        token_type = header.get("typ")
        if (token_type.lower() if isinstance(token_type, str) else token_type) not in self._profile.types:
            accepted = " or ".join(_TYPE_NAMES[name] for name in self._profile.types if name in _TYPE_NAMES)
            raise TokenRefused("wrong_type", f"The token's typ is not that of an access token ({accepted}).")
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= 256:
            raise TokenRefused("no_key_id", "The token's header does not name its key (kid).")
        return key_id

    def _check_claims(self, claims: dict[str, Any], profile: Profile, needed: tuple[str, ...]) -> None:
        missing = [name for name in needed if claims.get(name) is None and (name != "aud" or not profile.prefixed)]
        if missing:
            fixes = [f": {fix}" for name in missing if (fix := profile.lacking.get(name))]
            raise TokenRefused("missing_claim", f"The token lacks the claims: {', '.join(missing)}{''.join(fixes)}.")
        self._check_issuer(claims["iss"])
        self._check_audience(claims, profile)
        _check_time_types(claims)
        _check_string(claims, "sub")
        _check_client(claims, profile)

    def _check_issuer(self, issuer: object) -> None:
        if issuer == self._issuer and isinstance(issuer, str):
            return
        if issuer == _other_slash(self._issuer):
            hint = "The token's issuer differs from this server's by a slash at the end"
            raise TokenRefused("issuer_differs_by_slash", f"{hint}: it is not {self._issuer}.")
        older = self._profile.older_issuer
        if older is not None and isinstance(issuer, str) and issuer.startswith(older[0]):
            raise TokenRefused("wrong_issuer", f"The token is not from {self._issuer}: {older[1]}.")
        raise TokenRefused("wrong_issuer", f"The token is not from {self._issuer}.")

    def _check_audience(self, claims: dict[str, Any], profile: Profile) -> None:
        try:
            is_for_us = profile.is_for(self._audience, claims)
        except MalformedGrant as error:
            raise TokenRefused("invalid_claim", f"The token's {error}.") from error
        if profile.is_id_token(claims):
            raise TokenRefused("wrong_type" if is_for_us else "wrong_audience", _IDENTITY_NOT_ACCESS)
        if not is_for_us and profile.is_for(_other_slash(self._audience), claims):
            hint = "The token's audience differs from this server's by a slash at the end"
            raise TokenRefused("audience_differs_by_slash", f"{hint}: it is not {self._audience}.")
        if not is_for_us:
            raise TokenRefused("wrong_audience", f"The token is not for {self._audience}.")
        if not profile.is_access_token(claims):
            assert profile.kind is not None  # without it, each token that is no ID token is an access token
            name, value = profile.kind
            raise TokenRefused("wrong_type", f"This is no access token (its claim {name} is not {value}).")

    def _verified(self, key_id: str, claims: dict[str, Any], profile: Profile) -> VerifiedToken:
        try:
            granted = profile.granted(claims)
        except MalformedGrant as error:
            raise TokenRefused("invalid_claim", f"The token's {error}.") from error
        return VerifiedToken(
            key_id=key_id,
            client_id=next(claims[name] for name in profile.clients if claims.get(name)),
            subject=claims["sub"],
            issued_at=claims["iat"],
            not_before=claims.get("nbf", 0),
            expires_at=claims["exp"],
            granted=granted,
            claims=claims,
        )


def _is_signed_jwt(token: str) -> bool:
    """Whether the token has three parts, and the first one begins like a JSON object in base64url."""
    return token.startswith("ey") and token.count(".") == 2


def _split(token: str) -> list[str]:
    """Header, payload and signature (RFC 7515 section 7.1), still encoded. PyJWT splits only what it also parses."""
    parts = token.split(".")
    if len(parts) == 5:
        # Auth0 issues such a token if the client names no API. Only the tenant's /userinfo can read it.
        raise TokenRefused(
            "opaque_token",
            "The token is encrypted and meant for the tenant's /userinfo: the client asked for no audience.",
        )
    if len(parts) != 3 or not all(parts):
        raise TokenRefused("malformed_token", "The token is not a signed JWT (three parts).")
    return parts


def _is_signed(text: str, signature: str, key: jwt.PyJWK) -> bool:
    # The algorithm is the key's own; the one in the token's header is not used.
    try:
        return key.Algorithm.verify(text.encode("ascii"), key.key, _base64url(signature))
    except ValueError:
        return False


def _read_object(part: str, what: str) -> dict[str, Any]:
    """The JSON object in a part. PyJWT reads it with `json.loads`, which accepts what others read differently."""
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
    """Decode base64url as RFC 7515 section 2 requires: one form of each token, so no padding, which PyJWT accepts.

    Raises:
        ValueError: it has padding or other characters, or unused bits that are not zero.
    """
    encoded = part.encode("ascii")
    raw = base64.urlsafe_b64decode(encoded + b"==")  # which ignores padding that it does not need
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != encoded:
        raise ValueError("not the one form of base64url")
    return raw


def _check_time_types(claims: dict[str, Any]) -> None:
    # PyJWT also accepts times as text.
    for name in ("exp", "iat", "nbf"):
        if name in claims and not _is_time(claims[name]):
            raise TokenRefused("invalid_claim", f"The token's {name} is not a time.")


def _other_slash(value: str) -> str:
    return value.removesuffix("/") if value.endswith("/") else f"{value}/"


def _is_time(value: object) -> bool:
    # bool is a subclass of int. Infinity and huge numbers must not be used in arithmetic.
    return isinstance(value, _NUMBERS) and not isinstance(value, bool) and abs(value) < 1e12


def _check_string(claims: dict[str, Any], name: str) -> None:
    if not isinstance(claims[name], str) or not claims[name]:
        raise TokenRefused("invalid_claim", f"The token's {name} is not a text.")


def _check_client(claims: dict[str, Any], profile: Profile) -> None:
    names = [name for name in profile.clients if claims.get(name) is not None]
    if not names:
        accepted = " or ".join(profile.clients)
        raise TokenRefused("missing_claim", f"The token does not name its client ({accepted}).")
    for name in names:
        _check_string(claims, name)
