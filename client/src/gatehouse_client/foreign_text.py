"""Text that another party chose (a server, a tenant, a model): what it may be in each place that it reaches.

Control characters can steer a terminal. Format characters are invisible or change the order of the text (bidirectional
controls), and tag characters carry hidden text to a model. No place gets them. URLs that a browser opens are checked
in `signin.http.urls`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

# Unicode categories Cc; Cf with the reserved tag characters; Zl and Zp; Cs.
_CONTROLS: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_FORMATS: Final = (
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f\ud800-\udfff"
)
_CONTROL: Final = re.compile(f"[{_CONTROLS}]+")
_CONTROL_IN_LINES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]+")
_FORMAT: Final = re.compile(f"[{_FORMATS}]+")
_NOT_IN_JSON: Final = re.compile(f"(?!\n)[{_CONTROLS}{_FORMATS}]")
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]{0,127}")
_NOT_IN_COMPLETION: Final = re.compile(r"[^\w .,/-]+")
_NOT_IN_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9.-]+")


def foreign(text: str, limit: int = 300) -> str:
    """The text for a message or a log: one line of at most `limit` characters."""
    line = " ".join(_CONTROL.sub(" ", _FORMAT.sub("", text)).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def printable(text: str) -> str:
    """The text for a terminal or a model, with its newlines and tabs. Other control characters become U+FFFD."""
    return _CONTROL_IN_LINES.sub("\N{REPLACEMENT CHARACTER}", _FORMAT.sub("", text))


def cleaned(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """A JSON value with each text, also each name, as `printable`: for a model."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [cleaned(each) for each in value]
    if isinstance(value, dict):
        return {cleaned(name): cleaned(each) for name, each in value.items()}
    return value


def json_text(value: object, indent: int | None = None) -> str:
    """The value as JSON for a program or a terminal. Control and format characters are escaped, so nothing is lost."""
    return _NOT_IN_JSON.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=indent))


def completable(name: str) -> bool:
    """Whether a shell may complete the name: it has only the characters of MCP tool names and is no option.

    A shell puts a completed name on the command line without quotes.
    """
    return _TOOL_NAME.fullmatch(name) is not None


def beside_completion(text: str) -> str:
    """A description beside a completed name. Some shells evaluate it, so it has no quotes, `$`, backslashes etc."""
    return foreign(_NOT_IN_COMPLETION.sub(" ", _FORMAT.sub("", text)), 80)


def in_file_name(text: str) -> str:
    """The readable part of a file name."""
    return _NOT_IN_FILE_NAME.sub("_", text).strip("_.")[:60]


def _escaped(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]
