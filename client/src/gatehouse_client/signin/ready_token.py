"""A ready token: somebody else signed in, and the agent is given the result."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable

import httpx2

from ..claims import claims_of
from ..errors import SignInError
from ..storage.grant import Grant
from .auth import bearer_challenge_of, signed
from .http.urls import origin
from .http_outcome import record_error
from .refusals import forbidden


class ReadyTokenAuth(httpx2.Auth):
    """Puts a token on every request to the server. It is not kept, renewed, or replaced by a sign-in.

    Args:
        permission: what to name when the server's 403 names no permission.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        server: str,
        token: str,
        *,
        permission: str = "that the call needs",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._permission = permission
        self._clock = clock
        self._grant = _grant(server, token, clock())

    @property
    def grant(self) -> Grant:
        """What is held, by the token's own words, which are not verified."""
        return self._grant

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if origin(str(request.url)) != origin(self._server):
            yield request  # a token goes to nobody but the server that it was issued for
            return
        response = yield signed(request, self._grant)
        if response.status_code == 401:
            error = self._refused(response)
            record_error(error)
            raise error
        if response.status_code == 403:
            record_error(forbidden(self._server, self._grant, bearer_challenge_of(response), self._permission))

    def _refused(self, response: httpx2.Response) -> SignInError:
        challenge = bearer_challenge_of(response)
        said = (challenge.description or challenge.error) if challenge else None
        ended = "" if self._grant.is_alive(self._clock()) else " It has run out."
        return SignInError(
            f"{self._server} refuses the token of GATEHOUSE_TOKEN ({said or '401'}).{ended} Give another, or unset it"
            " to sign in."
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
