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
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import random
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt

from .backoff import Backoff, RateLimited, refusal
from .outgoing import http_client

logger = logging.getLogger(__name__)

_ED25519 = ("Ed25519", "EdDSA")
_LONG_AGO = float("-inf")
_REMEMBERED = 64  # unknown key ids
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


@dataclass(frozen=True)
class KeyLimits:
    """Limits for fetching and caching keys. All times are seconds."""

    timeout: float = 5.0
    """The longest time for a fetch."""
    stale_wait: float = 2.0
    """With usable stale keys, a request waits for fresh keys only until this time after the start of the fetch."""
    max_bytes: int = 256 * 1024
    """Of the document."""
    default_age: float = 900.0
    """How long keys are fresh if the answer has no max-age."""
    min_age: float = 900.0
    """Keys are fresh for at least this time, whatever the answer says: a withdrawn key is accepted for so long. With
    this value 10,000 replicas fetch 14 times a second; Auth0's free plan allows 20."""
    max_age: float = 3600.0
    """Keys are fresh for at most this time, whatever the answer says."""
    refresh_ahead: float = 0.6
    """From this fraction of their age on, keys are refreshed in the background. The moment is random, so that replicas
    do not fetch together."""
    start_spread: float = 0.0
    """The first fetch is at a random moment within this time after the start, or with the first token."""
    max_stale: float = 3600.0
    """How much longer keys are used while the tenant cannot be reached."""
    unknown_key_cooldown: float = 10.0
    """An unknown key id causes at most one fetch in this time, which doubles with each one in vain, up to `min_age`."""
    unknown_keys: int = 4
    """How many unknown key ids cause a fetch at once; the next ones do so after a cooldown, which doubles likewise.
    With one, an old token would keep a new key unknown."""
    failure_cooldown: float = 2.0
    """The time from a failed fetch to the next one. It doubles with each failure."""
    longest_cooldown: float = 30.0
    """How long it becomes. After a 429 it may become 300."""


@dataclass(frozen=True)
class _KeySet:
    keys: Mapping[str, jwt.PyJWK]
    fetched_at: float
    fresh_for: float
    refresh_at: float


@dataclass
class _Unknown:
    """When an unknown key id may cause the next fetch, and how long it waits then."""

    until: float
    wait: float


