"""Masking secrets in requests: a secret becomes a digest, so that two secrets can be told apart."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .parsing import unverified_claims, unverified_header

SECRETS = frozenset(
    {
        *("client_secret", "password", "code", "code_verifier", "refresh_token", "access_token", "id_token", "token"),
        *("subject_token", "actor_token", "client_assertion", "id_token_hint", "device_code", "state", "mfa_token"),
        *("user_code", "signing_secret", "ticket", "password-reset", "re-enter-password"),
    }
)
TOKENS = ("access_token", "id_token", "subject_token", "client_assertion", "id_token_hint")
# Chosen by people. A digest of them could be guessed, so nothing of them is shown.
CHOSEN = frozenset({"password", "client_secret", "password-reset", "re-enter-password"})
# Group 1: the parameters of a URL, in its query or fragment.
PARAMETERS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^?#]*[?#](.*)", re.DOTALL)


def masked(name: str, value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """The value; of a secret only a digest. Equal names and texts are one object, as requests repeat most of them."""
    if isinstance(value, dict):
        return {sys.intern(key): masked(key, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked(name, inner) for inner in value)
    if name in CHOSEN:
        return "…"
    if not isinstance(value, str):
        return value
    if name in SECRETS and value:
        return hidden(value)
    return masked_url(value) if _carries_secret(value) else sys.intern(value)


def hidden(secret: str) -> str:
    """A digest of the secret. Equal secrets have equal digests, so a code or token can be followed through requests."""
    return f"…{hashlib.sha256(secret.encode()).hexdigest()[:10]}"


def masked_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(sys.intern(name), masked(name, value)) for name, value in pairs]


def masked_url(url: str) -> str:
    """A URL with the secrets in its query and fragment masked. A URL that cannot be parsed is masked completely."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return hidden(url)
    query = _masked_query(parts.query)
    return parts._replace(query=query, fragment=_masked_query(parts.fragment)).geturl()


def decoded_tokens(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Header and claims of the JWTs among the values. Only the signature of a JWT is a secret."""
    found = {}
    for name, value in values:
        claims = unverified_claims(value) if name in TOKENS and isinstance(value, str) else None
        if claims is not None:
            found[name] = {"header": _shared(unverified_header(value)), "claims": _shared(claims)}
    return found


def _shared(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """The value, with one object for equal names and texts."""
    if isinstance(value, dict):
        return {sys.intern(key): _shared(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shared(inner) for inner in value]
    return sys.intern(value) if isinstance(value, str) else value


def _carries_secret(value: str) -> bool:
    """Whether a URL has a secret among its parameters. Other URLs are shown unchanged, because people compare them."""
    found = PARAMETERS.fullmatch(value)
    return found is not None and any(
        name in SECRETS for name, _ in parse_qsl(found[1].replace("#", "&"), keep_blank_values=True)
    )


def _masked_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode(masked_pairs(pairs)) if pairs else query
