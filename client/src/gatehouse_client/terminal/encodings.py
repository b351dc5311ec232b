"""Output on streams that are not UTF-8, such as a pipe on Windows: a character without a code is replaced, and is no
error."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Final

_ERRORS: Final = "gatehouse-substitute"
_SUBSTITUTES: Final = str.maketrans(
    {"✓": "v", "✗": "x", "·": "-", "…": "...", "→": "->", "←": "<-", "–": "-", "—": "-", "“": '"', "”": '"', "’": "'"}
)
"""ASCII forms of the characters that the program itself uses."""


def replace_unknown_characters() -> None:
    """Let the standard streams replace characters that their encoding does not have, in place of raising."""
    codecs.register_error(_ERRORS, _substituted)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")


def is_encodable(text: str) -> bool:
    """Whether standard output has a code for each character."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _substituted(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_SUBSTITUTES)
    return text.encode("ascii", "replace").decode("ascii"), error.end
