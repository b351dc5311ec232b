"""Who asks: the caller behind a token, remembered so that a repeated token costs next to nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials

from .permissions import Hierarchy
from .tokens import TokenVerifier, VerifiedToken


class Caller(NamedTuple):
    """Who asks, and what they may do.

    Attributes:
        user: what the MCP SDK binds sessions and state to, and hands to tools.
    """

    verified: VerifiedToken
    user: AuthenticatedUser
    credentials: AuthCredentials
    permissions: frozenset[str]


class Callers:
    """The callers of one resource server, by their tokens; those longest unseen are forgotten first.

    Args:
        resource: the protected resource's identifier, for the SDK's own bindings.
        most: how many are remembered; what changes with time is checked at each use.
        on_lookup: told `hit` or `miss` for every token.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        resource: str,
        hierarchy: Hierarchy | None = None,
        most: int = 4096,
        on_lookup: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._verifier = verifier
        self._resource = resource
        # What tokens grant is nearly always one of few sets.
        self._expanded = lru_cache(256)((hierarchy or Hierarchy()).expand)
        self._most = most
        self._on_lookup = on_lookup
        self._known: OrderedDict[str, Caller] = OrderedDict()

    def known(self, token: str) -> Caller | None:
        """The caller, when the token was verified before and its key is still published.

        Raises:
            TokenRefused: it has expired since.
        """
        caller = self._known.get(token)
        if caller is None or not self._verifier.holds(caller.verified):
            return None
        self._on_lookup("hit")
        self._known.move_to_end(token)
        self._verifier.check_times(caller.verified)
        return caller

    async def verified(self, token: str) -> Caller:
        """The caller of a token that is not known, from now on known.

        Raises:
            TokenRefused: the token is not good; its `code` says why.
            KeysUnavailable: whether it is good cannot be said now.
        """
        self._on_lookup("miss")
        self._known.pop(token, None)
        verified = await self._verifier.verify_but_times(token)
        caller = self._known[token] = self._caller(verified, token)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        self._verifier.check_times(verified)
        return caller

    def _caller(self, verified: VerifiedToken, token: str) -> Caller:
        permissions = self._expanded(verified.granted)
        scopes = sorted(permissions)
        access_token = AccessToken(
            token=token,
            client_id=verified.client_id,
            scopes=scopes,
            expires_at=int(verified.expires_at),
            resource=self._resource,
            subject=verified.subject,
            claims=verified.claims,
        )
        return Caller(verified, AuthenticatedUser(access_token), AuthCredentials(scopes), permissions)
