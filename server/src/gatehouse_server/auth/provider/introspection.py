"""Opaque tokens: the provider says what they are (RFC 7662).

The answers are cached, in a limited number and for a limited time: good ones never beyond the token's expiry, and bad
ones also, so that a repeated bad token costs the provider one request. If the provider does not answer, nothing is
accepted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2

from .. import strict_json
from .backoff import Backoff, RateLimited, Refused, stated_wait
from .keys import VerificationUnavailable, url_in
from .outgoing import http_client

logger = logging.getLogger(__name__)

Claims = Mapping[str, Any]


class IntrospectionUnavailable(VerificationUnavailable):
    """The provider cannot be asked now, or its answer cannot be used."""

    code = "introspection_unavailable"
    description = "The provider cannot be asked about the token at the moment. The token may be good: try again."


@dataclass(frozen=True)
class IntrospectionLimits:
    """Limits for asking and caching. All times are seconds."""

    timeout: float = 5.0
    """The longest time for an answer, and the longest wait for other requests."""
    max_age: float = 60.0
    """How long a good answer is used: a revoked token is accepted for at most this time."""
    refused_age: float = 30.0
    """How long the answer that a token is not valid is used."""
    max_tokens: int = 4096
    """How many good answers are cached, and how many bad ones."""
    max_cached_bytes: int = 32 * 1024 * 1024
    """How much memory the good answers may have."""
    concurrent: int = 16
    """How many requests to the provider run at the same time."""
    max_bytes: int = 64 * 1024
    """Of an answer."""
    endpoint_age: float = 3600.0
    """How long the endpoint in the provider's metadata is used."""
    failure_cooldown: float = 2.0
    """The time from a failure to the next request. It doubles with each failure."""
    longest_cooldown: float = 30.0
    """How long it becomes. After a 429 it may become 300."""


class _Failing(Refused):
    """The provider refuses all requests of this server."""


@dataclass(frozen=True)
class _Endpoint:
    url: str
    by_form: bool
    read_at: float


