"""A ready token: the agent gets an access token that somebody else obtained."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable

import httpx2

from ..claims import claims_of
from ..errors import SignInError
from ..profiles import BY_ISSUER, ProfileChoice
from ..storage.grant import Grant
from .auth import challenge_in, with_token
from .http.urls import is_within
from .http_outcome import record_error
from .refusals import forbidden


class ReadyTokenAuth(httpx2.Auth):
    """Puts a token on every request to the server. The token is not stored, renewed or replaced by a sign-in.

    Args:
        permission: the permission to name if the server's 403 names none.
        profile: what the token grants.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        server: str,
        token: str,
        *,
        permission: str = "that the call needs",
        profile: ProfileChoice = BY_ISSUER,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._permission = permission
        self._profile = profile
        self._clock = clock
        self._grant = _grant(server, token, clock())

    @property
    def grant(self) -> Grant:
        """The token and its claims, which are not verified."""
        return self._grant

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not is_within(str(request.url), self._server):
            yield request  # a token is sent only to the resource that it was issued for
            return
        response = yield with_token(request, self._grant)
        if response.status_code == 401:
            error = self._refused(response)
            record_error(error)
            raise error
        if response.status_code == 403:
            record_error(forbidden(self._server, self._grant, challenge_in(response), self._permission, self._profile))

    def _refused(self, response: httpx2.Response) -> SignInError:
        challenge = challenge_in(response)
        reason = (challenge.description or challenge.error) if challenge else None
        expired = "" if self._grant.is_alive(self._clock()) else " It has expired."
        return SignInError(
            f"{self._server} refuses the token of GATEHOUSE_TOKEN ({reason or '401'}).{expired} Set another token, or"
            " unset it to sign in."
        )


def _grant(server: str, token: str, now: float) -> Grant:
    claims = claims_of(token)
    expires, scope = claims.get("exp"), claims.get("scope")
    return Grant(
        server=server,
        resource=server,
        issuer=str(claims.get("iss", "")),
        client_id=str(claims.get("client_id") or claims.get("azp") or ""),
        token_endpoint="",
        token_endpoint_auth_method="none",  # noqa: S106 - a method
        access_token=token,
        scope=scope if isinstance(scope, str) else None,
        obtained_at=now,
        expires_at=float(expires) if isinstance(expires, int | float) else None,
    )
