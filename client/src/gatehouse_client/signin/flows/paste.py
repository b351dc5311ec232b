"""Reading a line from the person. The reading can be cancelled when the answer comes by the callback."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

ReadLine = Callable[[], Awaitable[str | None]]
"""Reads a line without surrounding space and line end; None at the end of the input."""

_MAX_LINE = 16 * 1024


async def read_stdin_line() -> str | None:
    """A line of standard input. Nothing after the line is read."""
    try:
        descriptor = sys.stdin.fileno()
    except (io.UnsupportedOperation, ValueError):
        return await _read_in_thread()
    if not await _is_waitable(descriptor):
        return await _read_in_thread()
    line = bytearray()
    while len(line) < _MAX_LINE:
        await anyio.wait_readable(descriptor)
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\n"):
            return None if not byte and not line else line.decode(sys.stdin.encoding or "utf-8", "replace").strip()
        line += byte
    return ""


async def _is_waitable(descriptor: int) -> bool:
    """Whether the event loop can wait for it. It can for a terminal or a pipe, not for a file or a Windows console."""
    with anyio.move_on_after(0):
        try:
            await anyio.wait_readable(descriptor)
        except (OSError, NotImplementedError, ValueError):
            return False
    return True


async def _read_in_thread() -> str | None:
    """Read a line in a daemon thread. When cancelled, the thread continues, but the program does not wait for it."""
    token, done, lines = current_token(), anyio.Event(), list[str]()

    def run() -> None:
        lines.append(sys.stdin.readline())
        with suppress(RuntimeError):  # the event loop may have ended since
            from_thread.run_sync(done.set, token=token)

    threading.Thread(target=run, name="paste", daemon=True).start()
    await done.wait()
    return lines[0].strip() if lines[0] else None
