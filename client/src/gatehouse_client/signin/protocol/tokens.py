"""Requests to the token and revocation endpoints (RFC 6749 sections 5 and 6; RFC 7009)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ...causes.catalogue import advice, advice_on
from ...errors import SignInError, TokenRefused, UnreachableError
from ...foreign_text import foreign
from ...storage.grant import ClientAuthentication, Grant
from ..http.fetch import Fetcher, Reply, validated
from .client import OAuthClient
from .discovery import AuthorizationServer

INVALID_GRANT: Final = "invalid_grant"


class TokenResponse(BaseModel):
    """A successful answer of the token endpoint (RFC 6749 section 5.1). Its repr has no tokens."""

    model_config = ConfigDict(frozen=True)

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", repr=False)]
    token_type: Annotated[str, Field(pattern=r"^(?i:bearer)$")]
    expires_in: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    refresh_token: Annotated[str | None, Field(pattern=r"^[\x20-\x7e]+$", repr=False)] = None
    scope: str | None = None
    id_token: Annotated[Any, Field(repr=False)] = None
    _authenticated_by: ClientAuthentication | None = PrivateAttr(default=None)

    @property
    def authenticated_by(self) -> ClientAuthentication | None:
        """How the client authenticated, if this was an answer to `TokenEndpoint.request`."""
        return self._authenticated_by


class TokenEndpoint:
    """Sends a client's requests to a token endpoint.

    Args:
        clock: seconds since the epoch, for client assertions.
    """

    def __init__(self, fetch: Fetcher, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock

    async def request(self, client: OAuthClient, server: AuthorizationServer, form: Mapping[str, str]) -> TokenResponse:
        """Request a token.

        Args:
            form: `grant_type` and its parameters, without the client's credentials.

        Raises:
            TokenRefused: the tenant refuses.
            SignInError: the answer cannot be used.
            UnreachableError: the tenant does not answer, or fails.
            ConfigurationError: the client cannot authenticate with the current settings.
        """
        reply, method = await self.authenticated(client, server, server.token_endpoint, form)
        token = _token(reply, server.issuer, client, _other_methods(client, server, method))
        token._authenticated_by = method
        return token

    async def authenticated(
        self, client: OAuthClient, server: AuthorizationServer, endpoint: str, form: Mapping[str, str]
    ) -> tuple[Reply, ClientAuthentication]:
        """Post a form with the client's credentials, in the next possible way if the server refuses them.

        Returns:
            The last answer, and how the client authenticated.

        Raises:
            UnreachableError, SignInError, ConfigurationError: as `post`.
        """
        *others, last = client.authentications(server)
        for method in others:
            reply = await self.post(client, endpoint, form, method, server.issuer)
            if not _refuses_client(reply):
                return reply, method
        return await self.post(client, endpoint, form, last, server.issuer), last

    async def refresh(self, client: OAuthClient, grant: Grant) -> TokenResponse:
        """Renew a grant that has a refresh token.

        Raises: as `request`. `TokenRefused.code` is `invalid_grant` if only a new sign-in helps.
        """
        assert grant.refresh_token is not None
        resource = {"resource": grant.resource} if grant.takes_resource else {}
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token, **resource}
        method = grant.token_endpoint_auth_method
        return _token(await self.post(client, grant.token_endpoint, form, method, grant.issuer), grant.issuer, client)

    async def revoke(self, client: OAuthClient, grant: Grant) -> bool:
        """Revoke the refresh token (RFC 7009); True if the tenant confirms it.

        Raises:
            UnreachableError, SignInError: as `Fetcher.post`.
        """
        if grant.refresh_token is None or grant.revocation_endpoint is None:
            return False
        form = {"token": grant.refresh_token, "token_type_hint": "refresh_token"}
        method = grant.token_endpoint_auth_method
        return not (await self.post(client, grant.revocation_endpoint, form, method, grant.issuer)).is_error

    async def post(
        self, client: OAuthClient, endpoint: str, form: Mapping[str, str], method: ClientAuthentication, issuer: str
    ) -> Reply:
        """Post a form with the client's credentials to an endpoint of `issuer`.

        Raises:
            UnreachableError, SignInError: as `Fetcher.post`.
            ConfigurationError: the client lacks the credentials that the method needs.
        """
        credentials, headers = client.credentials(method, issuer, self._clock())
        return await self._fetch.post(endpoint, {**form, **credentials}, headers)


def _refuses_client(reply: Reply) -> bool:
    """Whether the answer refuses the client's credentials. Auth0 answers 401 `access_denied`."""
    code, _ = reply.error() if reply.is_error else ("", "")
    return code == "invalid_client" or (reply.status == 401 and code == "access_denied")


def _other_methods(client: OAuthClient, server: AuthorizationServer, method: ClientAuthentication) -> str:
    """The hint for refused credentials: other ways to send them that the server lists."""
    if client.secret is None:
        return ""
    tried = client.authentications(server)
    listed = server.token_endpoint_auth_methods_supported or ()
    others = [each for each in listed if each.startswith("client_secret_") and each not in tried]
    if len(tried) > 1:
        return f" It refuses both {' and '.join(tried)}."
    if client.method is not None and others:
        return (
            f" The agent sends {method}; the tenant also lists {foreign(', '.join(others))}: set"
            " OAUTH_TOKEN_ENDPOINT_AUTH_METHOD to the method of the application, or leave it empty."
        )
    return ""


def _token(reply: Reply, issuer: str, client: OAuthClient, methods: str = "") -> TokenResponse:
    document = reply.json()
    if reply.is_error:
        raise refusal(reply, issuer, client, methods)
    if document is None:
        raise SignInError(f"The token endpoint of {issuer} did not answer with a JSON object.")
    return validated(TokenResponse, document, f"The token endpoint of {issuer} answered with a wrong")


def refusal(reply: Reply, issuer: str, client: OAuthClient, methods: str = "") -> TokenRefused | UnreachableError:
    """The error that an error answer of the token endpoint means (RFC 6749 section 5.2).

    Args:
        methods: what to say about the authentication method, if the client is refused; it begins with a space.
    """
    code, said = reply.error()
    if reply.is_overloaded:
        return UnreachableError(f"The token endpoint of {issuer} cannot serve now ({reply.status}, {said}).")
    unknown_client = _refuses_client(reply)
    if unknown_client and client.registered_itself:
        hint = " It does not know the client that registered itself: `gatehouse login --force` registers a new one."
    elif unknown_client:
        hint = f"{methods} {advice_on('credentials')}"
    elif code == "unauthorized_client":
        hint = f" {advice_on('grant-types')}"
    else:
        hint = advice(said)
    return TokenRefused(f"The token endpoint of {issuer} refused ({said}).{hint}", code, unknown_client=unknown_client)
