"""Connections whose request headers are bounded in time and size. uvicorn itself waits for ever.

uvicorn.run(app, http="gatehouse_server:BoundedHeaders")
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHeaders(HttpToolsProtocol):
    """uvicorn's HTTP protocol. It closes a connection whose request does not begin, or whose headers do not end.

    Attributes:
        header_seconds: the time from the first byte, or from the start of the connection, to the end of the headers.
        max_header_bytes: request line and headers together.
    """

    header_seconds = 15.0
    max_header_bytes = 256 * 1024

    _timer: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Read, and measure what belongs to the headers."""
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_headers()
        super().data_received(data)
        if self._timer is not None:
            self._received += len(data)
            if self._received > self.max_header_bytes:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to wait for the headers of a request that follows another one at once."""
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        if self._timer is None:
            self._received = 0
            self._timer = self.loop.call_later(self.header_seconds, self._refuse, _TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, answer: bytes) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            if self._received:
                self.transport.write(answer)
            self.transport.close()
