"""From a challenge to a grant: discovery, scope, a way to sign in; renewing and revoking."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..grant import Grant
from .challenge import Challenge
from .discovery import choose_issuer, discover_issuer, discover_resource
from .fetch import Fetcher
from .scope import select_scope
from .tokens import OAuthClient, TokenEndpoint, TokenResponse
from .way import SignInTask, SignInWay


@dataclass(frozen=True)
class SignInOptions:
    """What a sign-in is for.

    Attributes:
        server: the MCP server's URL.
        client: the application in the tenant.
        issuer: the authorization server that `client` belongs to; None takes what the server names.
        audience: Auth0's `audience`; None takes the server's own name for itself.
        scopes: asked for in addition to what the server asks for.
    """

    server: str
    client: OAuthClient
    issuer: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ()

    def owns(self, grant: Grant) -> bool:
        """Whether a stored grant belongs to this client and issuer (MCP, "Authorization server binding")."""
        return grant.client_id == self.client.client_id and self.issuer in (None, grant.issuer)


class Provider:
    """Gets grants. It holds no state: whoever calls it stores and locks.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, options: SignInOptions, fetch: Fetcher, way: SignInWay, clock: Callable[[], float]) -> None:
        self._options = options
        self._fetch = fetch
        self._way = way
        self._clock = clock
        self._tokens = TokenEndpoint(fetch, options.client)

    async def sign_in(self, challenge: Challenge | None, held: Iterable[str] = ()) -> Grant:
        """A new grant.

        Args:
            challenge: of the answer that asked for the sign-in.
            held: scopes to ask for again, so that a step-up loses none.

        Raises:
            SignInError, UnreachableError, ConfigurationError: from discovery, and as `SignInWay.sign_in`.
        """
        options = self._options
        resource = await discover_resource(self._fetch, options.server, challenge)
        issuer = choose_issuer(resource, options.issuer)
        server = await discover_issuer(self._fetch, issuer, options.server)
        scope = select_scope(challenge, resource, server, held=held, configured=options.scopes)
        authentication = options.client.authentication(server)
        task = SignInTask(server, resource.resource, options.audience or resource.resource, scope)
        token = await self._way.sign_in(task)
        return Grant(
            server=options.server,
            resource=resource.resource,
            issuer=server.issuer,
            client_id=options.client.client_id,
            token_endpoint=server.token_endpoint,
            token_endpoint_auth_method=authentication,
            revocation_endpoint=server.revocation_endpoint,
            requested_scope=scope,
            interactive=True,
            access_token=token.access_token,
            refresh_token=token.refresh_token,
            scope=token.scope if token.scope is not None else scope,
            obtained_at=self._clock(),
            expires_at=self._expiry(token),
        )

    async def renew(self, grant: Grant) -> Grant:
        """`grant` with a new access token, and the new refresh token if the tenant rotates it.

        Raises: as `TokenEndpoint.refresh`.
        """
        token = await self._tokens.refresh(grant)
        renewed = {
            "interactive": False,
            "access_token": token.access_token,
            "refresh_token": token.refresh_token or grant.refresh_token,
            "scope": token.scope if token.scope is not None else grant.scope,
            "obtained_at": self._clock(),
            "expires_at": self._expiry(token),
        }
        return grant.model_copy(update=renewed)

    async def revoke(self, grant: Grant) -> bool:
        """Revoke the refresh token; see `TokenEndpoint.revoke`."""
        return await self._tokens.revoke(grant)

    def _expiry(self, token: TokenResponse) -> float | None:
        return None if token.expires_in is None else self._clock() + token.expires_in
