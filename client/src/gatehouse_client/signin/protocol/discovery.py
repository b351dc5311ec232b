"""Where to sign in: the server's metadata (RFC 9728), then the authorization server's (RFC 8414, OIDC Discovery).

Nothing is guessed: without valid metadata there is no sign-in.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from ...errors import Party, SignInError, UnreachableError
from ...foreign_text import foreign
from ..http.fetch import Fetcher, Model, validated
from ..http.urls import require_safe, same_url
from .challenge import Challenge

_RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
_OAUTH_PATH: Final = "/.well-known/oauth-authorization-server"
_OIDC_PATH: Final = "/.well-known/openid-configuration"

_ENDPOINTS: Final = (
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
    "device_authorization_endpoint",
)


class ProtectedResource(BaseModel):
    """Protected resource metadata (RFC 9728 section 2). URLs are kept byte for byte."""

    model_config = ConfigDict(frozen=True)

    resource: str
    authorization_servers: tuple[str, ...] = Field(min_length=1)
    scopes_supported: tuple[str, ...] | None = None


class AuthorizationServer(BaseModel):
    """Authorization server metadata (RFC 8414 section 2). URLs are kept byte for byte."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    registration_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    scopes_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False
    client_id_metadata_document_supported: bool = False


class OtherResource(SignInError):
    """The server's metadata is about another resource.

    Attributes:
        resource: the resource in the metadata.
    """

    def __init__(self, message: str, resource: str) -> None:
        super().__init__(message)
        self.resource = resource


def resource_metadata_urls(server_url: str, challenge: Challenge | None) -> list[str]:
    """The URLs of the document in the order to try: the challenge's, the path form, the root form (MCP discovery)."""
    parts = urlsplit(server_url)
    root = f"{parts.scheme}://{parts.netloc}{_RESOURCE_PATH}"
    query = f"?{parts.query}" if parts.query else ""
    path_form = f"{root}{parts.path.rstrip('/')}{query}"
    named = [challenge.resource_metadata] if challenge and challenge.resource_metadata else []
    return list(dict.fromkeys([*named, path_form, root]))


