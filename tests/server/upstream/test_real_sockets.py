"""The gate and an upstream as HTTP servers: FastMCP verifies assertions, and a call ends with its connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier  # noqa: F401 - the page's expression has this name
from fastmcp.server.dependencies import get_access_token

from tests.server.protected_server import headers_of, message
from tests.server.token_issuer import RESOURCE, Issuer
from tests.server.upstream.guarded import gate_app
from tests.support.documents import the_block
from tests.support.processes import TLS
from tests.support.serve_in_thread import listening_socket, serve_in_thread

WAITING, CANCELLED = threading.Event(), threading.Event()


def fastmcp_server(gate: str, own: str) -> FastMCP[None]:
    """A server that lets only the gate in, and knows its callers by the gate's assertions."""
    page = the_block("docs/upstream.md", "Who asks", "python")
    verifier = eval(page.replace("http://localhost:5555", gate).replace("http://127.0.0.1:8000/mcp", own))
    mcp: FastMCP[None] = FastMCP("tools", auth=verifier)

    @mcp.tool
    async def who() -> str:
        token = get_access_token()
        assert token is not None
        return f"{token.claims['sub']} {token.client_id} {' '.join(token.scopes)}"

    @mcp.tool
    async def wait() -> str:
        WAITING.set()
        try:
            await asyncio.Event().wait()
        finally:
            CANCELLED.set()
        return ""

    return mcp


@pytest.fixture
def gate(issuer: Issuer, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URLs of the gate and of the upstream."""
    with listening_socket() as front, listening_socket() as back:
        origin = f"http://localhost:{front.getsockname()[1]}"
        own = f"http://127.0.0.1:{back.getsockname()[1]}/mcp"
        app = gate_app(
            None,
            issuer,
            tmp_path,
            table={"tools": {"who": [], "wait": []}},
            variables={"MCP_PUBLIC_URL": f"{origin}/mcp", "AUTH0_AUDIENCE": RESOURCE},
            UPSTREAM_URL=own,
            UPSTREAM_IDENTITY="bearer",
        )
        upstream = fastmcp_server(origin, own).http_app(path="/mcp", stateless_http=True)
        with serve_in_thread(upstream, back), serve_in_thread(app, front):
            yield f"{origin}/mcp", own


def call(url: str, token: str | None, name: str) -> httpx2.Response:
    body = message("tools/call", {"name": name, "arguments": {}})
    return httpx2.post(url, json=body, headers=headers_of(body, "legacy", token), verify=TLS, timeout=30)


def test_fastmcp_knows_the_caller_by_the_gates_assertion_and_nobody_else(gate: tuple[str, str], issuer: Issuer) -> None:
    url, own = gate
    for _ in range(3):  # the connection to the upstream is used again
        answer = call(url, issuer.token(scope="access:mcp shop:admin"), "who")
        assert answer.status_code == 200, answer.text
        assert "auth0|alice agent access:mcp shop:admin" in answer.text
    assert call(own, None, "who").status_code == 401
    assert call(own, issuer.token(), "who").status_code == 401
    listed = httpx2.get(url.removesuffix("/mcp") + "/readyz", verify=TLS)
    assert listed.json() == {"status": "ready"}


def test_a_call_ends_at_the_upstream_when_the_clients_connection_ends(gate: tuple[str, str], issuer: Issuer) -> None:
    WAITING.clear()
    CANCELLED.clear()
    body = message("tools/call", {"name": "wait", "arguments": {}})
    headers = headers_of(body, "legacy", issuer.token())
    with (
        httpx2.Client(verify=TLS, timeout=30) as client,
        client.stream("POST", gate[0], json=body, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert WAITING.wait(20)
        assert not CANCELLED.is_set()
    assert CANCELLED.wait(20)


def test_an_upstream_that_is_down_is_an_error_and_the_gate_goes_on(issuer: Issuer, tmp_path: Path) -> None:
    with listening_socket() as closed:
        port = closed.getsockname()[1]
    with listening_socket() as front:
        origin = f"http://localhost:{front.getsockname()[1]}"
        variables = {"MCP_PUBLIC_URL": f"{origin}/mcp", "AUTH0_AUDIENCE": RESOURCE}
        app = gate_app(None, issuer, tmp_path, variables=variables, UPSTREAM_URL=f"http://127.0.0.1:{port}/mcp")
        with serve_in_thread(app, front):
            for _ in range(2):
                answer = call(f"{origin}/mcp", issuer.token(), "open")
                assert (answer.status_code, answer.json()["id"]) == (502, 1)
                assert answer.json()["error"]["message"] == "The server behind the gate cannot be reached."
                assert str(port) not in answer.text
            assert httpx2.get(f"{origin}/readyz", verify=TLS).status_code == 503
            assert httpx2.get(f"{origin}/livez", verify=TLS).status_code == 200


@contextmanager
def raw_upstream(reply: bytes) -> Iterator[str]:
    """A server that sends these bytes to every request, and closes the connection."""

    def answer(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

    with listening_socket() as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: "
REPLIES: dict[str, tuple[bytes, int | None]] = {
    "nothing": (b"", 502),
    "no HTTP": (b"hello\r\n\r\n", 502),
    "a head without end": (OK + b"application/json\r\n", 502),
    "JSON that ends early": (OK + b'application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"', None),
    "chunks that end early": (OK + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:", None),
    "two lengths": (OK + b"application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 502),
    "a head that is too long": (OK + b"application/json\r\nX: " + b"x" * 200_000 + b"\r\n\r\n{}", 502),
    "a switch to another protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_broken_answer_is_an_error_or_visibly_incomplete(issuer: Issuer, tmp_path: Path, name: str) -> None:
    reply, status = REPLIES[name]
    with raw_upstream(reply) as own, listening_socket() as front:
        origin = f"http://localhost:{front.getsockname()[1]}"
        variables = {"MCP_PUBLIC_URL": f"{origin}/mcp", "AUTH0_AUDIENCE": RESOURCE}
        app = gate_app(None, issuer, tmp_path, variables=variables, UPSTREAM_URL=own)
        with serve_in_thread(app, front):
            if status is None:
                with pytest.raises(httpx2.RemoteProtocolError):
                    call(f"{origin}/mcp", issuer.token(), "open")
            else:
                answer = call(f"{origin}/mcp", issuer.token(), "open")
                assert (answer.status_code, answer.json()["id"]) == (status, 1)
