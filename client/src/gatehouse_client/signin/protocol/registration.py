"""Where the OAuth client comes from (MCP authorization, "Client registration").

In this order: registered beforehand; by a client id metadata document (CIMD), if the authorization server supports
them; registered dynamically (RFC 7591), if it has a registration endpoint. Credentials belong to one issuer and are
never sent to another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigurationError, SignInError, UnreachableError
from ...foreign_text import foreign
from ...storage.encryption import Encryption, NoEncryption
from ...storage.grant import ClientAuthentication, Grant
from ...storage.private_files import PrivateFolder, file_name
from ..http.addresses import is_loopback
from ..http.fetch import Fetcher, Reply, validated
from .client import OAuthClient
from .discovery import AuthorizationServer

CLIENT_NAME: Final = "Gatehouse agent"

_METHODS: Final[tuple[ClientAuthentication, ...]] = ("none", "client_secret_post", "client_secret_basic")
_UNLISTED: Final = ("client_secret_basic",)  # RFC 8414 section 2: the default if the metadata has no list


class Registration(Protocol):
    """Where the client comes from."""

    async def client_for(self, server: AuthorizationServer, grant_types: tuple[str, ...]) -> OAuthClient:
        """The client to use at `server`.

        Raises:
            ConfigurationError: there is none, and none can be registered.
            SignInError, UnreachableError: the registration endpoint refuses, or does not answer.
        """
        ...

    def client_of(self, grant: Grant) -> OAuthClient | None:
        """The client that `grant` was issued to; None if it is another client."""
        ...

    def known_at(self, server: AuthorizationServer) -> OAuthClient | None:
        """The client at `server`, without a new registration; None if there is none."""
        ...

    def forget(self, issuer: str) -> bool:
        """Delete the stored registration, for example if the issuer has deleted the client; False if there is none."""
        ...


@dataclass(frozen=True)
class PreRegistered:
    """An application that was created in the tenant."""

    client: OAuthClient

    async def client_for(self, server: AuthorizationServer, grant_types: tuple[str, ...]) -> OAuthClient:
        return self.client

    def client_of(self, grant: Grant) -> OAuthClient | None:
        return self.client if grant.client_id == self.client.client_id else None

    def known_at(self, server: AuthorizationServer) -> OAuthClient | None:
        return self.client

    def forget(self, issuer: str) -> bool:
        return False


class RegisteredClient(BaseModel):
    """A dynamic registration: parts of the request and of the response (RFC 7591 section 3.2.1). No secret in its repr.

    Attributes:
        client_secret_expires_at: seconds since the epoch; 0 means never.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    issuer: str
    redirect_uri: str
    grant_types: tuple[str, ...]
    client_id: str = Field(pattern=r"^[\x20-\x7e]+$")
    client_secret: str | None = Field(default=None, repr=False, pattern=r"^[\x20-\x7e]+$")
    client_secret_expires_at: float = 0
    token_endpoint_auth_method: Literal["none", "client_secret_post", "client_secret_basic"]

    @property
    def client(self) -> OAuthClient:
        return OAuthClient(
            self.client_id, self.client_secret, method=self.token_endpoint_auth_method, registered_itself=True
        )

    def serves(self, issuer: str, redirect_uri: str, grant_types: tuple[str, ...], now: float) -> bool:
        """Whether the registration can be used for such a sign-in."""
        alive = not self.client_secret_expires_at or now < self.client_secret_expires_at
        same = (self.issuer, self.redirect_uri) == (issuer, redirect_uri)
        return alive and same and set(grant_types) <= set(self.grant_types)


class ClientStore:
    """Clients that registered themselves, one file per issuer under `home`/clients."""

    def __init__(self, home: Path, say: Callable[[str], None], encryption: Encryption | None = None) -> None:
        self._files = PrivateFolder(
            home / "clients", "The stored client registration", say, encryption or NoEncryption()
        )
        self._say = say

    def load(self, issuer: str) -> RegisteredClient | None:
        """The client that is registered at `issuer`; None if there is none."""
        kept = self._files.read(self._path(issuer), RegisteredClient)
        return kept if kept is not None and kept.issuer == issuer else None

    def save(self, client: RegisteredClient) -> None:
        """Store the client. A disk that cannot be written is reported, and no error is raised."""
        try:
            self._files.write(self._path(client.issuer), client)
        except OSError as error:
            self._say(f"The client registration cannot be kept in {self._files.path} ({error.strerror}).")

    def forget(self, issuer: str) -> bool:
        """Remove the client; False if there is none, or if it cannot be removed."""
        try:
            self._path(issuer).unlink()
        except OSError:
            return False
        return True

    def _path(self, issuer: str) -> Path:
        return self._files.path / f"{file_name(issuer)}.json"


