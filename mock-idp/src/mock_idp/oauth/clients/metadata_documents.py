"""Client ID Metadata Documents (CIMD): the client's id is the https URL of its own metadata.

The rules are Auth0's (CIMD Validation Rules). An administrator imports such clients. They can also register on first
use, under the setting client_id_metadata_document_dynamic_registration_supported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from ...errors import AccessDenied, InvalidClientMetadata, OAuthError, PageError
from ...explanations import Case
from ...formats.urls import is_loopback_name, is_loopback_uri, without_port
from ...state.idp import Idp
from ...state.store import Expiry
from ...tenant.model import Client, PublicKey
from .documents import DocumentMissing, find_document, is_in_offline_file
from .self_registered import GRANT_TYPES, add_registered, checked_redirect_uri, given, registered_text

MAX_URL = 120
MAX_DOCUMENT = 5 * 1024
MAX_JWKS = 12 * 1024
MAX_DESCRIPTION = 140
AUTH_METHODS = ("none", "private_key_jwt")
PROPERTIES = frozenset(
    {
        *("client_id", "client_name", "redirect_uris", "grant_types", "application_type"),
        *("token_endpoint_auth_method", "jwks_uri", "logo_uri", "description", "response_types", "scope", "client_uri"),
    }
)
DOT_SEGMENT = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Imported:
    """A client from its metadata document, the members that were used, and warnings about the others."""

    client: Client
    mapped: Mapping[str, Any]
    warnings: list[str] = field(default_factory=list)


def is_metadata_url(client_id: str) -> bool:
    """Whether a client id looks like the URL of a metadata document."""
    return client_id.startswith("https://")


def checked_url(url: str, *, allow_loopback: bool = False) -> str:
    """The URL if it can be that of a metadata document. InvalidClientMetadata names the rule that it breaks."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url("is not a URL") from error
    rules = [
        (parts.scheme == "https", "must use https"),
        (bool(host), "must have a host"),
        (allow_loopback or not is_loopback_name(host or ""), "must not be on localhost"),
        (parts.path not in ("", "/"), "must have a path"),
        (not DOT_SEGMENT.search(parts.path), "must not have . or .. in its path"),
        (len(url.encode()) <= MAX_URL, f"must have at most {MAX_URL} bytes"),
        (url.isascii() and not re.search(r"\s", url), "must not have whitespace or characters outside ASCII"),
        (parts.username is None and parts.password is None, "must not name a user"),
        ("#" not in url, "must not have a fragment"),
        ("?" not in url, "must not have a query"),
        (port != 0, "must not have port 0"),
        (not BAD_ESCAPE.search(url), "must have two hexadecimal digits after each %"),
    ]
    for kept, rule in rules:
        if not kept:
            raise _bad_url(rule)
    return url


async def import_client(idp: Idp, url: str) -> Imported:
    """Find and check the metadata at `url`. DocumentMissing, or InvalidClientMetadata with the mistake."""
    checked_url(url, allow_loopback=idp.fetcher is not None and idp.fetcher.allow_private)
    document = given(await find_document(idp, url, max_bytes=MAX_DOCUMENT))
    return _imported(url, document, await _public_keys(idp, url, document))


def _imported(url: str, document: Mapping[str, Any], keys: tuple[PublicKey, ...]) -> Imported:
    if document.get("client_id") != url:
        raise _bad_member("client_id", "must be the URL of the document, character for character")
    texts = {"client_name": registered_text("client_name", document.get("client_name"))}
    if "description" in document:
        texts["description"] = registered_text("description", document["description"], max_length=MAX_DESCRIPTION)
    native = _is_native(document)
    method = _auth_method(document)
    grants, warnings = _grant_types(document)
    client = Client(
        client_id=url,
        name=texts["client_name"],
        secret="",
        app_type="native" if native else "regular_web",
        strict=True,
        callbacks=_redirect_uris(document, grants, native=native),
        grant_types=frozenset(grants),
        auth_method=method,
        public_keys=keys,
        registration="cimd",
    )
    warnings += [f"Property not supported: '{name}'" for name in document if name not in PROPERTIES]
    mapped = {name: document[name] for name in document if name in PROPERTIES and name != "client_id"}
    return Imported(client, {"external_client_id": url, **mapped, **texts}, warnings)


def _is_native(document: Mapping[str, Any]) -> bool:
    """Whether the document is that of a native application.

    Auth0's default is `web`, for which the documentation allows only https. But Auth0 imported the document of Claude
    Code, which has loopback callbacks and no application_type (an Auth0 engineer, github.com/anthropics/claude-code
    issue 37747, 2026-04). So without the member the callbacks decide. Whether Auth0 still does so is not established.
    """
    kind = document.get("application_type")
    if kind is None:
        uris = document.get("redirect_uris", [])
        return isinstance(uris, list) and any(isinstance(uri, str) and is_loopback_uri(uri) for uri in uris)
    if kind not in ("native", "web"):
        raise _bad_member("application_type", "must be native or web")
    return bool(kind == "native")


def _auth_method(document: Mapping[str, Any]) -> str:
    if "jwks" in document:
        raise _bad_member("jwks", "is not supported inline; use jwks_uri")
    method = document.get("token_endpoint_auth_method", "none")
    if method not in AUTH_METHODS:
        raise _bad_member("token_endpoint_auth_method", f"must be one of {', '.join(AUTH_METHODS)}")
    return str(method)