class Introspection:
    """Asks one provider about tokens, as one confidential client. There is one request for a token at a time.

    Args:
        discovery_url: the provider's discovery document, which names the endpoint.
        issuer: the issuer that the document must name, byte for byte.
        client_id: a client that may introspect tokens at the provider.
        client_secret: its secret.
        authorities: the certificate authorities for TLS; the system's by default.
        http: sends the requests; by default `http_client(authorities)`.
        clock: seconds since the epoch.
        limits: of requests and of the cache.
        on_answer: called after each request about a token: with `active`, `inactive`, `rate_limited` (429), or `failed`
            without a usable answer.
    """

    def __init__(
        self,
        discovery_url: str,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        authorities: ssl.SSLContext | None = None,
        http: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        limits: IntrospectionLimits | None = None,
        on_answer: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self._on_answer = on_answer
        self._discovery_url = discovery_url
        self._issuer = issuer
        self._client = client_id, client_secret
        self.limits = limits or IntrospectionLimits()
        self._http = http or http_client(authorities, timeout=None)  # `_ask` limits the time
        self._clock = clock
        self._good: OrderedDict[bytes, tuple[Claims, float, int]] = OrderedDict()
        self._good_bytes = 0
        self._bad: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Claims | IntrospectionUnavailable | None]] = {}
        self._slots = asyncio.Semaphore(self.limits.concurrent)
        self._endpoint: _Endpoint | None = None
        self._backoff = Backoff(self.limits.failure_cooldown, self.limits.longest_cooldown, clock=clock)

    async def claims(self, token: str) -> Claims | None:
        """What the provider says about the token; None if it is not valid.

        Raises:
            IntrospectionUnavailable: the provider does not say it.
        """
        key = hashlib.sha256(token.encode()).digest()
        known, until, _ = self._good.get(key, (None, 0.0, 0))
        if known is not None and until > self._clock():
            self._good.move_to_end(key)
            return known
        if self._bad.get(key, 0.0) > self._clock():
            return None
        if key not in self._asking:
            if self._backoff.left > 0:
                raise self._unavailable("it has just failed")
            self._asking[key] = asyncio.create_task(self._answer(key, token))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))
        answer = await asyncio.shield(self._asking[key])
        if isinstance(answer, IntrospectionUnavailable):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Cancel the running requests and close the connections."""
        running = list(self._asking.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._http.aclose()

    async def _answer(self, key: bytes, token: str) -> Claims | IntrospectionUnavailable | None:
        """Ask, and cache the answer. An error is returned, because several requests may wait for it or none."""
        try:
            async with asyncio.timeout(self.limits.timeout):
                await self._slots.acquire()
        except TimeoutError:
            return self._unavailable("too many tokens wait for an answer")
        try:
            async with asyncio.timeout(self.limits.timeout):
                claims = await self._ask(token)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError, TimeoutError) as error:
            # An answer that cannot be used may be due to this token. It must not stop the requests about others.
            if not isinstance(error, ValueError | RecursionError) or isinstance(error, _Failing | RateLimited):
                limited = isinstance(error, RateLimited)
                self._backoff.failed(limited=limited, stated=getattr(error, "stated_wait", None))
            self._on_answer("rate_limited" if isinstance(error, RateLimited) else "failed")
            reason = str(error) or type(error).__name__
            logger.warning("introspection: %s: %s", self._discovery_url, reason)
            return self._unavailable(reason)
        finally:
            self._slots.release()
        self._backoff.succeeded()
        self._on_answer("inactive" if claims is None else "active")
        now = self._clock()
        if claims is None:
            _put(self._bad, key, now + self.limits.refused_age, self.limits.max_tokens)
            return None
        self._bad.pop(key, None)
        expires = claims.get("exp")
        until = now + self.limits.max_age
        if isinstance(expires, int | float) and not isinstance(expires, bool):
            until = min(until, expires)
        self._keep(key, claims, until)
        return claims

    def _keep(self, key: bytes, claims: Claims, until: float) -> None:
        self._good_bytes -= self._good.pop(key, (claims, until, 0))[2]
        size = strict_json.memory(claims)
        self._good[key] = claims, until, size
        self._good_bytes += size
        while len(self._good) > self.limits.max_tokens or self._good_bytes > self.limits.max_cached_bytes:
            self._good_bytes -= self._good.popitem(last=False)[1][2]

    async def _ask(self, token: str) -> Claims | None:
        """
        Raises:
            ValueError: the answer cannot be used.
            httpx2.HTTPError: there is none.
        """
        endpoint = await self._find_endpoint()
        (client_id, secret), headers = self._client, {"Accept": "application/json"}
        form = {"token": token, "token_type_hint": "access_token"}
        if endpoint.by_form:
            form |= {"client_id": client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        status, body = await self._send("POST", endpoint.url, headers=headers, data=form)
        if status in (401, 403):
            raise _Failing(
                f"{endpoint.url} refuses this server ({status}): INTROSPECTION_CLIENT_ID and its secret must be those"
                " of a client that may introspect tokens"
            )
        if status != 200:
            raise ValueError(f"{endpoint.url} answers {status}")
        answer = strict_json.parse(body)
        if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
            raise ValueError(f"the answer of {endpoint.url} does not say whether the token is active")
        return answer if answer["active"] else None

    async def _find_endpoint(self) -> _Endpoint:
        endpoint = self._endpoint
        if endpoint is None or self._clock() - endpoint.read_at > self.limits.endpoint_age:
            try:
                endpoint = await self._endpoint_in(self._discovery_url)
            except ValueError as error:
                # The endpoint is no member of OpenID Connect Discovery. Some providers have it only in RFC 8414.
                try:
                    endpoint = await self._endpoint_in(_oauth_metadata_url(self._issuer))
                except ValueError:
                    raise error from None
            self._endpoint = endpoint
        return endpoint

    async def _endpoint_in(self, url: str) -> _Endpoint:
        """The endpoint that the metadata at `url` names.

        Raises:
            ValueError: it names none.
            httpx2.HTTPError: there is no answer.
        """
        status, body = await self._send("GET", url, headers={"Accept": "application/json"})
        if status != 200:
            raise _Failing(f"{url} answers {status}")
        document = strict_json.parse(body)
        named = url_in(document, self._issuer, "introspection_endpoint")
        methods = document.get("introspection_endpoint_auth_methods_supported")
        by_form = isinstance(methods, list) and "client_secret_basic" not in methods
        return _Endpoint(named, by_form, self._clock())

    async def _send(self, method: str, url: str, **request: Any) -> tuple[int, bytes]:  # noqa: ANN401 - of httpx2
        """Status and body of an answer.

        Raises:
            RateLimited, _Failing: the provider has too many requests, or fails.
        """
        async with self._http.stream(method, url, **request) as response:
            status = response.status_code
            if status == 429 or status >= 500:
                kind = RateLimited if status == 429 else _Failing
                raise kind(f"{url} answers {status}", stated_wait(status, response.headers))
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self.limits.max_bytes:
                    raise ValueError(f"the answer of {url} is larger than {self.limits.max_bytes} bytes")
            return status, bytes(body)

    def _unavailable(self, reason: str) -> IntrospectionUnavailable:
        problem = f"The provider does not say what the token is: {reason}"
        return IntrospectionUnavailable(problem, self._backoff.seconds)


def _oauth_metadata_url(issuer: str) -> str:
    """Where the authorization server metadata of an issuer is (RFC 8414 section 3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"


def _put(cache: OrderedDict[bytes, Any], key: bytes, value: object, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > most:
        cache.popitem(last=False)
