"""The tenant's public documents: its metadata and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import SignInError, UnreachableError
from ..foreign_text import foreign
from ..signin.http.fetch import Fetcher
from ..signin.http.urls import require_safe
from ..signin.protocol.discovery import AuthorizationServer, issuer_metadata
from .findings import Findings
from .server import add_network_error, note_reply

Keys = Mapping[str, Mapping[str, Any]]
"""Public keys (RFC 7517), by their `kid`."""


async def check_tenant(
    fetch: Fetcher, issuer: str, named_by: str, findings: Findings
) -> tuple[AuthorizationServer, Keys] | None:
    """Check and return the tenant's metadata and keys; None if there is no metadata."""
    try:
        url, server = await issuer_metadata(fetch, issuer, named_by)
    except (UnreachableError, SignInError) as error:
        add_network_error(findings, "discovery", error)
        findings.unknown(("issuer", "pkce", "keys"), "the tenant's metadata is not available")
        return None
    findings.ok("discovery", url)
    if server.issuer == issuer:
        findings.ok("issuer", issuer)
    else:
        seen = f"The tenant's issuer is {foreign(server.issuer)!r}, but {issuer!r} is expected."
        findings.wrong("issuer", seen, f"AUTH0_ISSUER={foreign(server.issuer)}")
    methods = server.code_challenge_methods_supported or ()
    if "S256" in methods:
        findings.ok("pkce", "S256")
    else:
        findings.wrong("pkce", f"code_challenge_methods_supported: {foreign(', '.join(methods)) or 'missing'}")
    return server, await _keys(fetch, server, findings)


async def _keys(fetch: Fetcher, server: AuthorizationServer, findings: Findings) -> Keys:
    if server.jwks_uri is None:
        findings.wrong("keys", "The tenant's metadata has no jwks_uri.")
        return {}
    try:
        require_safe(server.jwks_uri, "jwks_uri of the tenant", server.issuer, private_network=fetch.private_network)
        reply = await fetch.get(server.jwks_uri)
    except (UnreachableError, SignInError) as error:
        findings.wrong("keys", str(error))
        return {}
    note_reply(findings, "the tenant", reply)
    listed = (reply.json() or {}).get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    usable = [key for key in keys if key.get("kty") == "RSA" and key.get("alg", "RS256") == "RS256"]
    if usable:
        findings.ok("keys", f"{server.jwks_uri}: {len(usable)} for RS256")
    else:
        findings.wrong("keys", f"{server.jwks_uri} answers {reply.status} and has no key for RS256.")
    return {str(key.get("kid")): key for key in keys}
