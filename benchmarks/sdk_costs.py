"""What the MCP SDK's own parts cost in one authorised call: CPU time with a part and without it.

`make bench DO=sdk` runs it. One process calls ASGI apps without a network, in turns. A cost is the median, over the
rounds, of the difference within a round. `--profile` prints where the time of one app goes instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import pstats
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest.mock import patch

import mcp_types.methods
import uvloop
from fastmcp import FastMCP
from mcp.server import runner
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message

from gatehouse_server import Settings, protect
from gatehouse_server.adapters import direct, internals, sdk
from load_generator import SECONDS
from ratios import Ratio, print_ratios, print_targets
from requests_sent import LEGACY, MODERN, repeated
from subjects.time_answer import Time
from token_issuer import AUDIENCE, Issuer

WARM_UP = 200
CALLS = 40
"""Calls of each app in one round."""


class OnlyTheSdk(direct.DirectEntry):
    """Leaves every request to the SDK's HTTP entry."""

    async def answer(self, *_: object) -> bool:
        """Do nothing."""
        return False


class AlwaysCleaned(direct._Connection):
    """Always closes the stack of what is cleaned up after the request, as the SDK does."""

    is_used = True


@dataclass
class App:
    """An app, the request that it gets, and its CPU time per call in microseconds, by round.

    Attributes:
        patches: what is different in this app, while it starts and while it is called.
        fastmcp: the server is FastMCP's instead of the SDK's.
    """

    name: str
    era: str = MODERN
    patches: tuple[Any, ...] = ()
    protected: bool = True
    fastmcp: bool = False
    costs: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def changed(self) -> Iterator[None]:
        """Apply the patches."""
        with contextlib.ExitStack() as stack:
            for each in self.patches:
                stack.enter_context(each)
            yield


def _entry() -> AbstractContextManager[Any]:
    return patch.object(sdk, "DirectEntry", OnlyTheSdk)


AS_IT_IS, OLDER = "2026-07-28: as it is", "2025-11-25: as it is"
ENTRY, OLDER_ENTRY = "2026-07-28: through the SDK's HTTP entry", "2025-11-25: through the SDK's HTTP entry"
GIVEN_BACK = [
    App(ENTRY, MODERN, (_entry(),)),
    App(OLDER_ENTRY, LEGACY, (_entry(),)),
    App("with a span for each message", MODERN, (patch.object(internals, "without_spans", list),)),
    App(
        "with the clean-up of a connection that nobody used",
        MODERN,
        (patch.object(direct, "_Connection", AlwaysCleaned),),
    ),
]
"""Parts that Gatehouse leaves out."""
TAKEN_AWAY = [
    App(
        "without validating the request by the revision's schema",
        MODERN,
        (patch.object(mcp_types.methods, "validate_client_request", lambda *_: None),),
    ),
    App(
        "without a validation of the parameters only for _meta",
        MODERN,
        (patch.object(runner, "_extract_meta", lambda params: params["_meta"]),),
    ),
    App(
        "without validating and copying the result by the schema",
        MODERN,
        (patch.object(mcp_types.methods, "serialize_server_result", lambda _method, _version, data: data),),
    ),
    App(
        "without a deep copy of the server's name for each answer",
        MODERN,
        (patch.object(Server, "server_info_stamp", Server._server_info_stamp_source),),
    ),
]
"""Parts of the SDK's kernel. Its public API has no way around them."""
RATIOS = (
    Ratio("2026-07-28: relative to the SDK's HTTP entry", AS_IT_IS, ENTRY, 0.8, at_most=True),
    Ratio("2025-11-25: relative to the SDK's HTTP entry", OLDER, OLDER_ENTRY, 0.8, at_most=True),
    Ratio("2026-07-28: relative to the unprotected app", AS_IT_IS, "2026-07-28: unprotected"),
    Ratio("2025-11-25: relative to the unprotected app", OLDER, "2025-11-25: unprotected"),
    Ratio("FastMCP: relative to the unprotected app", "FastMCP: as it is", "FastMCP: unprotected"),
)