@dataclass(frozen=True)
class SelfRegistered:
    """A client without an application in the tenant.

    Attributes:
        metadata_url: the URL of the client id metadata document, if one is published.
        dynamic: whether dynamic registration is allowed.
        method: how to authenticate at the token endpoint. None takes the first that the authorization server allows of
            none (the agent is a native application), client_secret_post, client_secret_basic.
    """

    fetch: Fetcher
    store: ClientStore
    redirect_uri: str
    clock: Callable[[], float]
    metadata_url: str | None = None
    dynamic: bool = True
    method: ClientAuthentication | None = None

    async def client_for(self, server: AuthorizationServer, grant_types: tuple[str, ...]) -> OAuthClient:
        if document := self._document_at(server):
            return document
        if not (self.dynamic and server.registration_endpoint):
            raise _no_client(server.issuer, dynamic=self.dynamic)
        kept = self.store.load(server.issuer)
        if kept is None or not kept.serves(server.issuer, self.redirect_uri, grant_types, self.clock()):
            kept = await self._register(server, server.registration_endpoint, grant_types)
            self.store.save(kept)
        return kept.client

    def client_of(self, grant: Grant) -> OAuthClient | None:
        if self.metadata_url and grant.client_id == self.metadata_url:
            return OAuthClient(self.metadata_url)
        kept = self.store.load(grant.issuer)
        return kept.client if kept is not None and kept.client_id == grant.client_id else None

    def known_at(self, server: AuthorizationServer) -> OAuthClient | None:
        if document := self._document_at(server):
            return document
        kept = self.store.load(server.issuer)
        return kept.client if kept is not None else None

    def forget(self, issuer: str) -> bool:
        return self.store.forget(issuer)

    def _document_at(self, server: AuthorizationServer) -> OAuthClient | None:
        if self.metadata_url and server.client_id_metadata_document_supported:
            return OAuthClient(self.metadata_url)
        return None

    async def _register(
        self, server: AuthorizationServer, endpoint: str, grant_types: tuple[str, ...]
    ) -> RegisteredClient:
        method = self._method(server)
        asked: dict[str, Any] = {
            "client_name": CLIENT_NAME,
            "redirect_uris": [self.redirect_uri],
            "grant_types": list(grant_types),
            "response_types": ["code"] if "authorization_code" in grant_types else [],
            "token_endpoint_auth_method": method,
            "application_type": "native" if is_loopback(urlsplit(self.redirect_uri).hostname) else "web",
        }
        reply = await self.fetch.post_json(endpoint, asked)
        document = reply.json()
        if reply.status not in (200, 201) or document is None or document.get("error"):
            raise _refused(reply, server.issuer)
        answered = {name: value for name, value in document.items() if name in _ANSWERED and value is not None}
        ours = {"issuer": server.issuer, "redirect_uri": self.redirect_uri, "grant_types": grant_types}
        problem = f"{server.issuer} answered the client registration with a wrong"
        return validated(RegisteredClient, {"token_endpoint_auth_method": method, **answered, **ours}, problem)

    def _method(self, server: AuthorizationServer) -> ClientAuthentication:
        if self.method is not None:
            return self.method
        allowed = server.token_endpoint_auth_methods_supported or _UNLISTED
        method = next((each for each in _METHODS if each in allowed), None)
        if method is None:
            raise ConfigurationError(
                f"{server.issuer} accepts only {foreign(', '.join(allowed))} at its token endpoint, which is not"
                " possible for a client that registers itself: create an application there and set AUTH0_CLIENT_ID."
            )
        return method


_ANSWERED: Final = frozenset({"client_id", "client_secret", "client_secret_expires_at", "token_endpoint_auth_method"})


def _no_client(issuer: str, *, dynamic: bool) -> ConfigurationError:
    why = (
        "does not let clients register themselves"
        if dynamic
        else "needs a registered client (OAUTH_DYNAMIC_REGISTRATION is off)"
    )
    return ConfigurationError(
        f"{issuer} {why}: create an application in the tenant, and set AUTH0_CLIENT_ID to its Client ID (and"
        " AUTH0_CLIENT_SECRET if it has one)."
    )


def _refused(reply: Reply, issuer: str) -> SignInError | UnreachableError:
    code, said = reply.error()
    if reply.is_overloaded:
        return UnreachableError(f"{issuer} cannot register clients now ({reply.status}, {said}).")
    if code == "invalid_redirect_uri":
        advice = " Set OAUTH_CALLBACK_URI to a URL that it accepts."
    else:
        advice = (
            " Dynamic registration may be off: switch it on. Or create an application there, and set AUTH0_CLIENT_ID."
            " (More: gatehouse doctor --explain registration)"
        )
    return SignInError(f"{issuer} did not register the client ({said}).{advice}")
