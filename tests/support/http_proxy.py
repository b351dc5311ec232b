"""A small HTTP proxy on loopback: CONNECT (RFC 9110 section 9.3.6) and plain requests in absolute form."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


@dataclass
class HttpProxy:
    """A running proxy. Every host name leads to this machine.

    Attributes:
        refuse: the status with which it refuses CONNECT; None passes on.
        asked: what it was asked for, such as `CONNECT tenant.test:443`.
        credentials: the `Proxy-Authorization` of each request.
    """

    url: str = ""
    refuse: int | None = None
    asked: list[str] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)


@contextmanager
def http_proxy() -> Iterator[HttpProxy]:
    """A proxy on a free port, until the end of the context."""
    proxy = HttpProxy()

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self._note(f"CONNECT {self.path}")
            if proxy.refuse is not None:
                self.send_error(proxy.refuse)
                return
            with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as upstream:
                self.send_response(200, "Connection established")
                self.end_headers()
                _tunnel(self.connection, upstream)

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            self._note(f"{self.command} {self.path}")
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
            with closing(http.client.HTTPConnection("127.0.0.1", target.port or 80)) as upstream:
                upstream.request(self.command, target._replace(scheme="", netloc="").geturl(), body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def _note(self, request: str) -> None:
            proxy.asked.append(request)
            proxy.credentials.append(self.headers.get("Proxy-Authorization"))

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    """Copy bytes in both directions until one side closes."""
    peers = {one: other, other: one}
    while True:
        readable, _, _ = select.select(list(peers), [], [], 30)
        if not readable:
            return
        for side in readable:
            data = side.recv(65536)
            if not data:
                return
            peers[side].sendall(data)
