"""The listener that the tenant redirects the browser to (RFC 8252 section 7.3). It takes one answer."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import anyio
import h11
from anyio.abc import SocketStream

from ...errors import ConfigurationError, SignInDenied, SignInError
from ...foreign_text import foreign
from ..protocol.authorization import UnexpectedCallback
from . import pages
from .pages import Page

REQUEST_TIMEOUT: Final = 10.0  # seconds; browsers open connections that they never use
_MAX_REQUEST: Final = 32 * 1024  # bytes
_NO_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)

Answer = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class CallbackAddress:
    """The address of the callback.

    Attributes:
        uri: the redirect URI. The listener uses only its path.
        host: the address to listen on; None is the loopback addresses.
        port: the port to listen on. It can differ from the URI's port if a container publishes another port.
    """

    uri: str
    port: int
    host: str | None = None


@dataclass
class CallbackListener:
    """Waits for the one answer that `read` accepts.

    Attributes:
        read: returns the code of a request's query. It raises `UnexpectedCallback` for a request to ignore, and a
            `SignInError` to end the wait.
    """

    address: CallbackAddress
    read: Callable[[Answer], str]
    _done: anyio.Event = field(default_factory=anyio.Event, init=False)
    _outcome: str | SignInError | None = field(default=None, init=False, repr=False)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Listen in this context.

        Raises:
            ConfigurationError: the port is in use, or the address cannot be used.
        """
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(one) for one in await _listeners(self.address)]
            tasks = await stack.enter_async_context(anyio.create_task_group())
            for listener in listeners:
                tasks.start_soon(listener.serve, self._serve)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 - the end of the wait is no error
        """Wait for the answer, for at most `timeout` seconds."""
        with anyio.move_on_after(timeout):
            await self._done.wait()

    def code(self) -> str:
        """The authorization code of the answer.

        Raises:
            SignInError: no answer came, or it was refused.
        """
        if self._outcome is None:
            raise SignInError(
                f"Nobody signed in within the time limit: no answer came to {self.address.uri}. Run the command again."
                " If you did sign in, the answer did not reach this machine: use `gatehouse login --paste`. If the"
                " browser showed an error of the tenant: run `gatehouse doctor`."
            )
        if isinstance(self._outcome, SignInError):
            raise self._outcome
        return self._outcome

    def offer(self, answer: Answer) -> bool:
        """Take an answer that the person pasted; False if there is already an answer.

        Raises:
            UnexpectedCallback: it is not the answer to this sign-in.
        """
        if self._outcome is not None:
            return False
        try:
            self._outcome = self.read(answer)
        except SignInError as error:
            self._outcome = error
        self._done.set()
        return True

    def give_up(self) -> None:
        """End the wait, because no answer can come."""
        self._done.set()

    async def _serve(self, stream: SocketStream) -> None:
        async with stream:
            with anyio.move_on_after(REQUEST_TIMEOUT):
                try:
                    await self._exchange(stream)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError, h11.ProtocolError):
                    return  # the browser closed the connection, or the program is not a browser

    async def _exchange(self, stream: SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_REQUEST)
        request = await _request(connection, stream)
        if request is None:
            return
        waiting = self._outcome is None
        page, detail = self._page(request)
        try:
            await _reply(connection, stream, page, page.html(detail))
        finally:
            # The page must be sent first: the end of the wait closes all connections.
            if waiting and self._outcome is not None:
                self._done.set()

    def _page(self, request: h11.Request) -> tuple[Page, str]:
        target = urlsplit(request.target.decode("ascii", "replace"))
        if request.method != b"GET" or target.path != (urlsplit(self.address.uri).path or "/"):
            return pages.NOT_FOUND, ""
        if self._outcome is not None:
            return pages.UNEXPECTED, ""
        try:
            self._outcome = self.read(parse_qsl(target.query, keep_blank_values=True))
        except UnexpectedCallback:
            return pages.UNEXPECTED, ""
        except SignInDenied as denied:
            self._outcome = denied
            return pages.DENIED, str(denied)
        except SignInError as failed:
            self._outcome = failed
            return pages.FAILED, str(failed)
        return pages.SUCCESS, ""


def query_of(text: str) -> Answer:
    """The query of a pasted URL, or of a part of it."""
    _, mark, query = text.partition("?")
    return parse_qsl((query if mark else text).partition("#")[0], keep_blank_values=True)


async def _request(connection: h11.Connection, stream: SocketStream) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            return None


async def _reply(connection: h11.Connection, stream: SocketStream, page: Page, body: bytes) -> None:
    headers = [*pages.HEADERS.items(), ("Content-Length", str(len(body))), ("Connection", "close")]
    reason = HTTPStatus(page.status).phrase.encode()
    response = h11.Response(status_code=page.status, headers=headers, reason=reason)
    for event in (response, h11.Data(data=body), h11.EndOfMessage()):
        await stream.send(connection.send(event) or b"")
    await stream.send_eof()


async def _listeners(address: CallbackAddress) -> list[anyio.abc.Listener[SocketStream]]:
    """Listeners on both loopback addresses (browsers use either for `localhost`), or on the configured address."""
    loopback = ["127.0.0.1", "::1"] if socket.has_ipv6 else ["127.0.0.1"]
    listeners: list[anyio.abc.Listener[SocketStream]] = []
    for host in loopback if address.host is None else [address.host]:
        try:
            listeners.append(await anyio.create_tcp_listener(local_host=host, local_port=address.port))
        except OSError as error:
            # The resolver refuses even the literal address if no interface has IPv6, as in many containers.
            if listeners and (error.errno in _NO_IPV6 or isinstance(error, socket.gaierror)):
                break
            for listener in listeners:
                await listener.aclose()
            raise _cannot_listen(host, address.port, error) from error
    return listeners


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {port}, which the sign-in's callback needs, is taken by another program (on macOS often AirPlay"
            " Receiver). Stop that program, or set OAUTH_CALLBACK_PORT and OAUTH_CALLBACK_URI to another port and add"
            " that URI to the application's Allowed Callback URLs."
        )
    return ConfigurationError(
        f"The sign-in's callback cannot listen on {host} port {port}: {foreign(str(error))}. Check"
        " OAUTH_CALLBACK_HOST and OAUTH_CALLBACK_PORT."
    )
