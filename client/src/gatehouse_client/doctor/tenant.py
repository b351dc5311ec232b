"""The tenant's public documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import SignInError, UnreachableError, foreign
from ..signin.http.fetch import Fetcher
from ..signin.http.urls import require_safe
from ..signin.protocol.discovery import AuthorizationServer, issuer_metadata
from .findings import Record
from .server import note, unreached

Keys = Mapping[str, Mapping[str, Any]]
"""Public keys (RFC 7517), by their `kid`."""

_READ: Final = ("issuer", "pkce", "keys")


async def see_tenant(
    fetch: Fetcher, issuer: str, named_by: str, record: Record
) -> tuple[AuthorizationServer, Keys] | None:
    """The tenant's metadata and keys; None where there is no metadata."""
    try:
        url, server = await issuer_metadata(fetch, issuer, named_by)
    except (UnreachableError, SignInError) as error:
        unreached(record, "discovery", error)
        record.unknown(_READ, "the tenant's metadata cannot be had")
        return None
    record.ok("discovery", url)
    if server.issuer == issuer:
        record.ok("issuer", issuer)
    else:
        seen = f"The tenant calls itself {foreign(server.issuer)!r}, expected is {issuer!r}."
        record.wrong("issuer", seen, f"AUTH0_ISSUER={foreign(server.issuer)}")
    methods = server.code_challenge_methods_supported or ()
    if "S256" in methods:
        record.ok("pkce", "S256")
    else:
        record.wrong("pkce", f"code_challenge_methods_supported: {foreign(', '.join(methods)) or 'missing'}")
    return server, await _keys(fetch, server, record)


async def _keys(fetch: Fetcher, server: AuthorizationServer, record: Record) -> Keys:
    if server.jwks_uri is None:
        record.wrong("keys", "The tenant's metadata names no jwks_uri.")
        return {}
    try:
        require_safe(server.jwks_uri, "jwks_uri of the tenant", server.issuer, private_network=fetch.private_network)
        reply = await fetch.get(server.jwks_uri)
    except (UnreachableError, SignInError) as error:
        record.wrong("keys", str(error))
        return {}
    note(record, "the tenant", reply)
    listed = (reply.json() or {}).get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    usable = [key for key in keys if key.get("kty") == "RSA" and key.get("alg", "RS256") == "RS256"]
    if usable:
        record.ok("keys", f"{server.jwks_uri}: {len(usable)} for RS256")
    else:
        record.wrong("keys", f"{server.jwks_uri} answers {reply.status} and has no key for RS256.")
    return {str(key.get("kid")): key for key in keys}
