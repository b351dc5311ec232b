"""The measured servers, as separate processes."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.free_ports import free_port
from tests.support.processes import running_process
from token_issuer import AUDIENCE

HERE = Path(__file__).parent
SERVER = HERE.parent / "server" / "src"
_SERVERS: set[int] = set()
START_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A running server."""

    pid: int
    port: int


def keep_a_processor_for_servers() -> None:
    """With several processors, give the servers one of their own, so that the sender does not empty its caches."""
    every = sorted(os.sched_getaffinity(0))
    if len(every) > 1:
        os.sched_setaffinity(0, every[:-1])
        _SERVERS.add(every[-1])


@contextmanager
def gatehouse(python: Path, issuer: str, log: Path, more: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The example server as in production, with audit lines: `python -m gatehouse_server`.

    Args:
        more: further variables.
    """
    port = free_port()
    variables = {**_settings(issuer), "MCP_HOST": "127.0.0.1", "MCP_PORT": str(port), **(more or {})}
    with _process([str(python), "-m", "gatehouse_server"], port, log, variables) as running:
        yield running


@contextmanager
def library(app: str, python: Path, issuer: str, log: Path) -> Iterator[Running]:
    """An app of the subject `library` under plain uvicorn. Only idle connections are kept longer than by default."""
    port = free_port()
    options = ["--factory", "--port", str(port), "--timeout-keep-alive", "65"]
    command = [str(python), "-m", "uvicorn", f"library:{app}", "--app-dir", str(HERE / "subjects"), *options]
    with _process(command, port, log, _settings(issuer)) as running:
        yield running


@contextmanager
def subject(
    name: str, python: Path, issuer: str, log: Path, variables: dict[str, str] | None = None
) -> Iterator[Running]:
    """A server from the folder `subjects`, run by that Python."""
    port = free_port()
    command = [str(python), str(HERE / "subjects" / f"{name}.py"), str(port), issuer, AUDIENCE]
    with _process(command, port, log, variables or {}) as running:
        yield running


@contextmanager
def behind(
    front: Callable[[dict[str, str]], AbstractContextManager[Running]], python: Path, issuer: str, folder: Path
) -> Iterator[Running]:
    """A proxy with the subject `upstream` behind it. Only the proxy is measured.

    Args:
        front: the proxy, for these variables.
    """
    table = folder / "permissions.yaml"
    table.write_text("tools: {get_time: []}\n", encoding="utf-8")
    with subject("upstream", python, issuer, folder / "upstream.log") as server:
        url = f"http://127.0.0.1:{server.port}/mcp"
        with front({"UPSTREAM_URL": url, "PERMISSIONS_FILE": str(table)}) as running:
            yield running


@contextmanager
def issuer(command: list[str], port: int, folder: Path, name: str, variables: dict[str, str]) -> Iterator[Running]:
    """A mock issuer that serves on `port`. Its log is `name`.log in `folder`."""
    with _process(command, port, folder / f"{name}.log", variables) as running:
        yield running


def resident_megabytes(pid: int) -> float:
    """The memory of that process in MB, without what is swapped out (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _settings(issuer: str) -> dict[str, str]:
    return {"AUTH0_DOMAIN": "localhost", "AUTH0_ISSUER": issuer, "AUTH0_AUDIENCE": AUDIENCE}


@contextmanager
def _process(command: list[str], port: int, log: Path, variables: dict[str, str]) -> Iterator[Running]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TZ")}
    environment = {**kept, "PYTHONPATH": str(SERVER), **variables}
    with running_process(command, environment, log.parent, log=log) as process:
        if _SERVERS:
            os.sched_setaffinity(process.pid, _SERVERS)
        _wait_for(port, process, log)
        yield Running(process.pid, port)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    raise RuntimeError("\n".join([f"{log.stem} did not start:", *lines]))
