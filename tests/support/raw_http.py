"""HTTP as bytes: requests that two programs could read differently, which no client library would send.

Sources: RFC 9112 sections 2.3, 3, 5, 6 and 7; J. Kettle, HTTP Desync Attacks.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.processes import TLS

SECONDS = 10
SMUGGLED = "smuggled"
"""The X-Request-Id of the request that is hidden behind the first one. An answer to it repeats the id."""
LAST = "the-last-one"
"""The X-Request-Id of the request at the end, after which the server closes the connection."""
BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)


@dataclass(frozen=True)
class Shapes:
    """Requests to an MCP server.

    Attributes:
        host: its Host.
        token: a good token, so that only the shape can be the reason for a refusal.
    """

    host: str
    token: str

    def request(self, *headers: bytes, line: bytes = b"POST /mcp HTTP/1.1", body: bytes = BODY) -> bytes:
        """A request with these headers, each with its own end of line."""
        common = (
            f"Host: {self.host}\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
        )
        return line + b"\r\n" + common.encode() + b"".join(headers) + b"\r\n" + body

    def without_token(self, request_id: str, *headers: bytes) -> bytes:
        """A request that is answered with 401, and with its id."""
        text = f"POST /mcp HTTP/1.1\r\nHost: {self.host}\r\nX-Request-Id: {request_id}\r\nContent-Length: 0\r\n"
        return text.encode() + b"".join(headers) + b"\r\n"

    @property
    def hidden(self) -> bytes:
        return self.without_token(SMUGGLED)

    @property
    def last(self) -> bytes:
        return self.without_token(LAST, b"Connection: close\r\n")

    def refused(self) -> dict[str, bytes]:
        """Requests that have no meaning, or two. A server must answer 400 and close the connection."""
        host = self.host.encode()
        chunks = chunk(BODY)
        return {
            "both lengths": self.request(LENGTH, CHUNKED, body=chunks),
            "both lengths, the other one first": self.request(CHUNKED, LENGTH, body=chunks),
            "a length within the chunks": self.request(b"Content-Length: 4\r\n", CHUNKED, body=chunks),
            "two lengths": self.request(LENGTH, b"Content-Length: 0\r\n"),
            "a list of lengths": self.request(LENGTH.replace(b"\r\n", b", 0\r\n")),
            "a length with a sign": self.request(LENGTH.replace(b": ", b": +")),
            "a negative length": self.request(b"Content-Length: -1\r\n"),
            "a hexadecimal length": self.request(b"Content-Length: 0x2f\r\n"),
            "a length with a blank": self.request(b"Content-Length: 1 0\r\n"),
            "a length that is empty": self.request(b"Content-Length:\r\n"),
            "a length that is too large to count": self.request(b"Content-Length: 99999999999999999999999\r\n"),
            "identity and a length": self.request(b"Transfer-Encoding: identity\r\n", LENGTH),
            "an unknown coding and a length": self.request(b"Transfer-Encoding: xchunked\r\n", LENGTH, body=chunks),
            "chunked before identity": self.request(b"Transfer-Encoding: chunked, identity\r\n", body=chunks),
            "gzip before chunked": self.request(b"Transfer-Encoding: gzip, chunked\r\n", body=chunks),
            "chunked and identity": self.request(CHUNKED, b"Transfer-Encoding: identity\r\n", body=chunks),
            "chunked twice": self.request(CHUNKED, CHUNKED, body=chunks),
            "a blank before the colon": self.request(b"Transfer-Encoding : chunked\r\n", LENGTH, body=chunks),
            "a vertical tab": self.request(b"Transfer-Encoding:\x0bchunked\r\n", LENGTH, body=chunks),
            "a folded line": self.request(b"Transfer-Encoding:\r\n chunked\r\n", LENGTH, body=chunks),
            "a coding in quotes": self.request(b'Transfer-Encoding: "chunked"\r\n', LENGTH, body=chunks),
            "chunks in HTTP/1.0": self.request(CHUNKED, line=b"POST /mcp HTTP/1.0", body=chunks),
            "lines that end in LF": self.request(LENGTH).replace(b"\r\n", b"\n"),
            "one line that ends in LF": self.request(LENGTH, b"X: y\n"),
            "a CR inside a line": self.request(b"X: a\rContent-Length: 0\r\n", LENGTH),
            "a null character": self.request(b"X: a\x00b\r\n", LENGTH),
            "a line without a colon": self.request(b"X\r\n", LENGTH),
            "a first line that is folded": self.request(LENGTH).replace(b"Host:", b" Host:", 1),
            "a chunk with a line break in its extension": self.request(CHUNKED, body=chunk(BODY, b';a="\n"')),
            "a chunk whose line ends in LF": self.request(CHUNKED, body=chunks.replace(b"\r\n", b"\n")),
            "a chunk with 0x": self.request(CHUNKED, body=b"0x" + chunks),
            "a chunk with a minus": self.request(CHUNKED, body=b"-" + chunks),
            "a chunk that is too large to count": self.request(CHUNKED, body=b"1000000000000000" + chunks),
            "a chunk that is longer than it says": self.request(CHUNKED, body=b"1\r\n" + BODY + b"\r\n0\r\n\r\n"),
            "no host": self.request(LENGTH).replace(b"Host: " + host + b"\r\n", b""),
            "two hosts": self.request(b"Host: evil.example.com\r\n", LENGTH),
            "a host with userinfo": self.request(LENGTH).replace(host, host + b"@evil.example.com", 1),
            "two hosts in one line": self.request(LENGTH).replace(host, host + b", evil.example.com", 1),
            "a target at another host": self.request(LENGTH, line=b"POST http://evil.example.com/mcp HTTP/1.1"),
            "a target with userinfo": self.request(LENGTH, line=b"POST http://x@" + host + b"/mcp HTTP/1.1"),
            "a target with a blank": self.request(LENGTH, line=b"POST /mcp x HTTP/1.1"),
            "tabs in the first line": self.request(LENGTH, line=b"POST\t/mcp\tHTTP/1.1"),
            "no version": b"GET /mcp\r\n\r\n",
            "HTTP/2.0": self.request(LENGTH, line=b"POST /mcp HTTP/2.0"),
            "HTTP/1.2": self.request(LENGTH, line=b"POST /mcp HTTP/1.2"),
            "the version in small letters": self.request(LENGTH, line=b"POST /mcp http/1.1"),
            "the method in small letters": self.request(LENGTH, line=b"post /mcp HTTP/1.1"),
            "a tunnel": self.request(line=b"CONNECT " + host + b" HTTP/1.1", body=b""),
        }

    def understood(self) -> dict[str, tuple[int, bytes]]:
        """Unusual requests with one meaning: the status of the answer, and the request."""
        chunks = chunk(BODY)
        without = self.request(CHUNKED, body=chunks[:-2]).replace(b"Authorization: ", b"X-Nothing: ")
        late = f"Authorization: Bearer {self.token}\r\n\r\n".encode()
        return {
            "chunks": (200, self.request(CHUNKED, body=chunks)),
            "chunks in capitals": (200, self.request(b"TRANSFER-ENCODING: Chunked\r\n", body=chunks)),
            "a length with zeros": (200, self.request(LENGTH.replace(b": ", b": 000"))),
            "a header that looks like a length": (200, self.request(b"Content_Length: 0\r\n", LENGTH)),
            "blank lines before": (200, b"\r\n\r\n" + self.request(LENGTH)),
            "a token after the body": (401, without + late),
            "a length after the body": (200, self.request(CHUNKED, body=chunks[:-2] + b"X-Length: 0\r\n\r\n")),
            "a method in a header": (
                405,
                self.request(b"X-HTTP-Method-Override: POST\r\n", line=b"GET /mcp HTTP/1.1", body=b""),
            ),
            "a path that leads up": (404, self.request(LENGTH, line=b"POST /x/..;/mcp HTTP/1.1")),
        }


def chunk(body: bytes, extension: bytes = b"") -> bytes:
    """The body as one chunk (RFC 9112 section 7.1)."""
    return b"%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body)


def raw(origin: str, data: bytes) -> bytes:
    """Send the bytes over one connection. Returns what comes until the other side closes it, or is silent."""
    url = urlsplit(origin)
    received = b""
    default = 443 if url.scheme == "https" else 80
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(
            socket.create_connection((url.hostname or "", url.port or default), timeout=SECONDS)
        )
        if url.scheme == "https":
            connection = opened.enter_context(TLS.wrap_socket(connection, server_hostname=url.hostname))
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                received += piece
        except OSError:  # silence, or an end without a farewell
            pass
    return received


def statuses(answer: bytes) -> list[int]:
    """The status codes of the answers on a connection, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]
