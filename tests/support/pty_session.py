"""Runs a command on a pseudo terminal: reads its output and types into it."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.quick_python import QuickPopen

CTRL_C = "\x03"
CTRL_D = "\x04"
SECONDS = 120

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class PtySession:
    """A running command.

    Attributes:
        raw: its whole output.
        encoding: of its output and input.
    """

    process: subprocess.Popen[bytes]
    terminal: int
    raw: str = ""
    encoding: str = "utf-8"
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self.encoding)("replace")

    @property
    def text(self) -> str:
        """The output without colours and cursor movements."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def until(self, expected: str) -> str:
        """Wait until new output contains `expected`. Returns the new output up to its end."""
        deadline = time.monotonic() + SECONDS
        while expected not in self.text[self._seen :]:
            assert self._read(deadline), f"{expected!r} was not shown, but:\n{self.text}"
        end = self.text.index(expected, self._seen) + len(expected)
        shown, self._seen = self.text[self._seen : end], end
        return shown

    def type(self, text: str) -> None:
        """Type a line, or a control character."""
        os.write(self.terminal, text.encode() if text in (CTRL_C, CTRL_D) else f"{text}\n".encode(self.encoding))

    def press(self, keys: str) -> None:
        """Send these characters and no others. A program that reads each key takes `\\r` for Enter."""
        os.write(self.terminal, keys.encode(self.encoding))

    def end(self) -> int:
        """Wait until the command ends. Returns its exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(timeout=SECONDS)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"no output for a long time, after:\n{self.text}"
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # On Linux this means that the other end is closed
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)


@contextmanager
def on_terminal(command: list[str], encoding: str = "utf-8", **options: Any) -> Iterator[PtySession]:
    """Run `command` on a terminal of its own, which has the size of COLUMNS and LINES in its environment."""
    ours, theirs = pty.openpty()
    variables = options.get("env") or {}
    size = (int(variables.get("LINES", 24)), int(variables.get("COLUMNS", 80)))
    termios.tcsetwinsize(theirs, size)
    process = QuickPopen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_control, **options
    )
    os.close(theirs)
    try:
        yield PtySession(process, ours, encoding=encoding)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(timeout=SECONDS)


def _control() -> None:
    """Make this the controlling terminal, so that its Ctrl-C reaches the process."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
