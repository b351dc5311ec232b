"""Output for a person: plain lines, with colour only on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator


class Problem(Exception):
    """A problem that a person has to fix. The message says what is wrong and what to do."""


def say(text: str = "") -> None:
    print(text, flush=True)


@contextlib.contextmanager
def progress(text: str, after: float = 0) -> Iterator[None]:
    """Print the text of a step, and a dot each second until the step ends.

    Args:
        text: what the step does.
        after: seconds. A step that ends earlier prints nothing.
    """
    ended = threading.Event()

    def show() -> None:
        # The reader of a pipe may have closed it.
        with contextlib.suppress(OSError):
            if ended.wait(after):
                return
            print(f"  {text} ", end="", flush=True)
            while not ended.wait(1):
                print(".", end="", flush=True)
            say()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def bold(text: str) -> str:
    return _coloured("1", text)


def dim(text: str) -> str:
    return _coloured("2", text)


def coloured() -> bool:
    """Whether the output goes to a terminal and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _coloured(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if coloured() else text
