"""What a person reads: plain lines, colour only on a terminal."""

from __future__ import annotations

import os
import sys


class Problem(Exception):
    """Something that a person has to fix. The message is one clear line (or a few) that says how."""


def say(text: str = "") -> None:
    print(text, flush=True)


def bold(text: str) -> str:
    return _coloured("1", text)


def dim(text: str) -> str:
    return _coloured("2", text)


def coloured() -> bool:
    """Whether the person reads on a terminal and has not asked for plain text."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _coloured(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if coloured() else text
