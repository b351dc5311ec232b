"""private_key_jwt: a client authenticates with a JWT that it signed (RFC 7523 section 2.2).

The limits are Auth0's (Authenticate with Private Key JWT).
"""

from __future__ import annotations

from typing import Any, TypeGuard

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from ...errors import ClientAuthenticationFailed, MalformedRequest
from ...formats.parsing import unverified_claims, verified_claims
from ...state.idp import Idp
from ...state.store import Expiry
from ...tenant.model import Client, PublicKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH = 2048
MAX_CLAIM_LENGTH = 64
MAX_LIFETIME = 300
CLOCK_SKEW = 10


def client_in_assertion(token: str, assertion_type: str | None) -> str:
    """The id of the client that the assertion names, not verified. ClientAuthenticationFailed if it is not a JWT."""
    if assertion_type != ASSERTION_TYPE:
        raise MalformedRequest(f"client_assertion_type must be {ASSERTION_TYPE}")
    if len(token) > MAX_LENGTH:
        raise _refused(f"it is longer than {MAX_LENGTH} bytes")
    subject = (unverified_claims(token) or {}).get("sub")
    if not isinstance(subject, str):
        raise _refused("it is not a JWT with a sub")
    return subject


def check_assertion(idp: Idp, client: Client, token: str, issuer: str) -> None:
    """ClientAuthenticationFailed if the client did not sign it, or it is for another tenant, expired or used."""
    claims = _verified(client, token)
    now = idp.clock.now()
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise _refused("iss and sub must be the client_id")
    _check_audience(idp, claims.get("aud"), issuer)
    expires = _check_times(claims, now)
    identifier = claims.get("jti")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_CLAIM_LENGTH:
        raise _refused(f"jti must be a text of at most {MAX_CLAIM_LENGTH} characters")
    key = f"{client.client_id} {identifier}"
    if idp.store.assertions.get(key, now) is not None:
        raise _refused("its jti was used before")
    idp.store.assertions.put(key, Expiry(expires + CLOCK_SKEW))


def _check_audience(idp: Idp, audience: object, issuer: str) -> None:
    audiences = audience if isinstance(audience, list) else [audience]
    accepted = [issuer]
    if idp.behaviours.assertion_audience_token_endpoint:
        accepted.append(f"{issuer}oauth/token")
    if not any(name in accepted for name in audiences):
        raise _refused(f"aud must be {' or '.join(accepted)}")


def _check_times(claims: dict[str, Any], now: float) -> float:
    """The time at which the assertion expires, in Unix seconds."""
    expires = claims.get("exp")
    if not _is_number(expires) or expires <= now:
        raise _refused("exp is missing or in the past")
    if expires > now + MAX_LIFETIME + CLOCK_SKEW:
        raise _refused(f"its lifetime is longer than {MAX_LIFETIME} seconds")
    for name in ("iat", "nbf"):
        value = claims.get(name)
        if value is not None and (not _is_number(value) or value > now + CLOCK_SKEW):
            raise _refused(f"{name} is in the future")
    return float(expires)


def _verified(client: Client, token: str) -> dict[str, Any]:
    if not client.public_keys:
        raise _refused("no public key is known for the client")
    for key in client.public_keys:
        claims = verified_claims(token, _imported(key), [key.alg])
        if claims is not None:
            return claims
    raise _refused("none of the client's keys signed it with its algorithm")


def _imported(key: PublicKey) -> RSAKey:
    try:
        return RSAKey.import_key(key.pem)
    except (JoseError, ValueError) as error:
        raise _refused("the client's public key is not an RSA key in PEM") from error


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(why: str) -> ClientAuthenticationFailed:
    return ClientAuthenticationFailed(why=f"The client assertion is refused: {why}.")
