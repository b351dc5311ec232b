"""Request bodies: read once with limits, handed on unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any

from starlette.types import Message, Receive


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class ClientGone(Exception):
    """The client went away while it was sending."""


async def read_body(receive: Receive, *, most: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: it has more than `most` bytes.
        BodyTooSlow: it took longer than `seconds`.
        ClientGone: the connection ended.
    """
    begun = _Begun(receive())
    try:
        if begun.message is None:
            async with asyncio.timeout(seconds):
                begun.message = await begun
    except TimeoutError:
        raise BodyTooSlow from None
    first = _checked(begun.message)
    if not first.get("more_body"):
        whole: bytes = first.get("body", b"")
        if len(whole) > most:
            raise BodyTooLarge
        return whole
    parts = bytearray(first.get("body", b""))
    try:
        async with asyncio.timeout(seconds):
            while len(parts) <= most:
                message = _checked(await receive())
                parts += message.get("body", b"")
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise BodyTooSlow from None
    if len(parts) > most:
        raise BodyTooLarge
    return bytes(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive channel that gives the body again, and then whatever comes after it (a disconnect)."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _checked(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


class _Begun:
    """What has run up to its first wait, or to its end: nearly always the body is there already, and what need not
    be waited for needs no timer.
    """

    def __init__(self, awaitable: Awaitable[Message]) -> None:
        self.message: Message | None = None
        self._rest = awaitable.__await__()
        try:
            self._waits_for = next(self._rest)
        except StopIteration as end:
            self.message = end.value

    def __await__(self) -> Generator[Any, Any, Message]:
        try:
            yield self._waits_for
            return (yield from self._rest)
        finally:
            self._rest.close()
