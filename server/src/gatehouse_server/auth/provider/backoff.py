"""When a request to the provider may be repeated after a failure: later each time, and not with other replicas.

Sources: RFC 9110 section 10.2.3 (Retry-After); RFC 6585 section 4 (429 Too Many Requests); Auth0 docs, "Rate Limit
Policy" (x-ratelimit-reset is the Unix time at which the limit has requests again).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from random import random

import httpx2

# A longer time in an answer is a mistake, or an attempt to silence this server.
LONGEST_RETRY_AFTER = 300.0


class Refused(ValueError):
    """The provider answers with an error.

    Attributes:
        stated_wait: the seconds until the next attempt, if the answer states them.
    """

    def __init__(self, reason: str, stated_wait: float | None = None) -> None:
        super().__init__(reason)
        self.stated_wait = stated_wait


class RateLimited(Refused):
    """The provider answers 429 (RFC 6585 section 4): it gets too many requests."""


class Backoff:
    """The time until the next request after failures: doubled with each one, and partly random.

    Replicas that fail together do not repeat together: the wait is between half and all of a step, and after a time
    that the provider states up to one step longer than that.

    Args:
        first: the step after the first failure, in seconds.
        most: the longest step after other failures.
        most_limited: the longest step after a 429.
        clock: seconds, from any starting point.
        chance: a random number from 0 to 1.
    """

    def __init__(
        self,
        first: float,
        most: float = 30.0,
        most_limited: float = LONGEST_RETRY_AFTER,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self._first = first
        self._most = {False: most, True: most_limited}
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """Seconds until the next request is allowed; 0 if one is allowed now."""
        return max(0.0, self._until - self._clock())

    @property
    def seconds(self) -> int:
        """The same in whole seconds and at least 1, for a Retry-After of our own."""
        return max(1, math.ceil(self.left))

    @property
    def is_failing(self) -> bool:
        """Whether the last request failed."""
        return self._failures > 0

    def failed(self, *, limited: bool = False, stated: float | None = None) -> None:
        """Count a failure. Requests that were sent before an earlier one failed count with it.

        Args:
            limited: the provider answered 429.
            stated: the seconds until the next attempt, if the provider states them.
        """
        if self.left > 0:
            self._until = max(self._until, self._clock() + (stated or 0.0))
            return
        step = min(self._first * 2.0 ** min(self._failures, 30), self._most[limited])
        self._failures += 1
        wait = step * (1 + self._chance()) / 2 if stated is None else stated + step * self._chance()
        self._until = self._clock() + wait

    def succeeded(self) -> None:
        self._failures = 0
        self._until = float("-inf")


def stated_wait(status: int, headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds until the next attempt that an answer states, at most 300.

    None if it states none, or if its status is neither 429 nor 503.

    Args:
        status: of the answer.
        headers: of the answer, by names in lower case.
        now: Unix time; the current one by default.
    """
    if status not in (429, 503):
        return None
    now = time.time() if now is None else now
    wait = _retry_after(headers.get("retry-after", ""), now)
    if wait is None:
        reset = headers.get("x-ratelimit-reset", "")
        wait = float(reset) - now if _is_number(reset) else None
    return None if wait is None else min(max(wait, 0.0), LONGEST_RETRY_AFTER)


def _retry_after(value: str, now: float) -> float | None:
    if _is_number(value):
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) <= 12


def refusal(response: httpx2.Response) -> Refused:
    """The error for an answer with another status than 200."""
    status = response.status_code
    kind = RateLimited if status == 429 else Refused
    return kind(f"the answer was HTTP {status}", stated_wait(status, response.headers))
