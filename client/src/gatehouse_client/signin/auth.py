"""The sign-in as an `httpx2.Auth`, for any MCP client that takes one."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from ..errors import GatehouseError, NotSignedIn, TokenRefused, UnreachableError
from ..storage.grant import Grant
from ..storage.token_store import TokenStore
from .http.urls import is_within
from .http_outcome import record_error
from .protocol.challenge import Challenge, bearer_challenge
from .protocol.tokens import INVALID_GRANT
from .provider import Provider, SignInOptions
from .refusals import forbidden, refused_token
from .work_queue import WorkQueue

RENEWAL_PAUSE: Final = 30.0
"""Seconds between two attempts to renew a token that is still valid, if the tenant cannot be reached."""

_REPLACEMENTS: Final = 3
"""How often one request may replace its token after a 401: by the token of another task, a renewal, a sign-in."""


class GatehouseAuth(httpx2.Auth):
    """Puts the access token on every request, renews it before it expires, and signs in when the server asks for it.

    Only token work is done one at a time. Parallel requests stay parallel, and share one renewal or one sign-in, also
    if it fails. The work goes on as long as one request waits for it. A 403 that a sign-in could not change is
    remembered.

    A final 401 raises `SignInError`. A final 403 is returned, because it is about one call. The `ForbiddenError` that
    explains it is recorded for the caller (`recording_outcome`).

    Args:
        store: shared by all processes of the person.
        permission: the permission to name if the server's 403 names none.
        clock: seconds since the epoch.
        ignore_stored: sign in again, even if a sign-in is stored.
        interactive: whether a person can sign in; False raises `NotSignedIn` in place of a sign-in.
    """

    def __init__(
        self,
        options: SignInOptions,
        provider: Provider,
        store: TokenStore,
        *,
        permission: str = "that the call needs",
        clock: Callable[[], float] = time.time,
        ignore_stored: bool = False,
        interactive: bool = True,
    ) -> None:
        self._options = options
        self._provider = provider
        self._store = store
        self._permission = permission
        self._clock = clock
        self._ignore_stored = ignore_stored
        self._interactive = interactive
        self._queue = WorkQueue()
        self._grant: Grant | None = None
        self._accepted: str | None = None  # the last token that the server accepted
        self._newest: str | None = None  # the last token that this object got from the tenant
        self._renewal_paused_until = 0.0
        self._attempts = 0
        self._failure: GatehouseError | None = None
        self._unobtainable: set[str] = set()

    @property
    def grant(self) -> Grant | None:
        """The current grant."""
        return self._grant

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        raise RuntimeError("GatehouseAuth needs an httpx2.AsyncClient")

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not is_within(str(request.url), self._options.server):
            yield request  # a token is sent only to the resource that it was issued for
            return
        attempts = self._attempts
        try:
            grant = await self._current_grant(attempts)
            response = yield with_token(request, grant)
            for _ in range(_REPLACEMENTS):
                if response.status_code != 401:
                    break
                grant = await self._queue.run(self._replace, grant, challenge_in(response), attempts)
                response = yield with_token(request, grant)
            if response.status_code == 401:
                raise refused_token(self._options.server, self._grant, challenge_in(response))
            if response.status_code == 403 and grant is not None:
                larger = await self._step_up(grant, challenge_in(response), attempts)
                if larger is not None:
                    grant = larger
                    response = yield with_token(request, grant)
        except GatehouseError as error:
            record_error(error)
            raise
        if response.status_code == 403:
            record_error(
                forbidden(self._options.server, grant, challenge_in(response), self._permission, self._options.profile)
            )
        elif grant is not None:
            self._accepted = grant.access_token

    async def _current_grant(self, attempts: int) -> Grant | None:
        """The grant to try first, renewed if it expires soon; None if there is none."""
        if self._grant is None:
            self._grant = self._load()
        if self._grant is None or self._grant.is_fresh(self._clock()):
            return self._grant
        return await self._queue.run(self._renew_before_expiry, attempts)

    async def _renew_before_expiry(self, attempts: int) -> Grant | None:
        grant = self._grant
        if grant is None or grant.is_fresh(self._clock()):
            return grant
        alive = grant.is_alive(self._clock())
        if alive and self._clock() < self._renewal_paused_until:
            return grant
        try:
            self._raise_shared_failure(attempts)
            renewed = await self._renew(grant)
        except UnreachableError:
            if not alive:
                raise
            self._renewal_paused_until = self._clock() + RENEWAL_PAUSE
            return grant
        self._grant = renewed or (grant if alive else None)
        return self._grant

    async def _replace(self, refused: Grant | None, challenge: Challenge | None, attempts: int) -> Grant:
        """Another grant than the one that the server has just refused."""
        if self._grant is not None and not _same_token(self._grant, refused):
            return self._grant
        self._raise_shared_failure(attempts)
        if refused is not None:
            never_accepted = refused.access_token == self._newest != self._accepted
            if never_accepted and refused.interactive:
                raise refused_token(self._options.server, refused, challenge)
            renewed = None if never_accepted else await self._renew(refused)
            if renewed is not None:
                return renewed
        return await self._sign_in(refused, challenge)

    async def _step_up(self, grant: Grant, challenge: Challenge | None, attempts: int) -> Grant | None:
        """A grant with the permissions that a 403 asks for; None if the tenant grants none (MCP, "Step-up")."""
        needed = frozenset(challenge.scopes or ()) if challenge else frozenset[str]()
        if challenge is None or challenge.error != "insufficient_scope":
            return None
        if not needed and challenge.permissions:
            return await self._queue.run(self._get_role, grant, frozenset(challenge.permissions))
        if not needed:
            return None
        return await self._queue.run(self._get_scopes, grant, challenge, needed, attempts)

    async def _get_scopes(
        self, grant: Grant, challenge: Challenge, needed: frozenset[str], attempts: int
    ) -> Grant | None:
        current = self._grant or grant
        if not _same_token(current, grant) and needed <= current.scopes:
            return current
        if needed & self._unobtainable:
            return None
        if needed <= current.requested_scopes:
            # The tenant was asked for these scopes before, and did not grant them. An administrator may have added a
            # role since then. A renewal shows that without a browser, unless the token was issued in this run.
            self._unobtainable |= needed - current.scopes or needed
            renewed = None if current.access_token == self._newest else await self._renew(current)
            self._unobtainable -= renewed.scopes if renewed else frozenset()
            return renewed
        self._raise_shared_failure(attempts)
        larger = await self._sign_in(current, challenge, current.requested_scopes | current.scopes)
        self._unobtainable |= needed - larger.scopes
        return larger if needed <= larger.scopes else None

    async def _get_role(self, grant: Grant, permissions: frozenset[str]) -> Grant | None:
        """Where permissions are no scopes, only an administrator can give one. A renewal shows whether that happened,
        unless the token was issued in this run."""
        current = self._grant or grant
        if not _same_token(current, grant):
            return current
        if permissions & self._unobtainable or current.access_token == self._newest:
            return None
        self._unobtainable |= permissions
        return await self._renew(current)

    async def _renew(self, grant: Grant) -> Grant | None:
        """`grant` renewed here or by another process; None if only a sign-in helps."""
        async with self._shared_failure(), self._store.locked(self._options.server):
            stored = self._load()
            if stored is not None and not _same_token(stored, grant):
                if stored.is_fresh(self._clock()):
                    self._grant = stored
                    return stored
                grant = stored
            if grant.refresh_token is None:
                return None
            try:
                renewed = await self._provider.renew(grant)
            except TokenRefused as error:
                if error.code != INVALID_GRANT:
                    raise
                self._store.save(grant.model_copy(update={"refresh_token": None}))
                return None
            return self._save(renewed)

    async def _sign_in(
        self, refused: Grant | None, challenge: Challenge | None, held: frozenset[str] = frozenset()
    ) -> Grant:
        async with self._shared_failure(), self._store.locked(self._options.server):
            # Another process may have signed in while this one waited for the lock.
            stored = self._load()
            if stored is not None and not held and not _same_token(stored, refused) and stored.is_fresh(self._clock()):
                self._grant = stored
                return stored
            if not self._interactive:
                raise NotSignedIn(
                    f"{self._options.server} asks for a sign-in, and no browser can be opened here:"
                    " run `gatehouse login`."
                )
            grant = await self._provider.sign_in(challenge, sorted(held), again=self._ignore_stored)
            self._ignore_stored = False
            return self._save(grant)

    @asynccontextmanager
    async def _shared_failure(self) -> AsyncGenerator[None]:
        """Count the attempt. If it fails, callers that wait for it fail with it."""
        self._failure = None
        try:
            yield
        except GatehouseError as error:
            self._failure = error
            raise
        finally:
            self._attempts += 1

    def _raise_shared_failure(self, attempts: int) -> None:
        """Raise the failure of an attempt that ended while this request waited.

        Args:
            attempts: the number of attempts at the beginning of this request.
        """
        if self._attempts != attempts and self._failure is not None:
            raise self._failure

    def _load(self) -> Grant | None:
        return None if self._ignore_stored else self._store.load(self._options.server, self._provider.owns)

    def _save(self, grant: Grant) -> Grant:
        self._store.save(grant)
        self._grant, self._newest = grant, grant.access_token
        return grant


def with_token(request: httpx2.Request, grant: Grant | None) -> httpx2.Request:
    """`request` with the access token of `grant`; without a token if there is no grant."""
    request.headers.pop("Authorization", None)
    if grant is not None:
        request.headers["Authorization"] = f"Bearer {grant.access_token}"
    return request


def challenge_in(response: httpx2.Response) -> Challenge | None:
    """The Bearer challenge of the response."""
    return bearer_challenge(response.headers.get_list("www-authenticate"))


def _same_token(one: Grant, other: Grant | None) -> bool:
    return other is not None and one.access_token == other.access_token
