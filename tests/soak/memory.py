"""Memory of gateway, server and tenant over many calls, each with another token. Needs Docker.

    make soak DO="memory --calls 100000"

Each call has a new token of a new subject. Caches fill during the first half; the second half must not need more memory
than the first half and `SLACK_MB`: a leak of 80 bytes in each of 100,000 calls is more than that.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import sys
from collections.abc import Iterator

import httpx2

from tests.soak.clients import Client
from tests.soak.stack import Failed, SoakStack

CLIENTS = 16
SAMPLES = 10
SLACK_MB = 4.0
SERVICES = ("gateway", "server", "mock-idp")


async def call(stack: SoakStack, client: Client, numbers: Iterator[int], most: int, http: httpx2.AsyncClient) -> None:
    """Call with a new token each time, until the numbers reach `most`.

    Raises:
        Failed: a call was not answered.
    """
    for number in numbers:
        if number >= most:
            return
        client.subject = f"auth0|memory-{number}"
        client.token = await stack.token_by(http, client.subject)
        # With an odd number the answer states the subject.
        if await client.call(2 * number + 1) != "answered":
            raise Failed(f"call {number} was {client.calls[-1].fate}: {client.calls[-1].seen}")


async def measure(stack: SoakStack, calls: int) -> dict[str, list[float]]:
    """The memory of each service in megabytes, after each tenth of the calls."""
    clients = [Client("localhost", stack.port, "", "") for _ in range(CLIENTS)]
    memory: dict[str, list[float]] = {service: [] for service in SERVICES}
    print("".join(f"{name:>12}" for name in ("calls", *SERVICES)), flush=True)
    async with httpx2.AsyncClient(timeout=30) as http:
        for part in range(1, SAMPLES + 1):
            most = calls * part // SAMPLES
            # Each client takes one number too many, so every part begins again where the last one ended.
            numbers = itertools.count(calls * (part - 1) // SAMPLES)
            await asyncio.gather(*(call(stack, client, numbers, most, http) for client in clients))
            for service in SERVICES:
                memory[service].append(await asyncio.to_thread(resident_megabytes, stack, service))
            print("".join([f"{most:>12}", *(f"{memory[name][-1]:>9.1f} MB" for name in SERVICES)]), flush=True)
    return memory


def resident_megabytes(stack: SoakStack, service: str) -> float:
    """The resident memory of the largest process in the service's container."""
    status = stack.compose("exec", "-T", service, "sh", "-c", "cat /proc/[0-9]*/status")
    return max(int(size) for size in re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)) / 1024


def main() -> int:
    """Start a stack with one server, send the calls, compare, remove the stack."""
    parser = argparse.ArgumentParser(prog="make soak DO=memory", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    stack = SoakStack.on_free_ports(replicas=1)
    try:
        stack.make("up")
        memory = asyncio.run(measure(stack, options.calls))
    except Failed as error:
        print(error)
        return 1
    finally:
        stack.remove()
    half = SAMPLES // 2
    growing = [name for name, seen in memory.items() if max(seen[half:]) > max(seen[:half]) + SLACK_MB]
    for name in growing:
        print(f"{name} needs more memory with each call.")
    return 1 if growing else 0


if __name__ == "__main__":
    sys.exit(main())
