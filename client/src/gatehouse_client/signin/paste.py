"""Reading a line that the person pastes, in a way that can be given up when the answer comes elsewhere."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Awaitable, Callable

import anyio
from anyio import to_thread

ReadLine = Callable[[], Awaitable[str | None]]
"""Reads a line without its end and surrounding space; None at the end of the input."""

_MAX_LINE = 16 * 1024


async def read_stdin_line() -> str | None:
    """A line of standard input. What comes after it is left there for others to read."""
    try:
        descriptor = sys.stdin.fileno()
    except (io.UnsupportedOperation, ValueError):
        return _without_end(await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True))
    if not await _is_waitable(descriptor):
        return _without_end(await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True))
    line = bytearray()
    while len(line) < _MAX_LINE:
        await anyio.wait_readable(descriptor)
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\n"):
            return None if not byte and not line else line.decode("utf-8", "replace").strip()
        line += byte
    return ""


async def _is_waitable(descriptor: int) -> bool:
    """Whether the event loop can wait for it: a terminal or a pipe; not a file, nor a console of Windows."""
    with anyio.move_on_after(0):
        try:
            await anyio.wait_readable(descriptor)
        except (OSError, NotImplementedError, ValueError):
            return False
    return True


def _without_end(line: str) -> str | None:
    return line.strip() if line else None
