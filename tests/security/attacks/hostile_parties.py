"""What an attacker runs against an agent: an MCP server and a tenant that answer anything, and record what they get."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = tuple[int, dict[str, str], bytes]
RESOURCE = "/.well-known/oauth-protected-resource/mcp"
ISSUER = "/.well-known/oauth-authorization-server"


def document(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def redirect(url: str) -> Answer:
    return 302, {"Location": url}, b""


@dataclass
class HostileParty:
    """A web server on a free port.

    Attributes:
        answers: what it answers, by path: a function of the request's URL with its query. Other paths are 404.
        received: method, path with query, headers and body of each request.
    """

    origin: str = ""
    answers: dict[str, Callable[[str], Answer]] = field(default_factory=dict)
    received: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def mcp_url(self) -> str:
        return f"{self.origin}/mcp"

    @property
    def issuer(self) -> str:
        return f"{self.origin}/"

    def everything(self) -> str:
        """All that anybody ever sent to it, as one text."""
        return "\n".join(
            f"{method} {path} {headers} {body.decode('utf-8', 'replace')}"
            for method, path, headers, body in self.received
        )

    def paths(self, method: str) -> list[str]:
        return [urlsplit(path).path for sent, path, _, _ in self.received if sent == method]

    def challenges(self, metadata: str | None = None, scope: str = "access:mcp") -> None:
        """Be an MCP server that asks for a sign-in, and that names this party as its authorization server."""
        url = metadata or f"{self.origin}{RESOURCE}"
        header = {"WWW-Authenticate": f'Bearer resource_metadata="{url}", scope="{scope}"'}
        self.answers["/mcp"] = lambda _: (401, header, b"")
        self.answers[RESOURCE] = lambda _: document({"resource": self.mcp_url, "authorization_servers": [self.issuer]})

    def metadata(self, **changes: object) -> dict[str, object]:
        """The metadata of a tenant that looks right, changed. None leaves a member out."""
        right = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "registration_endpoint": f"{self.origin}/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
            **changes,
        }
        return {name: value for name, value in right.items() if value is not None}


@contextlib.contextmanager
def hostile_party() -> Iterator[HostileParty]:
    """A party that answers nothing yet."""
    party = HostileParty()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            party.received.append((self.command, self.path, dict(self.headers), body))
            answer = party.answers.get(urlsplit(self.path).path, lambda _: (404, {}, b""))
            status, headers, content = answer(self.path)
            with contextlib.suppress(ConnectionError):  # the agent does not read an answer that is too large
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        party.origin = f"http://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield party
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def slow_party() -> Iterator[str]:
    """A server that sends an endless document, a blank at a time. Yields its URL."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                while not ended.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            ended.set()
            server.shutdown()
            thread.join()
