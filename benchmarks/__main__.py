"""The cost of protection: CPU time per request of the protected server and of others, for the same requests.

`make bench` runs it. Loads are interleaved in rounds, so that other work of the machine affects all in the same way.
Ratios are computed within each round; the result is the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import load_generator
import server_processes
from requests_sent import FRESH_TOKENS, LEGACY, MODERN, always_new, repeated
from token_issuer import Issuer

WARM_UP = 300
"""Requests before the first round, for imports, caches and the allocator."""
FILL_CACHE = 4300
"""Requests before the first round that fill the cache of the server."""
STARTS = 4
"""How often every server is started, because the speed depends on the memory layout of each start."""


@dataclass
class Load:
    """One kind of request to a separate server, and the server's CPU time per request in microseconds, by round.

    Loads share no server, because one would affect the memory of the other.
    """

    name: str
    start: Callable[[], AbstractContextManager[server_processes.Running]]
    requests: Iterator[bytes]
    count: int
    status: int = 200
    warm_up: int = WARM_UP
    costs: list[float] = field(default_factory=list)

    async def run(self, server: server_processes.Running, connections: load_generator.Connections) -> None:
        """One round."""
        before = load_generator.cpu_seconds(server.pid)
        await connections.send(self.requests, self.count, self.status)
        self.costs.append((load_generator.cpu_seconds(server.pid) - before) / self.count * 1e6)


@dataclass(frozen=True)
class Ratio:
    """A ratio of the costs of two loads: `of.costs / to.costs`."""

    name: str
    of: str
    to: str
    target: float


RATIOS = (
    Ratio("repeated token, relative to unprotected", "unprotected", "gatehouse", 0.95),
    Ratio("every token new, relative to unprotected", "unprotected", "gatehouse, every token new", 0.80),
    Ratio("refusal without a token, relative to bare", "bare", "gatehouse, no token", 0.60),
    Ratio("refusal of an expired token, relative to bare", "bare", "gatehouse, expired token", 0.60),
    Ratio("faster than the article's server", "article (2025-11-25)", "gatehouse", 10),
    Ratio("faster than FastMCP's JWTVerifier", "fastmcp", "gatehouse", 3),
    Ratio("unprotected: faster than the article's server", "article (2025-11-25)", "unprotected", 0),
    Ratio("unprotected: faster than FastMCP's JWTVerifier", "fastmcp", "unprotected", 0),
    Ratio("2025-11-25: relative to unprotected", "unprotected (2025-11-25)", "gatehouse (2025-11-25)", 0),
    Ratio("2025-11-25: faster than the article's server", "article (2025-11-25)", "gatehouse (2025-11-25)", 0),
    Ratio(
        "every token new: faster than JWTVerifier",
        "fastmcp, every token new",
        "gatehouse, every token new",
        0,
    ),
)
"""A ratio with target 0 is only shown for information. A protected app cannot be faster than the unprotected one."""


def main() -> int:
    """Exit code 0 if every ratio reaches its target, else 1."""
    arguments = _arguments()
    began = time.monotonic()
    server_processes.keep_a_processor_for_servers()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loads = _loads(arguments, Path(folder), stack)
        for number in range(STARTS):
            asyncio.run(_measure(list(loads.values()), arguments.rounds // STARTS, f"start {number + 1} of {STARTS}"))
    sys.stderr.write(f"\r{arguments.rounds} rounds in {time.monotonic() - began:.0f} s\n")
    _print_costs(loads)
    return 0 if _print_ratios(loads) else 1


async def _measure(loads: list[Load], rounds: int, start: str) -> None:
    with ExitStack() as stack:
        connected = []
        for load in loads:
            server = stack.enter_context(load.start())
            connections = await load_generator.Connections.to(server.port)
            stack.callback(connections.close)
            await connections.send(load.requests, load.warm_up, load.status)
            connected.append((load, server, connections))
        for number in range(rounds):
            for load, server, connections in random.sample(connected, len(connected)):
                await load.run(server, connections)
            sys.stderr.write(f"\r{start}, round {number + 1} of {rounds} ")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--server", type=Path, required=True, help="a Python with the packages of the server's image")
    parser.add_argument("--article", type=Path, required=True, help="a Python with the article's packages")
    parser.add_argument("--fastmcp", type=Path, required=True, help="a Python with FastMCP")
    return parser.parse_args()


def _loads(arguments: argparse.Namespace, folder: Path, stack: ExitStack) -> dict[str, Load]:
    issuer = Issuer()
    stack.callback(issuer.close)
    own = arguments.server
    pythons = {"bare": own, "unprotected": own, "article": arguments.article, "fastmcp_jwt": arguments.fastmcp}

    def subject(name: str) -> Callable[[], AbstractContextManager[server_processes.Running]]:
        return lambda: server_processes.subject(name, pythons[name], issuer.url, folder / f"{name}.log")

    def gatehouse() -> AbstractContextManager[server_processes.Running]:
        return server_processes.gatehouse(own, issuer.url, folder / "gatehouse.log")

    sys.stderr.write("minting tokens ...")
    token, expired = issuer.token(), issuer.expired_token()
    fresh = always_new(MODERN, [issuer.token() for _ in range(FRESH_TOKENS)])
    loads = [
        Load("bare", subject("bare"), repeated(MODERN, None), 240, 401),
        Load("gatehouse, no token", gatehouse, repeated(MODERN, None), 160, 401),
        Load("gatehouse, expired token", gatehouse, repeated(MODERN, expired), 128, 401),
        Load("unprotected", subject("unprotected"), repeated(MODERN, None), 64),
        Load("gatehouse", gatehouse, repeated(MODERN, token), 64),
        Load("gatehouse, every token new", gatehouse, fresh, 48, warm_up=FILL_CACHE),
        Load("fastmcp", subject("fastmcp_jwt"), repeated(MODERN, token), 32),
        Load("fastmcp, every token new", subject("fastmcp_jwt"), fresh, 32),
        Load("unprotected (2025-11-25)", subject("unprotected"), repeated(LEGACY, None), 48),
        Load("gatehouse (2025-11-25)", gatehouse, repeated(LEGACY, token), 48),
        Load("article (2025-11-25)", subject("article"), repeated(LEGACY, token), 16),
    ]
    return {load.name: load for load in loads}


def _print_costs(loads: dict[str, Load]) -> None:
    print(f"\n{'CPU per request of the server, in us':<54}{'median':>8}{'min':>8}{'max':>8}")
    for load in loads.values():
        costs = (statistics.median(load.costs), min(load.costs), max(load.costs))
        print(f"{load.name:<54}" + "".join(f"{cost:>8.0f}" for cost in costs))


def _print_ratios(loads: dict[str, Load]) -> bool:
    print(f"\n{'ratio':<54}{'median':>8}{'middle half':>16}{'of mins':>9}{'target':>8}")
    reached = True
    for ratio in RATIOS:
        of, to = loads[ratio.of].costs, loads[ratio.to].costs
        rounds = sorted(one / other for one, other in zip(of, to, strict=True))
        median = statistics.median(rounds)
        low, _, high = statistics.quantiles(rounds, n=4)
        verdict = "" if not ratio.target else " ok" if median >= ratio.target else " MISSED"
        reached = reached and verdict != " MISSED"
        target = f"{ratio.target:>8.2f}" if ratio.target else f"{'':>8}"
        spread = f"{low:.2f} - {high:.2f}"
        print(f"{ratio.name:<54}{median:>8.2f}{spread:>16}{min(of) / min(to):>9.2f}{target}{verdict}")
    return reached


if __name__ == "__main__":
    sys.exit(main())
