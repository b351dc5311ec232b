"""`python -m MODULE` as a process of its own that starts in a few milliseconds.

The process is a fork of one that has imported what the programs load (`fork_server.py`). No module of the project reads
the environment when it is imported, so each process still has its own. Only a test of the start itself, such as one of
what a command loads, needs `subprocess`.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

SERVER = Path(__file__).with_name("fork_server.py")
# Python reads them before it runs anything.
READ_AT_START = ("PYTHONWARNINGS",)
RUN = f"{os.environ.get('PYTEST_XDIST_TESTRUNUID') or uuid4().hex}-{os.getppid()}"
"""The run of pytest. Its workers share the fork servers. Programs that they start have the variable, not the parent."""
_lock = threading.Lock()


def run(command: Sequence[str], *, timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """Like `subprocess.run` with `capture_output` and `text`. Its standard input is empty.

    Raises:
        subprocess.TimeoutExpired: the program did not end in so many seconds.
    """
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with QuickPopen(command, text=True, **pipes, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class QuickPopen(subprocess.Popen[Any]):
    """`subprocess.Popen` of `[sys.executable, "-m", module, ...]`. In a new session, a terminal is its controlling one.

    It is a usual process for other commands, on systems other than Linux, and with a variable that Python reads when it
    starts.
    """

    _status: socket.socket | None = None

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any, *rest: Any
    ) -> None:
        environment = dict(os.environ if env is None else env)
        usual = sys.platform != "linux" or any(name in environment for name in READ_AT_START)
        if usual or list(args[:2]) != [sys.executable, "-m"]:
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)
            return
        module, *arguments = map(str, args[2:])
        pipes = rest[3:9]
        streams = [given if given != -1 else number for number, given in enumerate((pipes[0], pipes[3], pipes[5]))]
        request = {
            "module": module,
            "arguments": arguments,
            "environment": environment,
            "folder": str(cwd or Path.cwd()),
            "session": bool(rest[-2]),
        }
        self._status, theirs = socket.socketpair()
        with theirs, _lock:
            of_provider = ":" in environment.get("MODEL", "")
            socket.send_fds(
                _fork_server("models" if of_provider else ""),
                [json.dumps(request).encode()],
                [*streams, theirs.fileno()],
            )
        self.pid = self._told()
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _internal_poll(self, *args: Any, **options: Any) -> int | None:
        if self._status is None:
            return super()._internal_poll(*args, **options)
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                pid, state = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(state)
            finally:
                self._waitpid_lock.release()
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._status is None:
            return super()._try_wait(wait_flags)
        if wait_flags & os.WNOHANG and not select.select([self._status], [], [], 0)[0]:
            return 0, 0
        state = self._told()
        self._status.close()
        return self.pid, state

    def _told(self) -> int:
        """The next number from the fork server: first the process id, at the end the state, as of `os.waitpid`."""
        assert self._status is not None
        number: int = struct.unpack("i", self._status.recv(4))[0]
        return number


@cache
def _fork_server(kind: str) -> socket.socket:
    """A connection to the fork server of that kind, which is started if no worker of this run has started it.

    The one for the models is a fork of the plain one.
    """
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    address = f"\0gatehouse-tests-{RUN}-{kind}".encode()  # abstract: nothing to remove, no long path
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        while ours.connect_ex(address):
            try:
                listening.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue  # another worker starts it
            listening.listen()
            ours.connect(address)
            if kind:
                socket.send_fds(_fork_server(""), [kind.encode()], [listening.fileno()])
            else:
                atexit.register(_start(listening).wait)
            break
    atexit.register(ours.close)  # before the wait, because the last to be registered is the first to be called
    return ours


def _start(listening: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", SERVER, str(listening.fileno())]
    usual = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH")}
    apart: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True}
    return subprocess.Popen(command, pass_fds=[listening.fileno()], env=usual, cwd=SERVER.parent, **apart)
