"""Grants from the tenant: a sign-in gets one, and it can be renewed and revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..claims import claims_of
from ..errors import ConfigurationError, TokenRefused
from ..foreign_text import foreign
from ..profiles import BY_ISSUER, ProfileChoice
from ..storage.grant import Grant, name_in
from .flows.flow import SignInFlow, SignInTask
from .http.fetch import Fetcher
from .protocol.challenge import Challenge
from .protocol.client import OAuthClient
from .protocol.discovery import (
    AuthorizationServer,
    ProtectedResource,
    choose_issuer,
    discover_issuer,
    discover_resource,
    require_pkce,
)
from .protocol.registration import Registration
from .protocol.silent import CannotSucceed
from .protocol.tokens import INVALID_GRANT, TokenEndpoint, TokenResponse


@dataclass(frozen=True)
class SignInOptions:
    """The target of a sign-in.

    Attributes:
        server: the MCP server's URL.
        issuer: the authorization server that the client belongs to; None takes the one that the server names.
        audience: Auth0's `audience`; None takes the resource identifier of the server's metadata.
        scopes: scopes to request in addition to those of the server.
        profile: what tokens grant.
        pkce_unannounced: whether the person knows that the authorization server supports PKCE with S256, although its
            metadata does not say so.
    """

    server: str
    issuer: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    profile: ProfileChoice = BY_ISSUER
    pkce_unannounced: bool = False


class Provider:
    """Gets, renews and revokes grants. It has no state: the caller stores the grants and locks.

    Args:
        registration: where the client comes from.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        options: SignInOptions,
        fetch: Fetcher,
        flow: SignInFlow,
        registration: Registration,
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._fetch = fetch
        self._flow = flow
        self._registration = registration
        self._clock = clock
        self._tokens = TokenEndpoint(fetch, clock)

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grant types of the sign-in flow."""
        return self._flow.grant_types

    def owns(self, grant: Grant) -> bool:
        """Whether a stored grant belongs to this client and issuer (MCP, "Authorization server binding")."""
        same_issuer = self._options.issuer in (None, grant.issuer)
        return same_issuer and self._registration.client_of(grant) is not None

    def client_at(self, server: AuthorizationServer) -> OAuthClient | None:
        """This client at `server`; None if it has not registered itself yet."""
        return self._registration.known_at(server)

    async def sign_in(self, challenge: Challenge | None, held: Iterable[str] = (), *, again: bool = False) -> Grant:
        """A new grant.

        Args:
            challenge: the challenge of the server's 401 or 403.
            held: scopes to request again, so that a step-up loses none.
            again: register the client again. The tenant may have deleted it, and tells that only to the browser.

        Raises:
            SignInError, UnreachableError, ConfigurationError: from discovery, and as `SignInFlow.sign_in`.
        """
        options, grant_types = self._options, self._flow.grant_types
        resource = await discover_resource(self._fetch, options.server, challenge)
        issuer = choose_issuer(resource, options.issuer)
        server = await discover_issuer(self._fetch, issuer, options.issuer or options.server)
        if "authorization_code" in grant_types:
            require_pkce(server, unannounced=options.pkce_unannounced)
        profile = options.profile.at(server.issuer)
        offline = "refresh_token" in grant_types
        scope = select_scope(challenge, resource, server, held=held, configured=options.scopes, offline=offline)
        scope = profile.requested(scope, machine="client_credentials" in grant_types)
        if again:
            self._registration.forget(server.issuer)
        kept = self._registration.known_at(server)
        client = await self._registration.client_for(server, grant_types)
        audience = options.audience or resource.resource
        task = SignInTask(server, client, resource.resource, audience, scope, profile.takes_resource)
        try:
            token = await self._flow.sign_in(task)
        except (CannotSucceed, TokenRefused) as error:
            unknown = error.unknown_client if isinstance(error, TokenRefused) else error.check == "application"
            if not unknown or client != kept or not self._registration.forget(server.issuer):
                raise
            # The tenant has deleted the client that registered itself.
            client = await self._registration.client_for(server, grant_types)
            token = await self._flow.sign_in(replace(task, client=client))
        return Grant(
            server=options.server,
            resource=resource.resource,
            issuer=server.issuer,
            client_id=client.client_id,
            token_endpoint=server.token_endpoint,
            token_endpoint_auth_method=token.authenticated_by or client.authentication(server),
            takes_resource=profile.takes_resource,
            revocation_endpoint=server.revocation_endpoint,
            requested_scope=scope,
            interactive=True,
            refresh_token=token.refresh_token,
            **self._token_fields(token, scope),
        )

    async def renew(self, grant: Grant) -> Grant:
        """`grant` with a new access token, and the new refresh token if the tenant rotates it.

        Raises: as `TokenEndpoint.refresh`. The code is also `invalid_grant` if the tenant has deleted a client that
            registered itself.
        """
        client = self._registration.client_of(grant)
        if client is None:
            raise TokenRefused(f"The client of the stored sign-in is not known at {grant.issuer}.", INVALID_GRANT)
        try:
            token = await self._tokens.refresh(client, grant)
        except TokenRefused as error:
            unusable = error.unknown_client or error.code == "unauthorized_client"
            if unusable and self._registration.forget(grant.issuer):
                raise TokenRefused(str(error), INVALID_GRANT) from error
            raise
        refresh_token = token.refresh_token or grant.refresh_token
        fields = self._token_fields(token, grant.scope)
        return grant.model_copy(update={"interactive": False, "refresh_token": refresh_token, **fields})

    async def revoke(self, grant: Grant) -> bool:
        """Revoke the refresh token (see `TokenEndpoint.revoke`).

        Raises:
            ConfigurationError: the grant belongs to another client, whose credentials are not configured.
        """
        if self.owns(grant):
            client = self._registration.client_of(grant)
        else:  # a public client needs no credentials
            is_public = grant.token_endpoint_auth_method == "none"  # noqa: S105 - a method
            client = OAuthClient(grant.client_id) if is_public else None
        if client is None:
            raise ConfigurationError(
                f"The stored sign-in belongs to the application {foreign(grant.client_id)} at {grant.issuer}, which is"
                " not the configured one: its refresh token cannot be revoked. Revoke it in the tenant: delete the"
                " user's grant for this application."
            )
        return await self._tokens.revoke(client, grant)

    def _token_fields(self, token: TokenResponse, scope: str | None) -> dict[str, Any]:
        """The fields of a grant that each token response sets; `scope` counts if the response has none."""
        now = self._clock()
        name = name_in(claims_of(token.id_token)) if isinstance(token.id_token, str) else None
        return {
            "access_token": token.access_token,
            "scope": token.scope if token.scope is not None else scope,
            "obtained_at": now,
            "expires_at": None if token.expires_in is None else now + token.expires_in,
            **({"display_name": name} if name else {}),
        }


def select_scope(
    challenge: Challenge | None,
    resource: ProtectedResource,
    server: AuthorizationServer,
    *,
    held: Iterable[str] = (),
    configured: Iterable[str] = (),
    offline: bool = True,
) -> str | None:
    """The scope to ask for (MCP authorization, "Scope selection strategy" and "Step-up authorization flow").

    It has the scopes that are held already; those of the challenge, else those of the server's metadata; those of the
    configuration; and `offline_access` if the authorization server lists it and a refresh token is useful. `openid`
    comes only from the challenge or the configuration: with it Auth0 issues the token also for `/userinfo`.
    """
    listed = [scope for scope in resource.scopes_supported or () if scope != "openid"]
    wanted = (challenge.scopes if challenge else None) or listed
    renewable = ["offline_access"] if offline and "offline_access" in (server.scopes_supported or ()) else []
    return " ".join(dict.fromkeys([*held, *wanted, *configured, *renewable])) or None
