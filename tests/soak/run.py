"""Load on a stack of three servers while they are killed, replaced and cut off from their tenant. Needs Docker.

    make soak [DO="--short --clients 16"]

Prints a table, and fails if a call is lost that need not be lost:

- a killed server loses only calls that were in flight at that moment, at most one for each client;
- everything else loses none: `make restart` and `make reload` while streams last, a tenant that is down, new keys;
- no call gets the answer to another one or of another caller, and no client is asked to sign in again;
- in quiet times each server has its share of the calls, within 20 %.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.soak.clients import LONG, Call, Client
from tests.soak.stack import REPLICAS, Failed, SoakStack

SHARE = 0.2
"""How far a server's calls may be from the mean."""
OUTLASTING = 4
"""So many clients more have streams that may last from before `make restart` and `make reload` until after them."""
MOMENT = 0.5
"""The seconds after a kill in which the kernel still takes calls for the process that it ends."""


@dataclass(frozen=True)
class Event:
    """Something that happened to the stack. The times are seconds of the monotonic clock."""

    name: str
    began: float
    done: float
    may_lose: bool = False


class Soak:
    """The clients, and the events so far."""

    def __init__(self, stack: SoakStack, clients: list[Client]) -> None:
        self._stack = stack
        self._clients = clients
        self.events: list[Event] = []
        self.unfair: list[str] = []

    async def happens(self, name: str, action: Callable[[], object], then: float, *, may_lose: bool = False) -> None:
        """Do it, and watch the calls for some seconds."""
        print(name, flush=True)
        began = time.monotonic()
        await asyncio.to_thread(action)
        self.events.append(Event(name, began, time.monotonic(), may_lose))
        await asyncio.sleep(max(0.0, then - (time.monotonic() - began)))

    async def quiet(self, seconds: float) -> None:
        """Let the clients call, and compare the servers' shares."""
        await asyncio.to_thread(self._stack.wait_until_all_are_healthy)
        began = time.time()
        await self.happens(f"nothing for {seconds:.0f} s", lambda: time.sleep(seconds), 0)
        counts = await asyncio.to_thread(self._stack.decisions, began, time.time())
        mean = sum(counts.values()) / REPLICAS
        uneven = len(counts) != REPLICAS or any(abs(count - mean) > SHARE * mean for count in counts.values())
        print(f"calls of each server in {seconds:.0f} s: {', '.join(map(str, counts.values()))}", flush=True)
        if uneven or not mean:
            self.unfair.append(f"the servers have {counts}: more than {SHARE:.0%} from the mean")

    async def make(self, command: str) -> None:
        """Run a command of `make` while streams last, and call again on their connections once they have ended."""
        done = asyncio.Event()

        async def outlast(client: Client) -> None:
            while not done.is_set():
                await client.call(LONG)
                await client.call(0)
            client.close()

        waiting = [Client(one.host, one.port, one.subject, one.token) for one in self._clients[:OUTLASTING]]
        self._clients += waiting
        outlasting = asyncio.gather(*(outlast(client) for client in waiting))
        await self.happens(f"make {command}", lambda: self._stack.make(command), 5)
        done.set()
        await outlasting

    async def new_tokens(self) -> None:
        """Rotate the keys, and give each client a token of the new one."""
        await asyncio.to_thread(self._stack.rotate_keys)
        for client in self._clients:
            client.token = await asyncio.to_thread(self._stack.token, client.subject)


async def soak(stack: SoakStack, options: argparse.Namespace) -> int:
    """Run the events under load. Returns the exit code."""
    subjects = [f"auth0|soak-{number}" for number in range(options.clients)]
    clients = [Client("localhost", stack.port, subject, stack.token(subject)) for subject in subjects]
    stop = asyncio.Event()
    running = asyncio.gather(*(client.call_until(stop) for client in clients))
    run = Soak(stack, clients)
    try:
        await run.quiet(options.quiet)
        for number in range(options.kills):
            await run.happens("kill -9", lambda number=number: stack.kill_a_server(number), 10, may_lose=True)
        await run.make("restart")
        began = time.monotonic()
        await run.happens("tenant stops", lambda: stack.compose("stop", "mock-idp"), options.tenant_down)
        await run.happens("tenant starts", stack.start_tenant, 5)
        print(f"the tenant was down for {time.monotonic() - began - 5:.0f} s", flush=True)
        rotated = time.monotonic()
        await run.new_tokens()
        run.events.append(Event("new signing keys", rotated, time.monotonic()))
        await asyncio.sleep(5)
        await run.make("reload")
        await run.quiet(options.quiet)
    finally:
        stop.set()
        await running
    calls = sorted((call for client in clients for call in client.calls), key=lambda call: call.began)
    failed = report(run, calls, options.clients)
    if failed:
        print(f"errors of the gateway: {stack.gateway_errors()}")
    return failed


def report(run: Soak, calls: list[Call], clients: int) -> int:
    """Print the table and what is wrong. Returns the exit code."""
    wrong = list(run.unfair)
    print(f"\n{'event':<24}{'calls':>8}{'lost':>6}{'wrong':>7}{'refused':>9}")
    for number, event in enumerate(run.events):
        end = run.events[number + 1].began if number + 1 < len(run.events) else float("inf")
        during = [call for call in calls if event.began <= call.ended < end]
        fates = Counter(call.fate for call in during)
        print(f"{event.name:<24}{len(during):>8}{fates['lost']:>6}{fates['wrong']:>7}{fates['refused']:>9}")
        for call in during:
            if call.fate == "answered":
                continue
            in_flight = event.may_lose and call.fate == "lost" and call.began <= event.done + MOMENT
            if not in_flight or fates["lost"] > clients:
                after = f"{call.ended - event.began:.2f} s after {event.name!r} began"
                wrong.append(f"{call.fate}, {after}, which took {event.done - event.began:.2f} s: {call.seen}")
    seconds = calls[-1].ended - calls[0].began
    slowest = max(call.ended - call.began for call in calls)
    print(f"\n{len(calls)} calls of {clients} clients in {seconds:.0f} s; the slowest took {slowest:.1f} s")
    for line in wrong[:40]:
        print(line)
    return 1 if wrong else 0


def main() -> int:
    """Start the stack, run the events, remove the stack."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--kills", type=int, default=6, help="one every 10 s")
    parser.add_argument("--tenant-down", type=float, default=30, help="seconds")
    parser.add_argument("--quiet", type=float, default=10, help="seconds without an event, before and after")
    parser.add_argument("--short", action="store_true", help="one of each, in less than 90 s")
    options = parser.parse_args()
    if options.short:
        options.kills, options.tenant_down, options.quiet = 1, 5, 5
    stack = SoakStack.on_free_ports()
    try:
        stack.make("up")
        return asyncio.run(soak(stack, options))
    except Failed as error:
        print(error)
        return 1
    finally:
        stack.remove()


if __name__ == "__main__":
    sys.exit(main())
