"""The node process that runs Actions: started at the first use, kept for the next, and ended with the tenant."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..formats.parsing import parse_json

RUNNER = Path(__file__).with_name("runner.cjs")
# Auth0 ends the Actions of a flow after 20 seconds (Auth0: Actions Limitations).
LIMIT_SECONDS = 20.0
MEMORY_MB = 128
MAX_ANSWER = 1024 * 1024
OLDEST = 20

# auto: Actions run where node is installed. require: the tenant does not start without node. off: they never run.
Mode = Literal["auto", "require", "off"]


class NodeError(Exception):
    """The process gave no answer. The message says why."""


class Node:
    """Runs Actions, one sign-in after another. Several threads can use it."""

    def __init__(self, mode: Mode = "auto", *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self.mode = mode
        self._limit = limit_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., Any] | None = None

    @cached_property
    def problem(self) -> str:
        """Why Actions cannot run here; empty if they can."""
        if self.mode == "off":
            return "MOCK_IDP_ACTIONS is off"
        if self._program is None:
            return "node is not installed"
        return "" if self._version >= (OLDEST, 0) else f"node is older than version {OLDEST}"

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The runner's answer to a request. NodeError if there is none in time, or if it is too long."""
        # A file's metadata may have dates, which YAML reads without quotes.
        sent = {**request, "limit": int(self._limit * 1000)}
        line = json.dumps(sent, default=str, allow_nan=False).encode() + b"\n"
        with self._lock:
            answer = self._exchange(line)
        try:
            found: dict[str, Any] = parse_json(answer)
        except ValueError as error:
            raise NodeError("the Actions returned values that are not JSON") from error
        return found

    def close(self) -> None:
        """End the process."""
        if self._end is not None:
            self._end()
        self._process = None

    @cached_property
    def _program(self) -> str | None:
        return shutil.which("node")

    @cached_property
    def _version(self) -> tuple[int, int]:
        assert self._program is not None
        try:
            shown = subprocess.run(  # noqa: S603 - node, with fixed arguments
                [self._program, "--version"], env=_environment(), capture_output=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return (0, 0)
        found = re.match(rb"v(\d+)\.(\d+)\.", shown.stdout)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def _exchange(self, line: bytes) -> bytes:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        timed_out = threading.Event()
        deadline = threading.Timer(self._limit, _out_of_time, (process, timed_out))
        deadline.daemon = True
        deadline.start()
        try:
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline(MAX_ANSWER + 1)
        except OSError:
            answer = b""
        finally:
            deadline.cancel()
        if not answer.endswith(b"\n"):
            self.close()
            if len(answer) > MAX_ANSWER:
                raise NodeError(f"the Actions returned more than {MAX_ANSWER} bytes")
            if timed_out.is_set():
                raise NodeError(f"the Actions did not finish in {self._limit:g} seconds")
            raise NodeError(f"the process of the Actions ended; it may have needed more than {MEMORY_MB} MB of memory")
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = self._start()
            self._end = weakref.finalize(self, _ended, self._process)
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        """No variables of this process, no file access, no child processes. Only later versions also close the network.

        The runner is an argument and not a file, so that node needs no right to read anything.
        """
        assert self._program is not None
        permission = "--permission" if self._version >= (24, 0) else "--experimental-permission"
        flags = ("--no-warnings", "--disallow-code-generation-from-strings", f"--max-old-space-size={MEMORY_MB}")
        command = [self._program, permission, *flags, "-e", RUNNER.read_text(encoding="utf-8")]
        return subprocess.Popen(  # noqa: S603 - node, with fixed arguments
            command,
            env=_environment(),
            cwd=Path(self._program).anchor,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def _environment() -> dict[str, str]:
    """Nothing of the tenant's environment, which may have secrets. On Windows no program starts without SYSTEMROOT."""
    return {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}


def _out_of_time(process: subprocess.Popen[bytes], timed_out: threading.Event) -> None:
    timed_out.set()
    process.kill()


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
