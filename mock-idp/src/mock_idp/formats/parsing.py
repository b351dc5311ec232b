"""Parsing JSON and JWTs from requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

# joserfc raises its own errors for most wrong tokens, and Python's errors for some.
UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - a JSON value
    """The JSON value in `data`. ValueError if it is not JSON, or if it cannot be encoded again.

    Python's parser accepts NaN, lone surrogates and any depth. They would cause errors later.
    """
    try:
        value = json.loads(data, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def verified_claims(token: str, key: RSAKey | OctKey | KeySet, algorithms: Sequence[str]) -> dict[str, Any] | None:
    """The claims of a JWT that the key signed with one of the algorithms; None otherwise. Times are not checked."""
    try:
        return dict(jwt.decode(token, key, algorithms=list(algorithms)).claims)
    except UNREADABLE:
        return None


def unverified_header(token: str) -> dict[str, Any] | None:
    """The header of a JWT, or None. Its signature is not verified."""
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except UNREADABLE:
        return None


def unverified_claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, or None. The signature is not verified: use them only to find the key to verify it with."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except UNREADABLE:
        return None
    return claims if isinstance(claims, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def not_utf8(error: UnicodeDecodeError) -> str:
    """Why a text file cannot be read, and what to do."""
    if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
        seen = "it is UTF-16 text (PowerShell's > writes it)"
    else:
        line = error.object[: error.start].count(b"\n") + 1
        seen = f"line {line} has the byte 0x{error.object[error.start]:02x}"
    return f"is not UTF-8 text: {seen}. Save the file as UTF-8"
