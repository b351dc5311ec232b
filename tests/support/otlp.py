"""A receiver of OpenTelemetry traces over OTLP/HTTP, which records them."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """A received span. Ids are in hex; the parent of a first span is empty."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


def the_only(spans: list[Span], service: str, name: str) -> Span:
    """The span of that service with that name. There must be one."""
    (found,) = (span for span in spans if (span.service, span.name) == (service, name))
    return found


def ancestors(span: Span, spans: list[Span]) -> list[Span]:
    """The span, its parent, and so on."""
    by_id = {each.id: each for each in spans}
    chain = [span]
    while chain[-1].parent:
        chain.append(by_id[chain[-1].parent])
    return chain


class Receiver(ThreadingHTTPServer):
    """Records the requests: path and body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self) -> list[bytes]:
        """The bodies of all requests with traces."""
        return [body for path, body in self.received if path == "/v1/traces"]

    def spans(self) -> list[Span]:
        """All spans, in the order in which they were received."""
        found = []
        for body in self.bodies():
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
                found += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]
        return found


def _span(service: str, span: object) -> Span:
    attributes = {each.key: each.value.string_value for each in span.attributes}  # type: ignore[attr-defined]
    ids = span.trace_id, span.span_id, span.parent_span_id  # type: ignore[attr-defined]
    trace, own, parent = (each.hex() for each in ids)
    return Span(service, span.name, trace, own, parent, attributes)  # type: ignore[attr-defined]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A running receiver."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
