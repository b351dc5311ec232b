"""Token exchange: call another API for the user with a token for that API; the caller's own token is never passed on.

Sources: RFC 8693 (token exchange); MCP authorization, "Access token privilege restriction" (token passthrough is
forbidden); Auth0 docs, "On-Behalf-Of token exchange".
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

import httpx2

from .backoff import Backoff, stated_wait
from .outgoing import http_client

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a token

SKEW_SECONDS = 30
REFUSED_SECONDS = 10.0
_FAILURE_SECONDS = 1.0


class ExchangeFailed(Exception):
    """The tenant issued no token for the other API. The message has the tenant's error text, and no token.

    Args:
        reason: the message.

    Attributes:
        outcome: `refused`, `rate_limited` or `failed`.
        stated_wait: the seconds until the next attempt, if the tenant states them.
    """

    def __init__(self, reason: str, outcome: str = "failed", *, stated_wait: float | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.stated_wait = stated_wait


class TokenExchange:
    """Exchanges access tokens at one tenant, as one confidential client, and caches the new tokens for their life.

    There is one request at a time for a caller's token, API and scope. A refusal is repeated to the same caller for ten
    seconds, so that one caller cannot use up the tenant's limit. After an error of the tenant or no answer, no caller
    causes a request until the tenant may be asked again. After a 429 callers wait for that, one after the other.

    Args:
        token_url: the tenant's token endpoint.
        client_id: a client that may exchange tokens at the tenant.
        client_secret: its secret.
        http: sends the requests; by default `http_client()`.
        clock: seconds since the epoch.
        longest_wait: seconds that a caller waits for a tenant that answers 429.
        max_tokens: how many new tokens are cached. The least recently used ones are dropped first.
        on_exchange: called with the outcome of each request for a token: `ok`, `cached`, `refused` by the tenant,
            `rate_limited` (429), or `failed` without a usable answer.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        http: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        longest_wait: float = 8.0,
        max_tokens: int = 10_000,
        on_exchange: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._http = http or http_client()
        self._clock = clock
        self._on_exchange = on_exchange
        self._cache: OrderedDict[bytes, tuple[str | ExchangeFailed, float]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[str | ExchangeFailed]] = {}
        self._backoff = Backoff(_FAILURE_SECONDS, clock=clock)
        self._longest_wait = longest_wait
        self._max_tokens = max_tokens
        self._turn = asyncio.Lock()
        self._problem = ExchangeFailed("The tenant's token endpoint was not asked yet.")

    async def token_for(self, subject_token: str, audience: str, scope: str, *, until: float) -> str:
        """An access token for `audience` that acts for the subject token's user.

        Args:
            subject_token: the caller's own access token. Only the tenant gets it.
            audience: the other API's identifier.
            scope: what the new token is for, separated by spaces.
            until: when the subject token expires, seconds since the epoch. No exchanged token is cached for longer.

        Raises:
            ExchangeFailed: the tenant refused or cannot be reached.
        """
        key = hashlib.sha256("\0".join((subject_token, audience, scope)).encode()).digest()
        answer, until_then = self._cache.get(key, ("", 0.0))
        if until_then > self._clock():
            self._cache.move_to_end(key)
            return self._result(answer, "cached")
        if key in self._running:
            return self._result(await asyncio.shield(self._running[key]), "cached")
        self._running[key] = asyncio.create_task(self._answer(key, subject_token, audience, scope, until))
        self._running[key].add_done_callback(lambda _: self._running.pop(key, None))
        # The request goes on for the others if this caller leaves.
        return self._result(await asyncio.shield(self._running[key]), "ok")

    def _result(self, answer: str | ExchangeFailed, outcome: str) -> str:
        if isinstance(answer, ExchangeFailed):
            self._on_exchange(answer.outcome)
            raise ExchangeFailed(str(answer), answer.outcome)  # not the one that other callers raise
        self._on_exchange(outcome)
        return answer

    async def _answer(
        self, key: bytes, subject_token: str, audience: str, scope: str, until: float
    ) -> str | ExchangeFailed:
        """A new token. An error is returned, because several callers may wait for it or none."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._longest_wait
        while True:
            try:
                token, lifetime = await self._exchange_in_turn(give_up_at, subject_token, audience, scope)
            except ExchangeFailed as error:
                if error.outcome == "refused":
                    self._keep(key, error, self._clock() + REFUSED_SECONDS)
                if error.outcome != "rate_limited" or loop.time() + self._backoff.left > give_up_at:
                    return error
            else:
                self._keep(key, token, min(self._clock() + lifetime, until) - SKEW_SECONDS)
                return token

    async def _exchange_in_turn(self, give_up_at: float, *request: str) -> tuple[str, float]:
        """Exchange at once, or in turn when the tenant may be asked again."""
        if not self._backoff.is_failing:
            return await self._counted(*request)
        async with self._turn:
            left = self._backoff.left
            may_wait = (
                self._problem.outcome == "rate_limited" and asyncio.get_running_loop().time() + left <= give_up_at
            )
            if left > 0 and not may_wait:
                reason = f"{self._problem} It is asked again in {self._backoff.seconds} s."
                raise ExchangeFailed(reason, self._problem.outcome)
            await asyncio.sleep(left)
            return await self._counted(*request)

    async def _counted(self, *request: str) -> tuple[str, float]:
        """An exchange. Its outcome decides when the next one is allowed."""
        try:
            answer = await self._exchange(*request)
        except ExchangeFailed as error:
            if error.outcome != "refused":
                self._problem = error
                self._backoff.failed(limited=error.outcome == "rate_limited", stated=error.stated_wait)
            raise
        self._backoff.succeeded()
        return answer

    def _keep(self, key: bytes, answer: str | ExchangeFailed, until: float) -> None:
        self._cache[key] = (answer, until)
        self._cache.move_to_end(key)
        if len(self._cache) > self._max_tokens:
            self._cache.popitem(last=False)

    async def _exchange(self, subject_token: str, audience: str, scope: str) -> tuple[str, float]:
        form = {
            "grant_type": GRANT_TYPE,
            "subject_token": subject_token,
            "subject_token_type": ACCESS_TOKEN,
            "requested_token_type": ACCESS_TOKEN,
            "audience": audience,
            "scope": scope,
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        try:
            answer = await self._http.post(self._token_url, data=form)
        except httpx2.HTTPError as error:
            raise ExchangeFailed(f"The tenant's token endpoint does not answer: {error}") from error
        outcome = _outcome(answer.status_code)
        stated = stated_wait(answer.status_code, answer.headers)
        try:
            document = answer.json()
        except ValueError as error:
            reason = f"The tenant's token endpoint answers no JSON: {error}"
            raise ExchangeFailed(reason, outcome, stated_wait=stated) from error
        if answer.status_code != 200 or not isinstance(document, dict):
            reason = f"The tenant refused ({answer.status_code}): {_reason(document)}"
            raise ExchangeFailed(reason, outcome, stated_wait=stated)
        token, lifetime = document.get("access_token"), document.get("expires_in", 0)
        if not isinstance(token, str) or not isinstance(lifetime, int | float):
            raise ExchangeFailed("The tenant's answer holds no access token.")
        return token, float(lifetime)


def _outcome(status: int) -> str:
    """The outcome of an exchange with that status and no token."""
    if status == 429:
        return "rate_limited"
    return "refused" if 400 <= status < 500 else "failed"


def _reason(document: object) -> str:
    if not isinstance(document, dict):
        return "no reason given"
    return f"{document.get('error')}: {document.get('error_description')}"[:300]
