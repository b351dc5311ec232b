"""The tenant's public documents: its metadata and its keys; and its objects, for an administrator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ..claims import claims_of
from ..errors import GatehouseError, SignInError
from ..foreign_text import foreign
from ..signin.http.fetch import Reply
from ..signin.http.urls import require_safe
from ..signin.protocol.discovery import issuer_metadata
from ..tenant.management import Management
from ..tenant.settings import load_tenant_settings
from .context import FAILURES, Context
from .findings import Finding, not_needed, ok, unknown, wrong
from .objects import Objects, read_objects

_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The type of key (RFC 7517) by the beginning of the algorithm's name."""

Keys = Mapping[str, Mapping[str, Any]]
"""Public keys (RFC 7517), by their `kid`."""


async def tenant_metadata(context: Context) -> str:
    """Find the tenant's metadata; its URL.

    Raises:
        SignInError: no tenant is known, or as `issuer_metadata`.
        UnreachableError: as `issuer_metadata`.
    """

    async def discover() -> str:
        if context.issuer is None:
            raise SignInError("The tenant is not configured, and the server does not name one.")
        named_by = context.settings.issuer or context.url
        url, context.tenant = await issuer_metadata(context.fetch, context.issuer, named_by)
        context.client = context.account.provider.client_at(context.tenant)
        return url

    return await context.once(f"metadata of {context.issuer}", discover)


async def keys_reply(context: Context) -> Reply:
    """The answer with the tenant's keys.

    Raises:
        SignInError: the metadata has no `jwks_uri`, or as `Fetcher.get`.
        UnreachableError: as `Fetcher.get`.
    """
    await tenant_metadata(context)
    assert context.tenant is not None
    uri, issuer = context.tenant.jwks_uri, context.tenant.issuer

    async def get() -> Reply:
        if uri is None:
            raise SignInError("The tenant's metadata has no jwks_uri.")
        private = context.fetch.private_network
        require_safe(uri, "jwks_uri of the tenant", context.issuer or issuer, private_network=private)
        return await context.fetch.get(uri)

    return await context.once(f"keys of {issuer}", get)


async def published_keys(context: Context) -> Keys:
    """The keys that the tenant publishes."""
    listed = ((await keys_reply(context)).json() or {}).get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    return {str(key.get("kid")): key for key in keys}


async def discovery(context: Context) -> Finding:
    """Whether the tenant publishes its metadata."""
    try:
        return ok(await tenant_metadata(context))
    except FAILURES as error:
        named = context.metadata.authorization_servers if context.metadata else ()
        other = next((issuer for issuer in named if issuer != context.issuer), None)
        more = f" The server names the authorization server {foreign(other)}." if other else ""
        return wrong(f"{error}{more}", issuer=other)


async def issuer(context: Context) -> Finding:
    """Whether the tenant has the expected name."""
    assert context.tenant is not None
    found = context.tenant.issuer
    if found == context.issuer:
        return ok(found)
    return wrong(f"The tenant's issuer is {foreign(found)!r}, but {context.issuer!r} is expected.", issuer=found)


async def pkce(context: Context) -> Finding:
    """Whether the tenant protects authorization codes."""
    assert context.tenant is not None
    methods = context.tenant.code_challenge_methods_supported
    if "S256" in (methods or ()):
        return ok("S256")
    if methods is None and context.settings.oauth_pkce_unannounced:
        return ok("S256, by OAUTH_PKCE_UNANNOUNCED: the metadata does not say it", guessed=True)
    if context.settings.gatehouse_sign_in not in ("auto", "browser", "paste"):
        return not_needed("the sign-in uses no authorization code")
    if methods is None:
        return wrong("The metadata has no code_challenge_methods_supported.")
    return wrong(f"code_challenge_methods_supported: {foreign(', '.join(methods)) or 'empty'}")


async def keys(context: Context) -> Finding:
    """Whether the tenant publishes keys that the server can use."""
    try:
        reply = await keys_reply(context)
    except FAILURES as error:
        return wrong(str(error))
    published = (await published_keys(context)).values()
    algorithm = context.settings.jwt_algorithm
    usable = [key for key in published if key.get("use", "sig") == "sig" and verifies(key, algorithm)]
    if usable:
        kinds = sorted({str(key.get("alg", key.get("kty"))) for key in usable})
        return ok(f"{foreign(reply.url)}: {len(usable)} for {foreign(', '.join(kinds), 80)}")
    needed = algorithm or "signatures"
    return wrong(f"{foreign(reply.url)} answers {reply.status} and has no key for {needed}.")


def verifies(key: Mapping[str, Any], algorithm: str | None) -> bool:
    """Whether a published key can verify signatures of the algorithm; None stands for any with public keys."""
    kind = next((kind for prefix, kind in _KEY_TYPES.items() if (algorithm or "").startswith(prefix)), None)
    kinds = {kind} if kind else set(_KEY_TYPES.values()) if algorithm is None else set()
    stated = key.get("alg", algorithm)
    same = algorithm is None or stated == algorithm or {str(stated), algorithm} == {"EdDSA", "Ed25519"}
    return key.get("kty") in kinds and same


async def management(context: Context) -> Finding:
    """Read the tenant's objects, if the credentials for the Management API are set."""
    try:
        objects = await asyncio.to_thread(_objects, context)
    except GatehouseError as error:
        return unknown(str(error))
    if objects is None:
        return unknown("AUTH0_MGMT_CLIENT_ID and its secret are not set; with them, checks see more")
    context.objects = objects
    if objects.unread:
        return not_needed(" ".join(dict.fromkeys(objects.unread)))
    return ok("The tenant's objects were read.")


def _objects(context: Context) -> Objects | None:
    settings = load_tenant_settings()
    if not settings.has_credentials:
        return None
    stored = context.account.stored()
    claims = claims_of(stored.access_token) if stored and not context.is_unattended else {}
    person = None if is_machine(claims) else claims.get("sub")
    # It is not known which id the tenant gives to a client that is a metadata document.
    client = context.client
    client_id = client.client_id if client is not None and not client.is_document else None
    permission = context.permission if stored is None and not context.is_unattended else None
    with Management(settings, context.trace) as management:
        return read_objects(management, client_id, str(person) if person else None, context.audience or "", permission)


def is_machine(claims: Mapping[str, Any]) -> bool:
    """Whether the token is of an application without a person. Auth0 ends the `sub` with `@clients`."""
    return str(claims.get("sub", "")).endswith("@clients")