def _grant_types(document: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The supported grant types, and a warning for each other one."""
    requested = document.get("grant_types")
    if not isinstance(requested, list) or not all(isinstance(grant, str) for grant in requested):
        raise _bad_member("grant_types", "must be a list of texts")
    supported = [grant for grant in GRANT_TYPES if grant in requested]
    if not supported:
        raise _bad_member("grant_types", f"must contain one of {', '.join(GRANT_TYPES)}")
    return supported, [f"Grant type not supported: '{grant}'" for grant in requested if grant not in GRANT_TYPES]


def _redirect_uris(document: Mapping[str, Any], grants: list[str], *, native: bool) -> tuple[str, ...]:
    uris = document.get("redirect_uris", [])
    if not isinstance(uris, list) or (not uris and "authorization_code" in grants):
        raise _bad_member("redirect_uris", "must be a list with at least one URI")
    if len(set(map(str, uris))) != len(uris):
        raise _bad_member("redirect_uris", "must be unique")
    return tuple(_redirect_uri(uri, native=native) for uri in uris)


def _redirect_uri(value: object, *, native: bool) -> str:
    uri = checked_redirect_uri(value, error=InvalidClientMetadata)
    if uri.startswith("https:") or (native and is_loopback_uri(uri)):
        return uri
    raise _bad_member("redirect_uris", "must be https; a native client may also use http on a loopback address")


async def _public_keys(idp: Idp, url: str, document: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    if document.get("token_endpoint_auth_method") != "private_key_jwt":
        return ()
    jwks_uri = document.get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise _bad_member("jwks_uri", "is needed for private_key_jwt")
    try:
        same_origin = urlsplit(jwks_uri)[:2] == urlsplit(url)[:2]
    except ValueError as error:
        raise _bad_member("jwks_uri", "is not a URL") from error
    if not same_origin:
        raise _bad_member("jwks_uri", "must have the origin of the document")
    try:
        jwks = await find_document(idp, jwks_uri, max_bytes=MAX_JWKS)
    except DocumentMissing as error:
        raise _bad_member("jwks_uri", f"must lead to a key set: {error}") from error
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise _bad_member("jwks_uri", "must lead to a JSON Web Key Set")
    return tuple(_public_key(key) for key in keys)


def _public_key(key: object) -> PublicKey:
    if not isinstance(key, dict) or "d" in key:
        raise _bad_member("jwks_uri", "must lead to public keys only")
    alg = key.get("alg", "RS256")
    if alg not in ("RS256", "RS384", "PS256"):
        raise _bad_member("jwks_uri", "must lead to keys for RS256, RS384 or PS256")
    try:
        pem = RSAKey.import_key(key).as_pem(private=False).decode("ascii")
    except (JoseError, ValueError, TypeError) as error:
        raise _bad_member("jwks_uri", "must lead to RSA keys") from error
    return PublicKey(pem, alg, str(key.get("kid", "")) or None)


def _bad_url(rule: str) -> OAuthError:
    return InvalidClientMetadata(f"The URL of the client metadata {rule}")


def _bad_member(name: str, rule: str) -> OAuthError:
    return InvalidClientMetadata(f"Client metadata: {name} {rule}")


async def import_by_administrator(idp: Idp, url: str) -> Imported:
    """The import by an administrator: POST /api/v2/clients/cimd/register. OAuthError if it fails."""
    if not idp.tenant.settings.client_id_metadata_document_supported:
        raise AccessDenied("Client ID Metadata Documents are not enabled: client_id_metadata_document_supported is off")
    try:
        imported = await import_client(idp, url)
    except DocumentMissing as error:
        raise InvalidClientMetadata(f"Client metadata: {error}") from error
    add_registered(idp, imported.client)
    return imported


async def register_on_first_use(idp: Idp, parameters: Mapping[str, str]) -> None:
    """Register the unknown client of a request whose id is a URL, if the tenant's settings allow it.

    PageError if its document cannot be used, because then no redirect URI can be trusted.
    """
    client_id, settings = parameters.get("client_id"), idp.tenant.settings
    if client_id is None or not is_metadata_url(client_id):
        return
    if not settings.client_id_metadata_document_dynamic_registration_supported or not _must_read(idp, client_id):
        return
    try:
        imported = await import_client(idp, client_id)
    except DocumentMissing as error:
        raise _missing(client_id, parameters, str(error)) from error
    except OAuthError as error:
        case = Case("metadata_document_refused", sent=client_id, problem=error.description)
        raise PageError(error.error, error.description, case, guess="metadata_document") from error
    add_registered(idp, imported.client)
    expires = idp.clock.now() + idp.behaviours.metadata_copy_lifetime
    idp.store.documents.put(client_id, Expiry(expires))


def _must_read(idp: Idp, client_id: str) -> bool:
    """Whether the document must be read: the client is new, its copy is old, or offline.yaml may have changed.

    The document of a client that an administrator imported is never read again.
    """
    if client_id not in idp.tenant.clients:
        return True
    if client_id not in idp.store.documents:
        return False
    return is_in_offline_file(idp, client_id) or idp.store.documents.get(client_id, idp.clock.now()) is None


def _missing(client_id: str, parameters: Mapping[str, str], problem: str) -> PageError:
    """The page says what the client presents, and has the lines for offline.yaml that let it in."""
    presented = {name: parameters[name] for name in ("redirect_uri", "scope", "resource") if name in parameters}
    facts: dict[str, str] = {"sent": client_id, "problem": problem, **presented}
    try:
        callback = _redirect_uri(parameters.get("redirect_uri"), native=True)
    except InvalidClientMetadata:
        case = Case("metadata_document_missing", **facts)
    else:
        host = urlsplit(client_id).hostname or client_id
        # The program may take another port the next time.
        callback = without_port(callback) if is_loopback_uri(callback) else callback
        case = Case("metadata_document_unknown", **facts, name=host, callback=callback)
    description = f"The client metadata document is not available: {client_id}"
    return PageError("invalid_request", description, case, guess="metadata_document")
