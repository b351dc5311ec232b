"""Client ID Metadata Documents (CIMD): the client's id is the https URL of its own metadata.

The rules are Auth0's (Register Applications with CIMD). An administrator imports such clients. They can also register
on first use, under the setting client_id_metadata_document_dynamic_registration_supported.
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
from ...formats.urls import is_loopback_name
from ...http.fetching import Fetcher, FetchError
from ...state.idp import Idp
from ...state.store import Expiry
from ...tenant.model import Client, PublicKey
from .self_registered import GRANT_TYPES, add_registered, checked_redirect_uri

MAX_URL = 120
MAX_DOCUMENT = 5 * 1024
MAX_JWKS = 12 * 1024
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


async def import_client(fetcher: Fetcher, url: str) -> Imported:
    """Fetch and check the metadata at `url`. InvalidClientMetadata names the mistake."""
    checked_url(url, allow_loopback=fetcher.allow_private)
    try:
        document = await fetcher.get(url, max_bytes=MAX_DOCUMENT)
        keys = await _public_keys(fetcher, url, document)
    except FetchError as error:
        raise InvalidClientMetadata(f"Client metadata: {error}") from error
    return _imported(url, document, keys)


def _imported(url: str, document: Mapping[str, Any], keys: tuple[PublicKey, ...]) -> Imported:
    if document.get("client_id") != url:
        raise _bad_member("client_id", "must be the URL of the document, character for character")
    name = document.get("client_name")
    if not isinstance(name, str) or not name.strip():
        raise _bad_member("client_name", "must be a text")
    kind = document.get("application_type", "web")
    if kind not in ("native", "web"):
        raise _bad_member("application_type", "must be native or web")
    method = _auth_method(document)
    grants, warnings = _grant_types(document)
    client = Client(
        client_id=url,
        name=name,
        secret="",
        app_type="native" if kind == "native" else "regular_web",
        strict=True,
        callbacks=_redirect_uris(document, grants),
        grant_types=frozenset(grants),
        auth_method=method,
        public_keys=keys,
        registration="cimd",
    )
    warnings += [f"Property not supported: '{name}'" for name in document if name not in PROPERTIES]
    mapped = {name: document[name] for name in document if name in PROPERTIES and name != "client_id"}
    return Imported(client, {"external_client_id": url, **mapped}, warnings)


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


def _redirect_uris(document: Mapping[str, Any], grants: list[str]) -> tuple[str, ...]:
    uris = document.get("redirect_uris", [])
    if not isinstance(uris, list) or (not uris and "authorization_code" in grants):
        raise _bad_member("redirect_uris", "must be a list with at least one URI")
    if len(set(map(str, uris))) != len(uris):
        raise _bad_member("redirect_uris", "must be unique")
    native = document.get("application_type") == "native"
    return tuple(_redirect_uri(uri, native=native) for uri in uris)


def _redirect_uri(value: object, *, native: bool) -> str:
    uri = checked_redirect_uri(value, error=InvalidClientMetadata)
    parts = urlsplit(uri)
    if parts.scheme == "https" or (native and parts.scheme == "http" and is_loopback_name(parts.hostname or "")):
        return uri
    raise _bad_member("redirect_uris", "must be https; a native client may also use http on a loopback address")


async def _public_keys(fetcher: Fetcher, url: str, document: Mapping[str, Any]) -> tuple[PublicKey, ...]:
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
    jwks = await fetcher.get(jwks_uri, max_bytes=MAX_JWKS)
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
    imported = await import_client(idp.fetcher, url)
    add_registered(idp, imported.client)
    return imported


async def register_on_first_use(idp: Idp, client_id: str | None) -> None:
    """Register an unknown client whose id is a URL, if the tenant's settings allow it.

    PageError if its document cannot be used, because then no redirect URI can be trusted.
    """
    if client_id is None or not is_metadata_url(client_id):
        return
    known, settings = idp.tenant.clients.get(client_id), idp.tenant.settings
    if not settings.client_id_metadata_document_dynamic_registration_supported:
        return
    if known is not None and not _is_stale(idp, client_id):
        return
    try:
        imported = await import_client(idp.fetcher, client_id)
    except OAuthError as error:
        case = Case("metadata_document_refused", sent=client_id, problem=error.description)
        raise PageError(error.error, error.description, case, guess="metadata_document") from error
    add_registered(idp, imported.client)
    expires = idp.clock.now() + idp.behaviours.metadata_copy_lifetime
    idp.store.documents.put(client_id, Expiry(expires))


def _is_stale(idp: Idp, client_id: str) -> bool:
    """Whether a client that registered on first use must be fetched again. Other clients are never fetched again."""
    registered_on_first_use = client_id in idp.store.documents
    return registered_on_first_use and idp.store.documents.get(client_id, idp.clock.now()) is None