def main() -> int:
    """Exit code 0 if every ratio reaches its target, else 1."""
    parser = argparse.ArgumentParser(prog="make bench DO=sdk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--profile", metavar="APP", help=f"such as {AS_IT_IS!r}")
    arguments = parser.parse_args()
    apps = [
        App("2026-07-28: unprotected", MODERN, protected=False),
        App("2025-11-25: unprotected", LEGACY, protected=False),
        App(AS_IT_IS),
        App(OLDER, LEGACY),
        *GIVEN_BACK,
        *TAKEN_AWAY,
        App("FastMCP: unprotected", protected=False, fastmcp=True),
        App("FastMCP: as it is", fastmcp=True),
    ]
    issuer = Issuer()
    try:
        uvloop.run(_measure(apps, issuer, arguments.rounds, arguments.profile))
    finally:
        issuer.close()
    return 0 if arguments.profile or _print(apps) else 1


async def _measure(apps: list[App], issuer: Issuer, rounds: int, profiled: str | None) -> None:
    calls = {}
    async with AsyncExitStack() as stack:
        for app in apps:
            with app.changed():
                served = _built(app, issuer)
                await stack.enter_async_context(served.router.lifespan_context(served))
                calls[app.name] = _Calls(served, next(repeated(app.era, issuer.token() if app.protected else None)))
                await calls[app.name].make(WARM_UP)
        if profiled:
            with cProfile.Profile() as profile:
                await calls[profiled].make(10 * WARM_UP)
            pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
            return
        for number in range(rounds):
            for app in random.sample(apps, len(apps)):
                with app.changed():
                    app.costs.append(await calls[app.name].make(CALLS))
            sys.stderr.write(f"\rround {number + 1} of {rounds} ")
        sys.stderr.write("\n")


def _built(app: App, issuer: Issuer) -> Starlette:
    async def get_time() -> Time:
        """Tell what time it is now."""
        return Time.of(datetime.now().astimezone())

    mcp: Any = FastMCP("costs") if app.fastmcp else MCPServer("costs", log_level="WARNING")
    mcp.tool()(get_time)
    if not app.protected:
        made: Starlette = (mcp.http_app if app.fastmcp else mcp.streamable_http_app)(
            json_response=True, stateless_http=True
        )
        return made
    settings = {"AUTH0_DOMAIN": "localhost", "AUTH0_ISSUER": issuer.url, "AUTH0_AUDIENCE": AUDIENCE}
    return protect(mcp, Settings.model_validate(settings), trail=lambda _: None)


class _Calls:
    """Calls an app with the same request.

    Args:
        request: as on the wire.
    """

    def __init__(self, app: ASGIApp, request: bytes) -> None:
        head, _, self._body = request.partition(b"\r\n\r\n")
        pairs = (line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self._headers = [(name.lower(), value) for name, value in pairs]
        self._app = app

    async def make(self, count: int) -> float:
        """CPU time of one call, in microseconds."""
        began = time.process_time()
        for _ in range(count):
            await self._call()
        return (time.process_time() - began) / count * 1e6

    async def _call(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "root_path": "",
            "query_string": b"",
            "headers": self._headers.copy(),
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 5555),
        }
        unread, status = [self._body], 0

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            await asyncio.sleep(SECONDS)
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        await self._app(scope, receive, send)
        if status != 200:
            raise RuntimeError(f"the app answered {status}")


def _print(apps: list[App]) -> bool:
    costs = {app.name: app.costs for app in apps}
    print(f"\n{'CPU per call, in us':<62}{'median':>8}{'min':>8}{'the part':>10}{'share':>7}")
    for app in apps:
        base = costs[AS_IT_IS if app.era == MODERN else OLDER]
        part = abs(statistics.median(one - other for one, other in zip(app.costs, base, strict=True)))
        whole = statistics.median(base if app in TAKEN_AWAY else app.costs)
        shown = f"{part:>10.0f}{part / whole:>7.0%}" if app in GIVEN_BACK + TAKEN_AWAY else ""
        print(f"{app.name:<62}{statistics.median(app.costs):>8.0f}{min(app.costs):>8.0f}{shown}")
    return print_targets(print_ratios(RATIOS, costs))


if __name__ == "__main__":
    sys.exit(main())
