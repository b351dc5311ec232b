"""What the replicas of a server ask of the provider: the real code, a simulated provider, and a virtual clock.

`make bench DO=limits` runs it and prints the table of docs/scaling.md. The provider is like Auth0's free plan: 20
requests a second for the key set and 2 for On-Behalf-Of token exchange (Auth0 docs, "Rate Limit Configurations"), with
as many at once; it answers others with 429 and `Retry-After: 1`. Its key set says `max-age=15`. Each replica has a call
every ten seconds. The random numbers are the same in each run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import virtual_time
from gatehouse_server.auth.provider.keys import KeyLimits, KeysUnavailable, SigningKeys
from gatehouse_server.auth.provider.token_exchange import ExchangeFailed, TokenExchange
from gatehouse_server.composition import START_SPREAD

KEYS_PER_SECOND, EXCHANGES_PER_SECOND = 20, 2
LATENCY = 0.05
CALL_EVERY, PROBE_EVERY = 10, 5
TICKS = 20
"""In a second. Calls do not come all at its beginning."""
HOUR = 3600
TOKEN_LIFE = 3600


@dataclass
class Provider:
    """Answers at most `per_second` requests, after a short burst. `down` answers with 503."""

    per_second: float
    published: list[str] = field(default_factory=lambda: ["one", "next"])
    down: bool = False
    asked: Counter[int] = field(default_factory=Counter)
    limited: Counter[int] = field(default_factory=Counter)
    _tokens: float = 0.0
    _at: float = float("-inf")

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(LATENCY)
        now = asyncio.get_running_loop().time()
        self.asked[int(now)] += 1
        if self.down:
            return httpx2.Response(503)
        self._tokens = min(self.per_second, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            self.limited[int(now)] += 1
            return httpx2.Response(429, headers={"Retry-After": "1"})
        self._tokens -= 1
        if request.method == "POST":
            return httpx2.Response(200, json={"access_token": "new", "expires_in": TOKEN_LIFE})
        keys = {"keys": [{**_public_key(), "kid": kid} for kid in self.published]}
        return httpx2.Response(200, json=keys, headers={"Cache-Control": "public, max-age=15"})


@dataclass
class Row:
    """What one scenario showed. Rates are requests in a second."""

    scenario: str
    replicas: int
    provider: Provider
    since: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    remark: str = ""
    until: int = field(default_factory=lambda: int(asyncio.get_running_loop().time()) + 1)

    @property
    def mean(self) -> float:
        return self._sum(self.provider.asked) / (self.until - self.since)

    @property
    def peak(self) -> int:
        return max((count for second, count in self.provider.asked.items() if second >= self.since), default=0)

    @property
    def limited(self) -> int:
        return self._sum(self.provider.limited)

    @property
    def failed(self) -> int:
        """Calls that got no answer because of the provider."""
        return self.calls["unavailable"]

    def line(self) -> str:
        rates = f"{self.mean:.2f} | {self.peak:,} | {self.limited:,}"
        calls = f"{self.failed:,} of {self.calls.total():,}" if self.calls else ""
        return f"| {self.scenario} | {self.replicas:,} | {rates} | {calls} | {self.remark} |"

    def _sum(self, counted: Counter[int]) -> int:
        return sum(count for second, count in counted.items() if second >= self.since)


@cache
def _public_key() -> dict[str, str]:
    public = rsa.generate_private_key(65537, 2048).public_key()
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public)), "use": "sig", "alg": "RS256"}


class Replicas:
    """The key caches of replicas, and the calls that they serve."""

    def __init__(self, count: int, provider: Provider, *, key_set_seconds: float = KeyLimits.min_age) -> None:
        self._http = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.handle), timeout=None)
        chance = random.Random(count).random
        self.random = random.Random(-count)
        clock = asyncio.get_running_loop().time
        limits = KeyLimits(min_age=key_set_seconds, start_spread=START_SPREAD)
        self.all = [
            SigningKeys("https://x/keys", "RS256", http=self._http, clock=clock, limits=limits, chance=chance)
            for _ in range(count)
        ]
        self.calls: Counter[str] = Counter()
        self._ready: list[SigningKeys] = []
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, keys: SigningKeys, after: float = 0.0) -> float:
        """The seconds until a replica is ready, with a probe every five seconds."""
        await asyncio.sleep(after)
        began = asyncio.get_running_loop().time()
        ask: Callable[[], Awaitable[None]] = keys.start
        while True:
            try:
                await ask()
                break
            except KeysUnavailable:
                ask = keys.warm
                await asyncio.sleep(PROBE_EVERY)
        self._ready.append(keys)
        return asyncio.get_running_loop().time() - began

    async def start_all(self, within: float = 0.0) -> list[float]:
        """Start all, at random moments within this time."""
        delays = [self.random.uniform(0, within) for _ in self.all]
        return await asyncio.gather(*(self.start(keys, delay) for keys, delay in zip(self.all, delays, strict=True)))

    async def run_for_long(self) -> int:
        """Start all at different times, with calls, as after many days. The second that begins then."""
        within = max(HOUR / 4, 2 * len(self.all) / KEYS_PER_SECOND)
        starting = asyncio.create_task(self.start_all(within))
        await self.serve(int(within) + 60)
        await starting
        self.calls.clear()
        return int(asyncio.get_running_loop().time())

    async def serve(self, seconds: int, kid: Callable[[int], str] = lambda _: "one") -> None:
        """A call for each ready replica every ten seconds, with a token of the key `kid(number)`."""
        ticks = CALL_EVERY * TICKS
        for tick in range(seconds * TICKS):
            for keys in self._ready[tick % ticks :: ticks]:
                name = kid(tick)
                if keys.is_current(name):
                    self.calls["served"] += 1
                else:
                    self._spawn(self._call(keys, name))
            await asyncio.sleep(1 / TICKS)
        await asyncio.gather(*self._running)

    def _spawn(self, call: Awaitable[None]) -> None:
        task = asyncio.ensure_future(call)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _call(self, keys: SigningKeys, kid: str) -> None:
        try:
            found = await keys.get(kid)
        except KeysUnavailable:
            self.calls["unavailable"] += 1
        else:
            self.calls["served" if found else "refused"] += 1


async def steady(count: int, seconds: int = HOUR // 2, key_set_seconds: float = KeyLimits.min_age) -> Row:
    """Replicas that run for long."""
    provider = Provider(KEYS_PER_SECOND)
    replicas = Replicas(count, provider, key_set_seconds=key_set_seconds)
    since = await replicas.run_for_long()
    await replicas.serve(seconds)
    return Row(f"they run, `KEY_SET_SECONDS={key_set_seconds:.0f}`", count, provider, since, replicas.calls)


async def start_together(count: int) -> Row:
    """All replicas start in the same moment."""
    provider = Provider(KEYS_PER_SECOND)
    replicas = Replicas(count, provider)
    waits = sorted(await replicas.start_all())
    remark = f"half are ready after {waits[count // 2]:.0f} s, all after {waits[-1]:.0f} s"
    return Row("all start together", count, provider, remark=remark)


async def rotation(count: int, *, announced: bool, seconds: int = HOUR // 2) -> Row:
    """The provider signs with a new key, which its key set had before or not. The old key stays published."""
    provider = Provider(KEYS_PER_SECOND)
    replicas = Replicas(count, provider)
    since = await replicas.run_for_long()
    new = "next" if announced else "new"
    provider.published = ["one", new]
    await replicas.serve(seconds, lambda second: new)
    known = sum([keys.is_current(new) for keys in replicas.all])
    kind = "announced" if announced else "unannounced"
    return Row(
        f"a new key, {kind}",
        count,
        provider,
        since,
        replicas.calls,
        f"{known:,} know it after half an hour" if seconds == HOUR // 2 else f"{known:,} know it",
    )


async def outage(count: int, seconds: int = HOUR // 3) -> Row:
    """The provider answers 503 for so long, and then again."""
    provider = Provider(KEYS_PER_SECOND)
    replicas = Replicas(count, provider)
    await replicas.run_for_long()
    provider.down = True
    await replicas.serve(seconds)
    since, provider.down = int(asyncio.get_running_loop().time()), False
    await replicas.serve(HOUR // 3)
    minutes = seconds // 60
    return Row(f"{minutes} minutes of 503, and then", count, provider, since, replicas.calls)


async def invented(count: int, seconds: int = HOUR // 2) -> Row:
    """Each call has a token with an invented key id."""
    provider = Provider(KEYS_PER_SECOND)
    replicas = Replicas(count, provider)
    await replicas.run_for_long()
    await replicas.serve(HOUR // 6, lambda second: f"invented-{second}-{replicas.random.random()}")
    since = int(asyncio.get_running_loop().time())
    replicas.calls.clear()
    await replicas.serve(seconds, lambda second: f"invented-{second}-{replicas.random.random()}")
    return Row("only invented key ids, after ten minutes of them", count, provider, since, replicas.calls)


async def exchanges(count: int, users: int, seconds: int = HOUR) -> Row:
    """Each user calls a tool every ten seconds at a random replica. It needs a token for another API."""
    provider = Provider(EXCHANGES_PER_SECOND)
    chance = random.Random(users)
    loop = asyncio.get_running_loop()
    calls: Counter[str] = Counter()
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(provider.handle), timeout=None) as http:
        replicas = [TokenExchange("https://x/token", "id", "s", http=http, clock=loop.time) for _ in range(count)]

        async def user(name: str) -> None:
            await asyncio.sleep(chance.uniform(0, HOUR / 2))
            token_until = 0.0
            while loop.time() < seconds:
                if loop.time() > token_until - 60:
                    token_until = loop.time() + TOKEN_LIFE
                    subject = f"{name}-{token_until}"
                try:
                    await chance.choice(replicas).token_for(subject, "https://api/", "read", until=token_until)
                    calls["served"] += 1
                except ExchangeFailed:
                    calls["unavailable"] += 1
                await asyncio.sleep(CALL_EVERY)

        await asyncio.gather(*(user(f"user-{number}") for number in range(users)))
    return Row(f"token exchange, {users:,} users", count, provider, calls=calls)


def scenarios() -> Iterable[Callable[[], Awaitable[Row]]]:
    """In the order of the table."""
    for count in (1, 100, 1000, 10_000):
        yield lambda count=count: steady(count)  # type: ignore[misc]
    for count in (100, 240):
        yield lambda count=count: steady(count, key_set_seconds=15)  # type: ignore[misc]
    for count in (100, 1000):
        yield lambda count=count: start_together(count)  # type: ignore[misc]
    yield lambda: rotation(1000, announced=True)
    for count in (100, 1000):
        yield lambda count=count: rotation(count, announced=False)  # type: ignore[misc]
    yield lambda: outage(1000)
    yield lambda: invented(1000)
    for count, users in ((3, 1000), (10, 1000)):
        yield lambda count=count, users=users: exchanges(count, users)  # type: ignore[misc]


HEAD = """\
| scenario | replicas | requests a second | most in one | answered 429 | calls not answered | note |
|---|---|---|---|---|---|---|"""


def main() -> int:
    """Print the table. Exit code 1 if 10,000 replicas that run for long ask for more than the limit on average."""
    argparse.ArgumentParser(prog="make bench DO=limits", description=__doc__).parse_args()
    logging.disable(logging.WARNING)
    began, within = time.monotonic(), True
    print(HEAD, flush=True)
    for scenario in scenarios():
        row = virtual_time.run(scenario())  # type: ignore[arg-type]
        within = within and (row.replicas < 10_000 or row.mean < KEYS_PER_SECOND)
        print(row.line(), flush=True)
    sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
