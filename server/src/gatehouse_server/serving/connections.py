"""Connections whose request headers are bounded in time and size, and which a stop of the server ends without a loss.

uvicorn itself waits for headers for ever. At a stop it closes idle connections at once, and a request that a proxy
sends on one at that moment is lost: the proxy must not send a POST again (RFC 9112 section 9.5).

uvicorn.run(app, http="gatehouse_server.serving.connections:BoundedHeaders")
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
        drain_seconds: how long a connection stays open for one more request after a stop has begun. It must be longer
            than the proxy in front keeps idle connections, so that the proxy closes those first.
        draining: whether the next answer is the last one of this connection.
    """

    header_seconds = 15.0
    max_header_bytes = 256 * 1024
    drain_seconds = 3.0

    _timer: asyncio.TimerHandle | None = None
    _received = 0
    draining = False

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
        """Stop waiting. While the server stops, the answer says that it is the last one of this connection."""
        self._stop_waiting()
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Begin to end the connection, with `Connection: close` in the next answer. The server's listener is closed."""
        self.draining = True
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(self.drain_seconds, self._end)

    def _end(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

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
