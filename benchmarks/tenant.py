"""The offline tenant beside other mock issuers: tokens, key sets and sign-ins per second, start and memory.

`make bench DO=tenant` runs it. One client sends its requests one after the other on a connection that is kept open, to
all issuers in interleaved rounds. A ratio above 1 means that the offline tenant is ahead. Ratios are computed within
each round; the result is the median of the rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import server_processes
from issuers import Auth0Simulator, Connection, Issuer, MockIdp, NanoIdp, OidcProviderMock
from tests.support.free_ports import free_port

Run = Callable[[Issuer, Connection], object]

START, MEMORY = "start to ready, ms", "memory after the load, MB"
RATES: dict[str, tuple[Run, int]] = {
    "machine tokens per second": (lambda issuer, connection: issuer.machine_token(connection), 20),
    "key sets per second": (lambda issuer, connection: connection.get(issuer.keys), 60),
    "sign-ins per second": (lambda issuer, connection: _sign_in(issuer, connection), 6),
}
"""What is measured as a rate, and how many make one round."""
WARM_UP = 5
STARTS = 4

Figures = dict[str, dict[str, list[float]]]
"""By row and name of the issuer: one figure for each round."""


def main() -> int:
    """Exit code 0 if the offline tenant is ahead in every row, else 1."""
    arguments = _arguments()
    began = time.monotonic()
    server_processes.keep_a_processor_for_servers()
    figures: Figures = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        pairs = _pairs(arguments, Path(folder))
        issuers = list(dict.fromkeys(issuer for pair in pairs for issuer in pair))
        for number in range(STARTS):
            for issuer in random.sample(issuers, len(issuers)):
                _measure_start(issuer, Path(folder), figures)
            sys.stderr.write(f"\rstart {number + 1} of {STARTS} ")
        with ExitStack() as stack:
            _measure_rates(issuers, arguments.rounds, Path(folder), stack, figures)
    sys.stderr.write(f"\r{arguments.rounds} rounds in {time.monotonic() - began:.0f} s\n")
    return 0 if _print(pairs, figures) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench DO=tenant", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--tenant", type=Path, required=True, help="a Python with the packages of the tenant's image")
    parser.add_argument("--issuers", type=Path, required=True, help="a Python with the other issuers")
    parser.add_argument("--node", help="the command node, for @simulacrum/auth0-simulator")
    parser.add_argument("--modules", type=Path, help="the node_modules with @simulacrum/auth0-simulator")
    return parser.parse_args()


def _pairs(arguments: argparse.Namespace, folder: Path) -> list[tuple[Issuer, Issuer]]:
    """The offline tenant and an issuer that it is compared with, both over http or both over https."""

    def home(name: str) -> Path:
        made = folder / name
        made.mkdir()
        return made

    source = Path(__file__).parents[1] / "mock-idp" / "src"
    plain = MockIdp(arguments.tenant, source, home("plain"))
    pairs: list[tuple[Issuer, Issuer]] = [
        (plain, OidcProviderMock(arguments.issuers)),
        (plain, NanoIdp(arguments.issuers, home("nanoidp"))),
    ]
    if arguments.node and arguments.modules:
        simulator = Auth0Simulator(arguments.node, arguments.modules, home("simulator"), arguments.tenant, source)
        pairs.append((MockIdp(arguments.tenant, source, home("secure"), secure=True), simulator))
    return pairs


def _measure_start(issuer: Issuer, folder: Path, figures: Figures) -> None:
    """From the start of the process to the first key set.

    The first start is not counted: it makes what the issuer keeps, such as keys and compiled pages.
    """
    port = free_port()
    began = time.perf_counter()
    with server_processes.issuer(issuer.command(port), port, folder, issuer.name, issuer.variables(port)):
        connection = Connection(port, issuer.authority)
        connection.get(issuer.keys)
        took = time.perf_counter() - began
        if issuer.name not in figures["starts"]:
            issuer.sign_in(connection)
        connection.close()
    if issuer.name in figures["starts"]:
        figures[START][issuer.name].append(took * 1000)
    figures["starts"][issuer.name].append(took)


def _measure_rates(issuers: list[Issuer], rounds: int, folder: Path, stack: ExitStack, figures: Figures) -> None:
    running = []
    for issuer in issuers:
        port = free_port()
        command, variables = issuer.command(port), issuer.variables(port)
        process = stack.enter_context(server_processes.issuer(command, port, folder, issuer.name, variables))
        connection = Connection(port, issuer.authority)
        stack.callback(connection.close)
        for row, (run, _) in RATES.items():
            try:
                for _ in range(WARM_UP):
                    run(issuer, connection)
            except NotImplementedError:
                continue
            running.append((row, issuer, connection))
        figures["processes"][issuer.name] = [process.pid]
    for number in range(rounds):
        for row, issuer, connection in random.sample(running, len(running)):
            run, count = RATES[row]
            connection.reopen()
            began = time.perf_counter()
            for _ in range(count):
                run(issuer, connection)
            figures[row][issuer.name].append(count / (time.perf_counter() - began))
        sys.stderr.write(f"\rround {number + 1} of {rounds} ")
    for issuer in issuers:
        pid = int(figures["processes"][issuer.name][0])
        figures[MEMORY][issuer.name].append(server_processes.resident_megabytes(pid))


def _sign_in(issuer: Issuer, connection: Connection) -> None:
    connection.forget_cookies()
    issuer.sign_in(connection)


def _print(pairs: list[tuple[Issuer, Issuer]], figures: Figures) -> bool:
    print(f"\n{'':<28}{'':<26}{'offline tenant':>16}{'other':>10}{'ratio':>8}{'middle half':>16}")
    ahead = True
    for row in (*RATES, START, MEMORY):
        for tenant, other in pairs:
            of, to = figures[row][tenant.name], figures[row][other.name]
            if not to:
                print(f"{row:<28}{other.name:<26}{statistics.median(of):>16.0f}{'-':>10}")
                continue
            smaller_is_better = row in (START, MEMORY)
            rounds = [two / one if smaller_is_better else one / two for one, two in zip(of, to, strict=True)]
            ratio = statistics.median(rounds)
            low, _, high = statistics.quantiles(rounds, n=4) if len(rounds) > 1 else (ratio, ratio, ratio)
            verdict = "ok" if ratio > 1 else "BEHIND"
            ahead = ahead and ratio > 1
            medians = f"{statistics.median(of):>16.0f}{statistics.median(to):>10.0f}"
            print(f"{row:<28}{other.name:<26}{medians}{ratio:>8.2f}{f'{low:.2f} - {high:.2f}':>16} {verdict}")
    return ahead


if __name__ == "__main__":
    sys.exit(main())
