"""A reverse proxy as a user has it in front: it serves a path prefix, and passes paths on unchanged."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}


@contextlib.contextmanager
def prefix_proxy(port: int, prefix: str, upstream_port: int, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve `prefix` and its RFC 9728 metadata on `port`; anything else is 404.

    With `tls` it serves https on every address of this machine.
    """
    served = (prefix, f"/.well-known/oauth-protected-resource{prefix}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def do_DELETE(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            if not self.path.startswith(served):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = f"http://127.0.0.1:{upstream_port}{self.path}"
            with httpx2.Client(timeout=30, trust_env=False) as client:
                answer = client.request(self.command, url, headers=dict(self.headers.items()), content=body)
            self.send_response(answer.status_code)
            for name, text in answer.headers.multi_items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests read what the stack says."""

    server = ThreadingHTTPServer(("127.0.0.1" if tls is None else "", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
