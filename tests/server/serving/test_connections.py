"""Connections whose request headers never end, or never begin."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse

from gatehouse_server.serving.connections import BoundedHeaders
from tests.support.serve_in_thread import listening_socket, serve_in_thread


class Impatient(BoundedHeaders):
    header_seconds = 0.2


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with listening_socket() as listener, serve_in_thread(PlainTextResponse("hello"), listener, http=Impatient):
        yield listener.getsockname()[:2]


def answer_to(address: tuple[str, int], *parts: bytes) -> bytes:
    """Everything that the server sends until it closes the connection."""
    with socket.create_connection(address, timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(
    "parts",
    [
        [b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n"],
        [b"POST"],
        [b"GET / HTTP/1.1\r\nx: "],
    ],
    ids=str,
)
def test_headers_that_never_end_are_answered_408_and_the_connection_is_closed(
    address: tuple[str, int], parts: list[bytes]
) -> None:
    assert answer_to(address, *parts).startswith(b"HTTP/1.1 408 ")


def test_a_connection_without_a_request_is_closed(address: tuple[str, int]) -> None:
    assert answer_to(address) == b""


def test_blank_lines_do_not_keep_a_connection_open(address: tuple[str, int]) -> None:
    assert answer_to(address, b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_second_request_on_the_connection_is_also_bounded(address: tuple[str, int]) -> None:
    answers = answer_to(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n")
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_headers_that_are_too_large_are_refused(address: tuple[str, int]) -> None:
    line = b"x: " + b"y" * 8000 + b"\r\n"
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for _ in range(100):
                connection.sendall(line)
            assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed while this client was still sending


def test_a_whole_request_is_answered(address: tuple[str, int]) -> None:
    answer = answer_to(address, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello")
