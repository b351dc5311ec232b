"""Listening sockets, and the message if there can be none."""

from __future__ import annotations

import socket

import pytest

from gatehouse_server.serving.listening import CannotListen, listening_sockets


def test_each_address_of_the_host_is_bound_to_the_port() -> None:
    sockets = listening_sockets("127.0.0.1", 0)
    assert [listener.getsockname()[0] for listener in sockets] == ["127.0.0.1"]
    for listener in sockets:
        listener.close()


def test_a_port_in_use_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as refused:
            listening_sockets("127.0.0.1", port)
    assert str(refused.value) == (
        f"Port {port} is in use: stop the other program, or set MCP_PORT (and MCP_PUBLIC_URL) to a free port."
    )


def test_a_port_that_is_free_at_one_address_only_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in ("127.0.0.1", "127.0.0.2")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **options: both)
        with pytest.raises(CannotListen, match=f"Port {port} is in use"):
            listening_sockets("localhost", port)
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["no host", "a..b", "127.0.0.1:5555", "http://localhost"])
def test_what_is_no_host_is_named_with_its_variable(host: str) -> None:
    with pytest.raises(CannotListen) as refused:
        listening_sockets(host, 0)
    assert str(refused.value).startswith(f"MCP_HOST is {host!r}: it is not a host name or address (")


def test_an_address_of_another_machine_is_refused_with_what_to_set() -> None:
    with pytest.raises(CannotListen) as refused:
        listening_sockets("192.0.2.1", 0)  # for documents: no machine has it (RFC 5737)
    assert str(refused.value).startswith("Cannot listen on 192.0.2.1:0: ")
    assert str(refused.value).endswith("Set MCP_HOST and MCP_PORT to an address of this machine.")
