"""The `httpx2.Auth` that ties the sign-in together: any MCP client that takes one is signed in by it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Final

import httpx2

from ..errors import GatehouseError, TokenRefused, UnreachableError
from ..storage.grant import Grant
from ..storage.store import TokenStore
from .http.urls import origin
from .http_outcome import record_error
from .protocol.challenge import Challenge, bearer_challenge
from .protocol.tokens import INVALID_GRANT
from .provider import Provider, SignInOptions
from .refusals import forbidden, refused_token
from .work_queue import WorkQueue

RENEWAL_PAUSE: Final = 30.0
"""Seconds without a new try after the tenant could not be reached, while the old token still lives."""

_REPLACEMENTS: Final = 3
"""How often one request may change its token on 401: to another task's, to a renewed one, to that of a sign-in."""


class GatehouseAuth(httpx2.Auth):
    """Puts the access token on every request, renews it ahead of its expiry, signs in when the server asks for it.

    Requests take turns for token work only: parallel calls stay parallel, and share one renewal or one sign-in, with
    its failure. It goes on while one of them waits. A refusal that a sign-in could not change is remembered.

    A 401 that remains raises `SignInError`. A 403 that remains is returned, since it is about one call; the
    `ForbiddenError` that explains it goes to the caller's `recording_outcome()` context.

    Args:
        store: shared by all processes of the person.
        permission: what to name when the server's 403 names no permission.
        clock: seconds since the epoch.
        ignore_stored: sign in anew, whatever is stored.
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
    ) -> None:
        self._options = options
        self._provider = provider
        self._store = store
        self._permission = permission
        self._clock = clock
        self._ignore_stored = ignore_stored
        self._turns = WorkQueue()
        self._grant: Grant | None = None
        self._accepted: str | None = None
        self._newest: str | None = None
        self._renewal_paused_until = 0.0
        self._attempts = 0
        self._failure: GatehouseError | None = None
        self._unobtainable: set[str] = set()

    @property
    def grant(self) -> Grant | None:
        """What is held now."""
        return self._grant

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        raise RuntimeError("GatehouseAuth needs an httpx2.AsyncClient")

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if origin(str(request.url)) != origin(self._options.server):
            yield request  # a token goes to nobody but the server that it was issued for
            return
        seen = self._attempts
        try:
            grant = await self._ready(seen)
            response = yield signed(request, grant)
            for _ in range(_REPLACEMENTS):
                if response.status_code != 401:
                    break
                grant = await self._turns.take(self._replaced, grant, bearer_challenge_of(response), seen)
                response = yield signed(request, grant)
            if response.status_code == 401:
                raise refused_token(self._options.server, self._grant, bearer_challenge_of(response))
            if response.status_code == 403 and grant is not None:
                larger = await self._stepped_up(grant, bearer_challenge_of(response), seen)
                if larger is not None:
                    grant = larger
                    response = yield signed(request, grant)
        except GatehouseError as error:
            record_error(error)
            raise
        if response.status_code == 403:
            record_error(forbidden(self._options.server, grant, bearer_challenge_of(response), self._permission))
        elif grant is not None:
            self._accepted = grant.access_token

    async def _ready(self, seen: int) -> Grant | None:
        """The grant to try first, renewed if it is about to run out; None when there is none."""
        if self._grant is None:
            self._grant = self._stored()
        if self._grant is None or self._grant.is_fresh(self._clock()):
            return self._grant
        return await self._turns.take(self._kept_fresh, seen)

    async def _kept_fresh(self, seen: int) -> Grant | None:
        grant = self._grant
        if grant is None or grant.is_fresh(self._clock()):
            return grant
        alive = grant.is_alive(self._clock())
        if alive and self._clock() < self._renewal_paused_until:
            return grant
        try:
            self._share_failure(seen)
            renewed = await self._renewed(grant)
        except UnreachableError:
            if not alive:
                raise
            self._renewal_paused_until = self._clock() + RENEWAL_PAUSE
            return grant
        self._grant = renewed or (grant if alive else None)
        return self._grant

    async def _replaced(self, refused: Grant | None, challenge: Challenge | None, seen: int) -> Grant:
        """Another grant than the one that the server has just refused."""
        if self._grant is not None and not _same(self._grant, refused):
            return self._grant
        self._share_failure(seen)
        if refused is not None:
            untried = refused.access_token == self._newest != self._accepted
            if untried and refused.interactive:
                raise refused_token(self._options.server, refused, challenge)
            renewed = None if untried else await self._renewed(refused)
            if renewed is not None:
                return renewed
        return await self._signed_in(refused, challenge)

    async def _stepped_up(self, grant: Grant, challenge: Challenge | None, seen: int) -> Grant | None:
        """A grant with the permissions that a 403 asks for; None when none is to be had (MCP, "Step-up")."""
        needed = frozenset(challenge.scopes or ()) if challenge else frozenset[str]()
        if challenge is None or challenge.error != "insufficient_scope" or not needed:
            return None
        return await self._turns.take(self._enlarged, grant, challenge, needed, seen)

    async def _enlarged(self, grant: Grant, challenge: Challenge, needed: frozenset[str], seen: int) -> Grant | None:
        current = self._grant or grant
        if not _same(current, grant) and needed <= current.scopes:
            return current
        if needed & self._unobtainable:
            return None
        if needed <= current.requested_scopes:
            # Asked for before, and not granted. Only a role that was given since can have changed that, and a
            # renewal shows it without a browser, unless the sign-in was this run's.
            self._unobtainable |= needed - current.scopes or needed
            renewed = None if current.access_token == self._newest else await self._renewed(current)
            self._unobtainable -= renewed.scopes if renewed else frozenset()
            return renewed
        self._share_failure(seen)
        larger = await self._signed_in(current, challenge, current.requested_scopes | current.scopes)
        self._unobtainable |= needed - larger.scopes
        return larger if needed <= larger.scopes else None

    async def _renewed(self, grant: Grant) -> Grant | None:
        """`grant` renewed, by another process if that was faster; None when only a sign-in helps."""
        async with self._shared_failure(), self._store.locked(self._options.server):
            stored = self._stored()
            if stored is not None and not _same(stored, grant):
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
            return self._take(renewed)

    async def _signed_in(
        self, refused: Grant | None, challenge: Challenge | None, held: frozenset[str] = frozenset()
    ) -> Grant:
        async with self._shared_failure(), self._store.locked(self._options.server):
            # Another process may have signed in while this one waited for the lock.
            stored = self._stored()
            if stored is not None and not held and not _same(stored, refused) and stored.is_fresh(self._clock()):
                self._grant = stored
                return stored
            grant = await self._provider.sign_in(challenge, sorted(held), anew=self._ignore_stored)
            self._ignore_stored = False
            return self._take(grant)

    @asynccontextmanager
    async def _shared_failure(self) -> AsyncGenerator[None]:
        """Count the attempt; its failure is for those, too, who wait for the lock meanwhile."""
        self._failure = None
        try:
            yield
        except GatehouseError as error:
            self._failure = error
            raise
        finally:
            self._attempts += 1

    def _stored(self) -> Grant | None:
        return None if self._ignore_stored else self._store.load(self._options.server, self._provider.owns)

    def _take(self, grant: Grant) -> Grant:
        self._store.save(grant)
        self._grant, self._newest = grant, grant.access_token
        return grant

    def _share_failure(self, seen: int) -> None:
        """A sign-in that failed while this request waited for it has failed for this request, too."""
        if self._attempts != seen and self._failure is not None:
            raise self._failure


def signed(request: httpx2.Request, grant: Grant | None) -> httpx2.Request:
    """`request` with the grant's token, or without any."""
    request.headers.pop("Authorization", None)
    if grant is not None:
        request.headers["Authorization"] = f"Bearer {grant.access_token}"
    return request


def bearer_challenge_of(response: httpx2.Response) -> Challenge | None:
    """The server's Bearer challenge."""
    return bearer_challenge(response.headers.get_list("www-authenticate"))


def _same(one: Grant, other: Grant | None) -> bool:
    return other is not None and one.access_token == other.access_token
