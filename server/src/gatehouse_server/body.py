"""Request bodies: read once with limits, handed on unchanged."""

from __future__ import annotations

import asyncio

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
    first = await _next(receive, seconds)
    if not first.get("more_body"):
        whole: bytes = first.get("body", b"")
        if len(whole) > most:
            raise BodyTooLarge
        return whole
    parts = bytearray(first.get("body", b""))
    try:
        async with asyncio.timeout(seconds):
            while len(parts) <= most:
                message = await _checked(receive)
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


async def _next(receive: Receive, seconds: float) -> Message:
    try:
        async with asyncio.timeout(seconds):
            return await _checked(receive)
    except TimeoutError:
        raise BodyTooSlow from None


async def _checked(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message
