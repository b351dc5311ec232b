"""The tenant's signing keys: fetched, cached and refreshed. If the tenant is down, cached keys are used for longer.

Source: RFC 7517 (JSON Web Key Set); RFC 8037 (Ed25519 keys); Auth0 docs, "JSON Web Key Sets" and "Rotate signing keys"
(a document always has the current and the next key; clients should cache it and fetch it again if a token names an
unknown key).
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt

from .outgoing import http_client

logger = logging.getLogger(__name__)

_ED25519 = ("Ed25519", "EdDSA")
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,10})")


class VerificationUnavailable(Exception):
    """A token cannot be verified now. The caller should try again later.

    Args:
        reason: the message, for the log.

    Attributes:
        code: short and stable, for logs and metrics.
        description: one sentence for the client's developer.
        retry_after: seconds until the next attempt makes sense.
    """

    code = "unavailable"
    description = "The token cannot be verified at the moment. It may be good: try again."

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class KeysUnavailable(VerificationUnavailable):
    """The tenant's signing keys cannot be fetched now."""

    code = "keys_unavailable"
    description = "The tenant's signing keys cannot be had at the moment. The token may be good: try again."


class RateLimited(ValueError):
    """The provider answers 429 (RFC 6585 section 4): it gets too many requests."""


@dataclass(frozen=True)
class KeyLimits:
    """Limits for fetching and caching keys. All times are seconds."""

    timeout: float = 5.0
    """The longest time for a fetch."""
    stale_wait: float = 2.0
    """With usable stale keys, a request waits for fresh keys only until this time after the start of the fetch."""
    max_bytes: int = 256 * 1024
    """Of the document."""
    default_age: float = 600.0
    """How long keys are fresh if the answer has no max-age."""
    min_age: float = 15.0
    """Keys are fresh for at least this time, whatever the answer says."""
    max_age: float = 3600.0
    """Keys are fresh for at most this time, whatever the answer says."""
    refresh_ahead: float = 0.8
    """After this fraction of their age, keys are refreshed in the background."""
    max_stale: float = 3600.0
    """How much longer keys are used while the tenant cannot be reached."""
    unknown_key_cooldown: float = 10.0
    """An unknown key id causes at most one fetch in this time."""
    unknown_keys: int = 4
    """How many unknown key ids cause a fetch in that time. With one, an old token would keep a new key unknown."""
    failure_cooldown: float = 2.0
    """The time from a failed fetch to the next one."""


@dataclass(frozen=True)
class _KeySet:
    keys: Mapping[str, jwt.PyJWK]
    fetched_at: float
    fresh_for: float


