"""Server-sent events, read and written so that every client reads the same events as the gate.

Source: WHATWG HTML, "Server-sent events", sections 9.2.5 (the stream) and 9.2.6 (interpretation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_FIELDS = ("id", "event", "retry")
_BOM = b"\xef\xbb\xbf"


class BadStream(Exception):
    """The stream is not one of events, or an event is too long. The message says what is wrong, without its content."""


@dataclass(frozen=True)
class Event:
    """One event, or a comment, which only keeps the connection open.

    Attributes:
        data: None for an event without data.
        others: the values of `id`, `event` and `retry`, where it has them.
    """

    data: str | None
    others: Mapping[str, str] = field(default_factory=dict)

    def written(self, data: str | None) -> bytes:
        """The event with this data, in its one canonical form. Unknown fields and comments are left out."""
        lines = [f"{name}: {value}" for name, value in self.others.items()]
        if data is not None:
            lines += [f"data: {line}" for line in data.split("\n")]
        return "\n".join([*lines, "", ""]).encode("utf-8") if lines else b":\n\n"


class EventReader:
    """Reads the events of one stream.

    Args:
        max_bytes: of one event. The reader has it in memory.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._waiting = b""
        self._lines: list[str] = []
        self._size = 0
        self._is_first = True
        self._is_after_cr = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with this chunk. What the stream's end leaves incomplete is no event.

        Raises:
            BadStream: it is not UTF-8, or an event is too long.
        """
        if not chunk:
            return
        self._waiting += chunk.removeprefix(b"\n") if self._is_after_cr else chunk
        self._is_after_cr = chunk.endswith(b"\r")  # it has ended a line: a following LF belongs to it
        if self._is_first and len(self._waiting) < len(_BOM):
            return
        if self._is_first:
            self._waiting, self._is_first = self._waiting.removeprefix(_BOM), False
        *lines, self._waiting = self._waiting.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._count(len(line))
            if line:
                self._lines.append(_text(line))
            elif self._lines:
                yield _event(self._lines)
                self._lines, self._size = [], 0
        if self._size + len(self._waiting) > self._max:
            raise BadStream("an event of its stream is too long")

    def _count(self, length: int) -> None:
        self._size += length
        if self._size > self._max:
            raise BadStream("an event of its stream is too long")


def _event(lines: list[str]) -> Event:
    others: dict[str, str] = {}
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in _FIELDS:
            others[name] = value
    return Event("\n".join(data) if data else None, others)


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadStream("its stream is not UTF-8") from error