def issuer_metadata_urls(issuer: str) -> list[str]:
    """The URLs of the document in the order to try (MCP discovery; RFC 8414 sections 3.1 and 5)."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return [f"{base}{_OAUTH_PATH}", f"{base}{_OIDC_PATH}"]
    return [f"{base}{_OAUTH_PATH}{path}", f"{base}{_OIDC_PATH}{path}", f"{base}{path}{_OIDC_PATH}"]


async def discover_resource(fetch: Fetcher, server_url: str, challenge: Challenge | None) -> ProtectedResource:
    """The metadata of the protected server.

    Raises:
        OtherResource: it is about another resource (RFC 9728 section 3.3).
        SignInError: there is none, or it is invalid.
        UnreachableError: the server does not answer or fails.
    """
    urls = resource_metadata_urls(server_url, challenge)
    for url in urls:
        require_safe(url, "resource_metadata URL of the server", server_url, private_network=fetch.private_network)
    missing = f"{server_url} asks for a sign-in but does not say where: no protected resource metadata at"
    url, resource = await _first_document(fetch, urls, ProtectedResource, Party.SERVER, missing)
    if not any(same_url(resource.resource, name) for name in _names(url, server_url, challenge)):
        raise OtherResource(
            f"The metadata at {url} is about {foreign(resource.resource)!r}, not about {server_url}: it is not"
            " used. Is MCP_PUBLIC_URL the server's own URL, byte for byte?",
            resource.resource,
        )
    return resource


def _names(metadata_url: str, server_url: str, challenge: Challenge | None) -> list[str]:
    """The valid resource names in the document at `metadata_url` (RFC 9728 section 3.3): the server's URL; and at the
    root form, which is built from the origin, also the origin, unless the challenge named this URL."""
    origin_form = metadata_url.removesuffix(_RESOURCE_PATH)
    named = challenge.resource_metadata if challenge else None
    return [server_url] if origin_form == metadata_url or metadata_url == named else [server_url, origin_form]


def choose_issuer(resource: ProtectedResource, expected: str | None) -> str:
    """The authorization server to use (RFC 9728 section 7.6: the client chooses).

    Args:
        expected: the issuer of the client's credentials, which are never sent to another one (MCP, "Authorization
            server binding"). None takes the first.

    Raises:
        SignInError: the server does not name the expected issuer.
    """
    named = resource.authorization_servers
    if expected is None:
        return named[0]
    if expected in named:
        return expected
    listed = ", ".join(foreign(issuer) for issuer in named)
    raise SignInError(
        f"The server names the authorization server {listed}, but the application (AUTH0_CLIENT_ID) belongs to"
        f" {expected}. Set AUTH0_ISSUER (or AUTH0_DOMAIN) to the server's, byte for byte, with the application's"
        " credentials there."
    )


async def discover_issuer(fetch: Fetcher, issuer: str, named_by: str) -> AuthorizationServer:
    """The authorization server's metadata, checked.

    Args:
        named_by: the URL of the server that named the issuer; or the issuer itself, if the person configured it.

    Raises:
        SignInError: as `issuer_metadata`; or it names another issuer (RFC 8414 section 3.3).
        UnreachableError: the authorization server does not answer or fails.
    """
    url, server = await issuer_metadata(fetch, issuer, named_by)
    if server.issuer != issuer:
        raise SignInError(
            f"The metadata at {url} is of the issuer {foreign(server.issuer)!r}, not of {issuer!r} (they are compared"
            " byte for byte, also the final slash): it is not used."
        )
    return server


def require_pkce(server: AuthorizationServer, *, unannounced: bool = False) -> None:
    """Refuse an authorization server that does not support PKCE with S256 (MCP, "Authorization code protection").

    Args:
        unannounced: whether the person knows that it does, although its metadata has no list of methods.

    Raises:
        SignInError: it does not, or does not say so.
    """
    methods = server.code_challenge_methods_supported
    if "S256" in (methods or ()) or (methods is None and unannounced):
        return
    if methods is None:
        raise SignInError(
            f"The metadata of {server.issuer} does not say whether it supports PKCE (it has no"
            " code_challenge_methods_supported). Without PKCE a stolen code could be used, so the sign-in is refused."
            " Microsoft Entra and Amazon Cognito support PKCE with S256 and do not say so: if yours also does, set"
            " OAUTH_PKCE_UNANNOUNCED=1. (More: gatehouse doctor --explain pkce)"
        )
    raise SignInError(
        f"The authorization server {server.issuer} does not say that it supports PKCE with S256"
        f" (code_challenge_methods_supported: {foreign(', '.join(methods)) or 'empty'}), so a stolen code could be"
        " used. The sign-in is refused. Switch on S256 there."
    )


async def issuer_metadata(fetch: Fetcher, issuer: str, named_by: str) -> tuple[str, AuthorizationServer]:
    """The URL of the authorization server's metadata, and the metadata. Only its endpoint URLs are checked.

    Raises:
        SignInError: there is none, it is invalid, or it names endpoints that may not be used.
        UnreachableError: the authorization server does not answer or fails.
    """
    require_safe(issuer, "authorization server of the server", named_by, private_network=fetch.private_network)
    if urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise SignInError(f"The issuer {foreign(issuer)!r} has a query or a fragment (RFC 8414 section 2).")
    missing = f"The authorization server {issuer} has no metadata, and endpoints are not guessed:"
    urls = issuer_metadata_urls(issuer)
    url, server = await _first_document(fetch, urls, AuthorizationServer, Party.TENANT, missing)
    for name in _ENDPOINTS:
        endpoint = getattr(server, name)
        if endpoint is not None:
            require_safe(endpoint, f"{name} of {issuer}", issuer, private_network=fetch.private_network)
    return url, server


async def _first_document(
    fetch: Fetcher, urls: list[str], model: type[Model], party: Party, missing: str
) -> tuple[str, Model]:
    """The first valid document that one of the URLs answers, and its URL. Every other answer leads to the next URL.

    Raises:
        SignInError: there is none. The message is `missing` with what each URL answered.
        UnreachableError: as `SignInError`, but one answer was that the party cannot serve now; or a URL does not
            answer.
    """
    seen: list[str] = []
    overloaded: bool = False
    for url in urls:
        reply = await fetch.get(url, party)
        document = reply.json()
        overloaded = overloaded or reply.is_overloaded
        if reply.is_error:
            said = f": {reply.error()[1]}" if document and document.get("error") else ""
            seen.append(f"{reply.url} ({reply.status}{said})")
        elif document is None:
            seen.append(f"{reply.url} (200, not a JSON object)")
        else:
            given = {name: value for name, value in document.items() if value != ""}
            try:
                return url, validated(model, given, "it has no valid")
            except SignInError as error:
                seen.append(f"{reply.url} (200, but {str(error).removesuffix('.')})")
    if overloaded:
        raise UnreachableError(f"The {party} cannot serve its metadata now: {', '.join(seen)}.", party)
    raise SignInError(f"{missing} {', '.join(seen)}.")
