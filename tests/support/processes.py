"""Runs programs as processes of their own: to their end, or in the background until they answer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.support.quick_python import QuickPopen

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 15
TLS = httpx2.create_ssl_context()
"""One TLS context for all requests. Without it, each request reads the system's certificates again, which is slow."""
SETTING_PREFIXES = (
    "AUTH0_",
    "MCP_",
    "MOCK_",
    "METRICS_",
    "OTEL_",
    "TRUSTED_",
    "REQUEST_STATE_",
    "REQUIRED_",
    "GRANT_",
    "EXCHANGE_",
)


def environment_without_settings(*more_prefixes: str) -> dict[str, str]:
    """The environment of this process without variables that configure the server or the offline tenant.

    Args:
        more_prefixes: prefixes of further variables to leave out.
    """
    prefixes = (*SETTING_PREFIXES, *more_prefixes)
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def run_program(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """The finished program with its output, whatever its exit code is.

    Args:
        folder: the working directory.
        environment: all of its variables.
        seconds: after this time the program is killed.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextmanager
def running_process(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, *, log: Path, output: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in `folder` until the end of the context.

    Args:
        log: the file that standard error is appended to.
        output: the file that standard output is appended to; without it, `log`.
    """
    with log.open("ab") as errors, (output or log).open("ab") as out:
        process = QuickPopen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_status(url: str, status: int, process: subprocess.Popen[bytes] | None = None) -> httpx2.Response:
    """Wait until the URL answers with the status.

    Raises:
        AssertionError: the URL did not answer with it in time, or the process ended.
    """
    deadline = time.monotonic() + START_SECONDS
    seen: object = None
    while time.monotonic() < deadline:
        assert process is None or process.poll() is None, f"the process ended with exit code {process.poll()}"
        try:
            answer = httpx2.get(url, verify=TLS)
            if answer.status_code == status:
                return answer
            seen = answer.status_code
        except httpx2.TransportError as error:
            seen = error
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer {status} in {START_SECONDS} s, but {seen}")
