"""Output for a person: plain lines, with colour only on a terminal."""

from __future__ import annotations

import os
import sys


class Problem(Exception):
    """A problem that a person has to fix. The message says what is wrong and what to do."""


def say(text: str = "") -> None:
    print(text, flush=True)


def bold(text: str) -> str:
    return _coloured("1", text)


def dim(text: str) -> str:
    return _coloured("2", text)


def coloured() -> bool:
    """Whether the output goes to a terminal and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _coloured(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if coloured() else text