class SigningKeys:
    """Keys by key id, from the tenant's JWKS document. There is at most one fetch at a time.

    Args:
        url: the URL of the JWKS document or, with `issuer`, of that issuer's discovery document.
        algorithm: the signature algorithm, such as `RS256`. Keys for others are left out.
        issuer: the issuer that the discovery document must name, byte for byte.
        authorities: the certificate authorities for TLS; the system's by default.
        http: sends the requests; by default `http_client(authorities)`.
        clock: seconds, from any starting point.
        limits: of fetches and of the cache.
        on_fetch: called with `ok`, `failed` or `rate_limited` after each fetch.
    """

    def __init__(
        self,
        url: str,
        algorithm: str,
        *,
        issuer: str | None = None,
        authorities: ssl.SSLContext | None = None,
        http: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        limits: KeyLimits | None = None,
        on_fetch: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.url = url
        self._algorithm = algorithm
        self._issuer = issuer
        self._limits = limits or KeyLimits()
        self._http = http or http_client(authorities, timeout=None)  # `_refresh` limits the time
        self._clock = clock
        self._current: _KeySet | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._fetch_began_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = "they were not fetched yet"
        self._unknown: dict[str, float] = {}  # key ids, and when the tenant answered without them
        self._on_fetch = on_fetch

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key with that id, or None if the tenant has no such key.

        Raises:
            KeysUnavailable: the tenant does not answer with keys, and there are no usable cached keys.
        """
        keys = await self._usable()
        if kid in keys:
            return keys[kid]
        after = self._clock() - self._limits.unknown_key_cooldown
        self._unknown = {each: at for each, at in self._unknown.items() if at > after}
        if kid in self._unknown or len(self._unknown) >= self._limits.unknown_keys:
            return None
        before = self._current
        await self._fetch(self._limits.timeout)
        if self._current is None or self._current is before:
            # The tenant did not answer, so the key may exist.
            raise self._unavailable()
        if kid not in self._current.keys:
            self._unknown[kid] = self._clock()
        return self._current.keys.get(kid)

    async def warm(self) -> None:
        """Fetch the keys if there are no usable cached keys.

        Raises:
            KeysUnavailable: the keys cannot be fetched.
        """
        await self._usable()

    def is_current(self, kid: str) -> bool:
        """Whether the key with that id is among the fresh keys. Starts a refresh before they expire.

        A cached token is valid only while this is true: tokens of a withdrawn key must be refused.
        """
        current = self._current
        if current is None or kid not in current.keys:
            return False
        age = self._clock() - current.fetched_at
        if age > current.fresh_for * self._limits.refresh_ahead:
            self._start_fetch()
        return age <= current.fresh_for

    def age(self) -> float | None:
        """Seconds since the keys were fetched; None without keys."""
        current = self._current
        return None if current is None else self._clock() - current.fetched_at

    def left(self) -> float:
        """Seconds for which the keys are still used if no fetch succeeds; 0 without keys."""
        current = self._current
        if current is None:
            return 0.0
        return max(0.0, current.fetched_at + current.fresh_for + self._limits.max_stale - self._clock())

    async def document(self, url: str) -> object:
        """Another JSON document of the tenant, within the same limits. It is not cached.

        Raises:
            KeysUnavailable: it cannot be fetched.
        """
        try:
            async with asyncio.timeout(self._limits.timeout):
                return (await self._get(url))[0]
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
            raise KeysUnavailable(f"{url}: {problem}", math.ceil(self._limits.failure_cooldown)) from error

    async def aclose(self) -> None:
        """Cancel a running fetch and close the connections."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._http.aclose()

    async def _usable(self) -> Mapping[str, jwt.PyJWK]:
        current, limits = self._current, self._limits
        if current is None:
            await self._fetch(limits.timeout)
        else:
            age = self._clock() - current.fetched_at
            if age > current.fresh_for:
                await self._fetch(limits.stale_wait)
            elif age > current.fresh_for * limits.refresh_ahead:
                self._start_fetch()
        current = self._current
        if current is None or self._clock() - current.fetched_at > current.fresh_for + limits.max_stale:
            raise self._unavailable()
        return current.keys

    def _unavailable(self) -> KeysUnavailable:
        wait = max(1.0, self._failed_at + self._limits.failure_cooldown - self._clock())
        return KeysUnavailable(
            f"The tenant's signing keys cannot be had from {self.url}: {self._failure}", math.ceil(wait)
        )

    async def _fetch(self, seconds: float) -> None:
        """Start a fetch if one is allowed; wait for it until `seconds` after it began."""
        fetching = self._start_fetch()
        left = self._fetch_began_at + seconds - self._clock()
        if fetching is not None and left > 0:
            await asyncio.wait({fetching}, timeout=left)

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """The running fetch, a new one, or None if one has just failed."""
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._failed_at < self._limits.failure_cooldown:
                return None
            self._fetch_began_at = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout):
                document, fresh_for = await self._download()
            self._current = _KeySet(usable_keys(document, self._algorithm), self._clock(), fresh_for)
            self._on_fetch("ok")
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError, TimeoutError) as error:
            self._on_fetch("rate_limited" if isinstance(error, RateLimited) else "failed")
            self._failed_at = self._clock()
            self._failure = str(error) or type(error).__name__
            logger.warning("signing keys: %s: %s", self.url, self._failure)

    async def _download(self) -> tuple[object, float]:
        if self._issuer is None:
            return await self._get(self.url)
        discovery, _ = await self._get(self.url)
        return await self._get(url_in(discovery, self._issuer, "jwks_uri"))

    async def _get(self, url: str) -> tuple[object, float]:
        async with self._http.stream("GET", url, headers={"Accept": "application/json"}) as response:
            if response.status_code != 200:
                raise (RateLimited if response.status_code == 429 else ValueError)(
                    f"the answer was HTTP {response.status_code}"
                )
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._limits.max_bytes:
                    raise ValueError(f"the answer is larger than {self._limits.max_bytes} bytes")
        return json.loads(body), self._fresh_for(response.headers.get("cache-control", ""))

    def _fresh_for(self, cache_control: str) -> float:
        stated = _MAX_AGE.search(cache_control.lower())
        age = float(stated[1]) if stated else self._limits.default_age
        return min(max(age, self._limits.min_age), self._limits.max_age)


def names_of(algorithm: str) -> tuple[str, ...]:
    """The names of a signature algorithm in headers and keys: RFC 9864 section 2.2 replaces EdDSA by Ed25519."""
    return _ED25519 if algorithm in _ED25519 else (algorithm,)


def url_in(discovery: object, issuer: str, name: str) -> str:
    """The URL of that name in a discovery document (OpenID Connect Discovery sections 3 and 4.3).

    Raises:
        ValueError: the document is of another issuer, or its URL is not https.
    """
    named = discovery.get("issuer") if isinstance(discovery, dict) else None
    if not isinstance(discovery, dict) or named != issuer:
        raise ValueError(f"the discovery document is of {named!r}, and the issuer is {issuer!r}: they must be the same")
    uri = discovery.get(name)
    secure = "https" if urlsplit(issuer).scheme == "https" else "http"
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("https", secure):
        raise ValueError(f"the discovery document's {name} is {uri!r}, and no https URL")
    return uri


def usable_keys(document: object, algorithm: str) -> dict[str, jwt.PyJWK]:
    """Public signature keys for `algorithm`, by key id.

    Raises:
        ValueError: the document has no such key. It must not replace keys that work.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a JSON Web Key Set")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries:
        key = _usable_key(entry, algorithm)
        if key is not None:
            keys.setdefault(entry["kid"], key)
    if not keys:
        raise ValueError(f"the answer holds no key for {algorithm}")
    return keys


def _usable_key(entry: Any, algorithm: str) -> jwt.PyJWK | None:  # noqa: ANN401 - JSON from the network
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or not entry["kid"]:
        return None
    names = names_of(algorithm)
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) not in names or entry.get("kty") == "oct":
        return None
    try:
        if "d" in entry:
            raise ValueError("it is a private key, and a key set must hold public keys only")
        if names is _ED25519 and entry.get("crv") != "Ed25519":
            return None
        key = jwt.PyJWK(entry, names[-1])
        if weakness := key.Algorithm.check_key_length(key.key):
            raise ValueError(weakness)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        logger.warning("signing keys: key %r is unusable: %s", entry["kid"][:64], error)
        return None
    return key
