"""Output for a person: plain lines, with colour only on a terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Iterator


class Problem(Exception):
    """A problem that a person has to fix. The message says what is wrong and what to do."""


def say(text: str = "") -> None:
    """Print a text. On a terminal, lines that are not indented break between words."""
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and "\x1b" not in text:
        text = "\n".join(line if line.startswith(" ") else _broken(line, width) for line in text.split("\n"))
    print(text, flush=True)


def _broken(line: str, width: int) -> str:
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


@contextlib.contextmanager
def progress(text: str, after: float = 0) -> Iterator[None]:
    """Print the text of a step, and until it ends its seconds; where there is no terminal, a dot for each second.

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
            terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
            *before, last = (
                textwrap.wrap(f"{text} ...", shutil.get_terminal_size().columns - 10) if terminal else [text]
            )
            for line in before:
                say(f"  {line}")
            print(f"  {last} ", end="", flush=True)
            began = time.monotonic()
            while not ended.wait(1):
                shown = f"\r  {last} {time.monotonic() - began:.0f} s" if terminal else "."
                print(shown, end="", flush=True)
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
    """Whether the output goes to a terminal that can show colours, and NO_COLOR is not set (no-color.org)."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def _coloured(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if coloured() else text
