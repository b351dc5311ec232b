"""The server reads a request as another parser of HTTP reads it, or refuses it: h11 reads the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import h11
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from gatehouse_server.serving.connections import BoundedHeaders
from tests.support.fuzzing import fuzz
from tests.support.raw_http import Shapes

SHAPES = Shapes("localhost:5555", "a.b.c")
GOOD = [request for status, request in SHAPES.understood().values()]
ODD = [*SHAPES.refused().values(), *GOOD]
PIECES = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b"\x0b", b":", b",", b";", b"0", b"1", b"a", b"-", b"+", b"\xff"),
    *(
        b"Content-Length: 0\r\n",
        b"Content-Length: 47\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: evil.example\r\n",
    ),
    *(b"0\r\n\r\n", b"HTTP/1.0", b"HTTP/1.1", b"POST /mcp HTTP/1.1\r\n", b"Connection: close\r\n", b"Expect: x\r\n"),
    *(
        b"Connection: Upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"X: y\r\n",
        b"chunked",
        b"gzip, ",
        b"\r\n\r\n",
        b"X: \r\n y\r\n",
    ),
]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["insert", "replace", "cut"]), st.floats(0, 1), st.sampled_from(PIECES)), max_size=3
)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


CONFIG = uvicorn.Config(_nothing, lifespan="off", log_config=None, ws="none", interface="asgi3")
CONFIG.load()


@dataclass(frozen=True)
class Read:
    """A whole request, as a parser read it."""

    method: bytes
    path: bytes
    hosts: tuple[bytes, ...]
    body: bytes


class Recorder(BoundedHeaders):
    """The server's protocol, which keeps the requests and answers none."""

    def __init__(self) -> None:
        super().__init__(CONFIG, ServerState(), {}, MagicMock())
        self.cycles: list[RequestResponseCycle] = []
        self.connection_made(MagicMock(**{"is_closing.return_value": False}))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.cycles.append(self.cycle)

    def _start_asgi_task(self, *_: Any) -> None:
        pass

    def read(self) -> Iterator[Read]:
        for cycle in self.cycles:
            if not cycle.more_body:
                headers = cycle.scope["headers"]
                hosts = tuple(value.strip() for name, value in headers if name == b"host")
                path = cycle.scope["raw_path"]
                query = cycle.scope["query_string"]
                target = path + (b"?" + query if query else b"")
                yield Read(cycle.scope["method"].encode(), target, hosts, bytes(cycle.body))


def as_the_server(data: bytes) -> list[Read]:
    """The requests in the bytes, as the server reads them; no request after one that it refuses."""
    protocol = Recorder()
    protocol.data_received(data)
    protocol.connection_lost(None)
    return list(protocol.read())


def as_h11(data: bytes) -> list[Read]:
    """The requests as h11 reads them. It is given each without blank lines before it, which it refuses."""
    found: list[Read] = []
    try:
        while data := data.lstrip(b"\r\n"):
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            connection.receive_data(data)
            request, body = connection.next_event(), b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += bytes(event.data)
            if not isinstance(request, h11.Request) or not isinstance(event, h11.EndOfMessage):
                break
            hosts = tuple(value for name, value in request.headers if name == b"host")
            found.append(Read(request.method, _path(request.target), hosts, body))
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
            data = connection.trailing_data[0]
    except h11.ProtocolError:
        pass
    return found


def _path(target: bytes) -> bytes:
    """The path and query of a target, also of one in absolute form; a fragment is not part of it."""
    if not target.startswith((b"/", b"*")):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.partition(b"#")[0].removesuffix(b"?")


def changed(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, piece in changes:
        at = int(where * len(data))
        end = at if how == "insert" else at + len(piece)
        data = data[:at] + (b"" if how == "cut" else piece) + data[end:]
    return data


@fuzz(100)
@given(data=st.sampled_from(ODD), changes=CHANGES)
def test_no_request_is_read_that_h11_reads_differently(data: bytes, changes: list[tuple[str, float, bytes]]) -> None:
    sent = changed(data, changes) + SHAPES.hidden
    ours = as_the_server(sent)
    theirs = as_h11(sent)
    assert ours == theirs[: len(ours)], sent


def test_both_parsers_read_the_good_requests() -> None:
    for data in GOOD:
        assert as_the_server(data) == as_h11(data) != []


@pytest.mark.parametrize("data", SHAPES.refused().values(), ids=SHAPES.refused())
def test_a_refused_request_is_not_read(data: bytes) -> None:
    assert as_the_server(data) == []