class _NewUnknown:
    """How many key ids that were never asked for may cause a fetch: some at once, then one after each cooldown.

    The cooldown doubles up to `most`, because each replica must stay below the provider's limit even if somebody sends
    invented key ids. It begins again if there are none for the time `most`, or if one of them was good.
    """

    def __init__(self, limits: KeyLimits) -> None:
        self._limits = limits
        self._quiet_at = _LONG_AGO
        self.reset()

    def reset(self) -> None:
        self._left = self._limits.unknown_keys
        self._wait = self._limits.unknown_key_cooldown
        self._next_at = _LONG_AGO

    def allows(self, now: float) -> bool:
        if now >= self._quiet_at:
            self.reset()
        self._quiet_at = now + self._limits.min_age
        return now >= self._next_at

    def spend(self, now: float) -> None:
        """Count a fetch in vain."""
        if not self.allows(now):
            return
        self._left = max(self._left, 1) - 1
        if self._left == 0:
            self._next_at = now + self._wait
            self._wait = min(2 * self._wait, self._limits.min_age)


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
        chance: a random number from 0 to 1, which spreads the fetches of replicas.
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
        chance: Callable[[], float] = random,
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
        self._fetch_began_at = _LONG_AGO
        self._starts_at = _LONG_AGO
        self._chance = chance
        first, most = self._limits.failure_cooldown, self._limits.longest_cooldown
        self._backoff = Backoff(first, most, clock=clock, chance=chance)
        self._failure = "they were not fetched yet"
        self._unknown: OrderedDict[str, _Unknown] = OrderedDict()  # key ids that the tenant does not have
        self._new_unknown = _NewUnknown(self._limits)
        self._on_fetch = on_fetch

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key with that id, or None if the tenant has no such key.

        Raises:
            KeysUnavailable: the tenant does not answer with keys, and there are no usable cached keys.
        """
        keys = await self._usable()
        if kid in keys:
            return keys[kid]
        if not self._may_ask(kid):
            return None
        before = self._current
        await self._fetch(self._limits.timeout)
        if self._current is None or self._current is before:
            # The tenant did not answer, so the key may exist.
            raise self._unavailable()
        found = self._current.keys.get(kid)
        self._note(kid, found is not None)
        return found

    def _may_ask(self, kid: str) -> bool:
        """Whether an unknown key id may cause a fetch. It may always wait for one that runs."""
        if self._fetching is not None and not self._fetching.done():
            return True
        if kid in self._unknown:
            return self._clock() >= self._unknown[kid].until
        return self._new_unknown.allows(self._clock())

    def _note(self, kid: str, found: bool) -> None:
        known, now = self._unknown.pop(kid, None), self._clock()
        if found:
            self._new_unknown.reset()
            return
        if known is None:
            self._new_unknown.spend(now)
        wait = min(2 * known.wait, self._limits.min_age) if known else self._limits.unknown_key_cooldown
        self._unknown[kid] = _Unknown(now + wait, wait)
        if len(self._unknown) > _REMEMBERED:
            self._unknown.popitem(last=False)

    async def start(self) -> None:
        """Fetch the keys, at a random moment of `start_spread`. Until then `warm` fails.

        Raises:
            KeysUnavailable: the keys cannot be fetched.
        """
        delay = self._limits.start_spread * self._chance()
        self._starts_at = self._clock() + delay
        await asyncio.sleep(delay)
        self._starts_at = _LONG_AGO
        await self.warm()

    async def warm(self) -> None:
        """Fetch the keys if there are no usable cached keys.

        Raises:
            KeysUnavailable: the keys cannot be fetched, or will be fetched in a moment.
        """
        wait = self._starts_at - self._clock()
        if self._current is None and wait > 0:
            raise KeysUnavailable("The signing keys are fetched in a moment, not with all replicas", math.ceil(wait))
        await self._usable()

    def is_current(self, kid: str) -> bool:
        """Whether the key with that id is among the fresh keys. Starts a refresh before they expire.

        A cached token is valid only while this is true: tokens of a withdrawn key must be refused.
        """
        current = self._current
        if current is None or kid not in current.keys:
            return False
        now = self._clock()
        if now > current.refresh_at:
            self._start_fetch()
        return now - current.fetched_at <= current.fresh_for

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
            stated = getattr(error, "stated_wait", None) or self._limits.failure_cooldown
            raise KeysUnavailable(f"{url}: {problem}", math.ceil(stated)) from error

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
            elif self._clock() > current.refresh_at:
                self._start_fetch()
        current = self._current
        if current is None or self._clock() - current.fetched_at > current.fresh_for + limits.max_stale:
            raise self._unavailable()
        return current.keys

    def _unavailable(self) -> KeysUnavailable:
        problem = f"The tenant's signing keys cannot be had from {self.url}: {self._failure}"
        return KeysUnavailable(problem, self._backoff.seconds)

    async def _fetch(self, seconds: float) -> None:
        """Start a fetch if one is allowed; wait for it until `seconds` after it began."""
        fetching = self._start_fetch()
        left = self._fetch_began_at + seconds - self._clock()
        if fetching is not None and left > 0:
            await asyncio.wait({fetching}, timeout=left)

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """The running fetch, a new one, or None if one has just failed."""
        if self._fetching is None or self._fetching.done():
            if self._backoff.left > 0:
                return None
            self._fetch_began_at = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout):
                document, fresh_for = await self._download()
            self._current = self._key_set(usable_keys(document, self._algorithm), fresh_for)
            self._backoff.succeeded()
            self._on_fetch("ok")
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError, TimeoutError) as error:
            limited = isinstance(error, RateLimited)
            self._on_fetch("rate_limited" if limited else "failed")
            self._backoff.failed(limited=limited, stated=getattr(error, "stated_wait", None))
            self._failure = str(error) or type(error).__name__
            logger.warning("signing keys: %s: %s", self.url, self._failure)

    def _key_set(self, keys: Mapping[str, jwt.PyJWK], fresh_for: float) -> _KeySet:
        now, ahead = self._clock(), self._limits.refresh_ahead
        # The last part remains for an answer before the keys expire.
        moment = ahead + (0.95 - ahead) * self._chance()
        return _KeySet(keys, now, fresh_for, now + fresh_for * moment)

    async def _download(self) -> tuple[object, float]:
        if self._issuer is None:
            return await self._get(self.url)
        discovery, _ = await self._get(self.url)
        return await self._get(url_in(discovery, self._issuer, "jwks_uri"))

    async def _get(self, url: str) -> tuple[object, float]:
        async with self._http.stream("GET", url, headers={"Accept": "application/json"}) as response:
            if response.status_code != 200:
                raise refusal(response)
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
        ValueError: the document is of another issuer, or its URL is not https. It may be http if the issuer is.
    """
    named = discovery.get("issuer") if isinstance(discovery, dict) else None
    if not isinstance(discovery, dict) or named != issuer:
        raise ValueError(f"the discovery document is of {named!r}, and the issuer is {issuer!r}: they must be the same")
    uri = discovery.get(name)
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("https", urlsplit(issuer).scheme):
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
