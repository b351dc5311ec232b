"""The cost of protection: CPU time per request of the protected server and of others, for the same requests. And the
time of the client's commands, compared with a script on the MCP SDK.

`make bench` runs it. Loads are interleaved in rounds, so that other work of the machine affects all in the same way.
Ratios are computed within each round; the result is the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import client_processes
import load_generator
import server_processes
from ratios import Ratio, Seen, print_costs, print_ratios, print_targets
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

    Its memory in MB is read once for each start.

    Loads share no server, because one would affect the memory of the other.
    """

    name: str
    start: Callable[[], AbstractContextManager[server_processes.Running]]
    requests: Iterator[bytes]
    count: int
    status: int = 200
    warm_up: int = WARM_UP
    costs: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    async def run(self, server: server_processes.Running, connections: load_generator.Connections) -> None:
        """One round."""
        await connections.open()
        before = load_generator.cpu_seconds(server.pid)
        await connections.send(self.requests, self.count, self.status)
        self.costs.append((load_generator.cpu_seconds(server.pid) - before) / self.count * 1e6)


RATIOS = (
    Ratio("library under plain uvicorn, relative to unprotected", "library, unprotected", "library", 0.95),
    Ratio("repeated token, relative to unprotected", "unprotected", "gatehouse", 1),
    Ratio("every token new, relative to unprotected", "unprotected", "gatehouse, every token new", 0.80),
    Ratio("refusal without a token, relative to bare", "bare", "gatehouse, no token", 0.60),
    Ratio("refusal of an expired token, relative to bare", "bare", "gatehouse, expired token", 0.60),
    Ratio("faster than the article's server", "article (2025-11-25)", "gatehouse", 10),
    Ratio("faster than FastMCP's JWTVerifier", "fastmcp", "gatehouse", 3),
    Ratio("upstream mode, cost of a bare reverse proxy", "gatehouse, upstream", "reverse proxy", 1.3, at_most=True),
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
"""A ratio with target 0 is only shown for information."""


def main() -> int:
    """Exit code 0 if every ratio reaches its target, else 1."""
    arguments = _arguments()
    began = time.monotonic()
    server_processes.keep_a_processor_for_servers()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, issuer = Path(name), Issuer()
        stack.callback(issuer.close)
        found = _client(arguments, folder, issuer) if arguments.client_rounds else []
        if arguments.rounds:
            found += _servers(arguments, folder, issuer)
    sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")
    return 0 if print_targets(found) else 1


def _client(arguments: argparse.Namespace, folder: Path, issuer: Issuer) -> list[Seen]:
    """Measure the client's commands."""
    with server_processes.gatehouse(arguments.server, issuer.url, folder / "gatehouse.log") as server:
        url = f"http://127.0.0.1:{server.port}/mcp"
        processes = client_processes.measure(
            arguments.client, url, issuer.url, issuer.token(), folder, arguments.client_rounds
        )
    print_costs("CPU time of a whole process, in ms", {name: process.cpu for name, process in processes.items()})
    print_costs("wall time of a whole process, in ms", {name: process.wall for name, process in processes.items()})
    return print_ratios(client_processes.RATIOS, {name: process.cpu for name, process in processes.items()})


def _servers(arguments: argparse.Namespace, folder: Path, issuer: Issuer) -> list[Seen]:
    """Measure the servers."""
    ratios = [ratio for ratio in RATIOS if arguments.only in ratio.name]
    needed = {name for ratio in ratios for name in (ratio.of, ratio.to)}
    loads = {name: load for name, load in _loads(arguments, folder, issuer).items() if name in needed}
    for number in range(STARTS):
        asyncio.run(_measure(list(loads.values()), arguments.rounds // STARTS, f"start {number + 1} of {STARTS}"))
    sys.stderr.write("\n")
    costs = {load.name: load.costs for load in loads.values()}
    print_costs("CPU per request of the server, in us", costs)
    print_costs("memory of the server after the load, in MB", {load.name: load.memory for load in loads.values()})
    return print_ratios(ratios, costs)


async def _measure(loads: list[Load], rounds: int, start: str) -> None:
    with ExitStack() as stack:
        connected = []
        for load, server in [(load, stack.enter_context(load.start())) for load in loads]:
            connections = await load_generator.Connections.to(server.port)
            stack.callback(connections.close)
            await connections.send(load.requests, load.warm_up, load.status)
            connected.append((load, server, connections))
        for number in range(rounds):
            for load, server, connections in random.sample(connected, len(connected)):
                await load.run(server, connections)
            sys.stderr.write(f"\r{start}, round {number + 1} of {rounds} ")
        for load, server, _ in connected:
            load.memory.append(server_processes.resident_megabytes(server.pid))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=120, help="rounds of the servers; 0 measures none")
    parser.add_argument("--client-rounds", type=int, default=20, help="rounds of the client; 0 does not measure it")
    parser.add_argument("--only", default="", metavar="TEXT", help="measure only the ratios of servers with this text")
    parser.add_argument("--client", type=Path, required=True, help="a Python with the packages of the client's image")
    parser.add_argument("--server", type=Path, required=True, help="a Python with the packages of the server's image")
    parser.add_argument("--article", type=Path, required=True, help="a Python with the article's packages")
    parser.add_argument("--fastmcp", type=Path, required=True, help="a Python with FastMCP")
    return parser.parse_args()


def _loads(arguments: argparse.Namespace, folder: Path, issuer: Issuer) -> dict[str, Load]:
    own = arguments.server
    pythons = {"bare": own, "unprotected": own, "article": arguments.article, "fastmcp_jwt": arguments.fastmcp}

    def subject(name: str) -> Callable[[], AbstractContextManager[server_processes.Running]]:
        return lambda: server_processes.subject(name, pythons[name], issuer.url, folder / f"{name}.log")

    def gatehouse() -> AbstractContextManager[server_processes.Running]:
        return server_processes.gatehouse(own, issuer.url, folder / "gatehouse.log")

    def library(app: str) -> Callable[[], AbstractContextManager[server_processes.Running]]:
        return lambda: server_processes.library(app, own, issuer.url, folder / f"library_{app}.log")

    def proxy() -> AbstractContextManager[server_processes.Running]:
        def front(variables: dict[str, str]) -> AbstractContextManager[server_processes.Running]:
            log = folder / "reverse_proxy.log"
            return server_processes.subject("reverse_proxy", own, issuer.url, log, variables)

        return server_processes.behind(front, own, issuer.url, folder)

    def upstream() -> AbstractContextManager[server_processes.Running]:
        def front(variables: dict[str, str]) -> AbstractContextManager[server_processes.Running]:
            return server_processes.gatehouse(own, issuer.url, folder / "upstream_mode.log", variables)

        return server_processes.behind(front, own, issuer.url, folder)

    sys.stderr.write("minting tokens ...")
    token, expired = issuer.token(), issuer.expired_token()
    fresh = always_new(MODERN, [issuer.token() for _ in range(FRESH_TOKENS)])
    loads = [
        Load("bare", subject("bare"), repeated(MODERN, None), 240, 401),
        Load("gatehouse, no token", gatehouse, repeated(MODERN, None), 160, 401),
        Load("gatehouse, expired token", gatehouse, repeated(MODERN, expired), 128, 401),
        Load("unprotected", subject("unprotected"), repeated(MODERN, None), 64),
        Load("gatehouse", gatehouse, repeated(MODERN, token), 64),
        Load("library, unprotected", library("unprotected"), repeated(MODERN, None), 64),
        Load("library", library("protected"), repeated(MODERN, token), 64),
        Load("gatehouse, every token new", gatehouse, fresh, 48, warm_up=FILL_CACHE),
        Load("reverse proxy", proxy, repeated(MODERN, token), 64),
        Load("gatehouse, upstream", upstream, repeated(MODERN, token), 64),
        Load("fastmcp", subject("fastmcp_jwt"), repeated(MODERN, token), 32),
        Load("fastmcp, every token new", subject("fastmcp_jwt"), fresh, 32),
        Load("unprotected (2025-11-25)", subject("unprotected"), repeated(LEGACY, None), 48),
        Load("gatehouse (2025-11-25)", gatehouse, repeated(LEGACY, token), 48),
        Load("article (2025-11-25)", subject("article"), repeated(LEGACY, token), 16),
    ]
    return {load.name: load for load in loads}


if __name__ == "__main__":
    sys.exit(main())
