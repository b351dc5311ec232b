"""Traces: sent only if a standard variable is set; a span for each request, in the trace that its header names."""

from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from gatehouse_server.auth.audit import AuditRecord
from gatehouse_server.serving import telemetry
from gatehouse_server.serving.telemetry import TelemetryMissing, export_traces, noted, traced

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLERS = f"00-{TRACE}-{PARENT}-01".encode()
ENDPOINTS = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]


def test_no_traces_are_sent_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert export_traces() is False


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_error_for_a_missing_exporter_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://localhost:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TelemetryMissing, match=r"pip install 'gatehouse-server\[otel\]'"):
        export_traces()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The ended spans of a tracer provider for this module alone."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(telemetry, "get_tracer", provider.get_tracer)
    return exporter


async def request(*headers: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The headers that the app sees. Its answer is 403, and its decision is noted."""
    seen: list[tuple[bytes, bytes]] = []
    record = AuditRecord("7f", reason="insufficient_scope")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 403, "headers": []})
        noted(lambda _: None)(record)

    async def nothing(*_: object) -> None: ...

    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"token=secret", "headers": [*headers]}
    await traced(app)(scope, nothing, nothing)  # type: ignore[arg-type]
    return seen


def ids(span: ReadableSpan) -> tuple[str, str]:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


@pytest.mark.anyio
async def test_a_request_is_a_span_of_the_callers_trace_with_its_decision(spans: InMemorySpanExporter) -> None:
    seen = await request((b"accept", b"*/*"), (b"traceparent", CALLERS), (b"tracestate", b"vendor=1"))
    (span,) = spans.get_finished_spans()
    trace, own = ids(span)
    assert (trace, span.parent is not None and f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "url.path": "/mcp",
        "http.response.status_code": 403,
        "gatehouse.decision": "refuse",
        "gatehouse.reason": "insufficient_scope",
        "gatehouse.request_id": "7f",
    }
    passed_on = {(b"accept", b"*/*"), (b"traceparent", f"00-{TRACE}-{own}-01".encode()), (b"tracestate", b"vendor=1")}
    assert set(seen) == passed_on, "a server behind the gate continues the gate's span"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-0-0-01",
        b"\xff\xfe",
        b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
        b"x" * 100_000,
        CALLERS + b"-more",
    ],
    ids=["empty", "short", "no text", "zeros", "huge", "more parts"],
)
async def test_a_header_that_names_no_trace_begins_a_new_one(spans: InMemorySpanExporter, value: bytes) -> None:
    seen = await request((b"traceparent", value), (b"tracestate", b"vendor=1"))
    (span,) = spans.get_finished_spans()
    trace, own = ids(span)
    assert span.parent is None
    assert trace != TRACE
    ((name, passed_on),) = seen
    assert (name, passed_on.rpartition(b"-")[0].decode()) == (b"traceparent", f"00-{trace}-{own}")


@pytest.mark.anyio
async def test_a_huge_tracestate_is_not_passed_on(spans: InMemorySpanExporter) -> None:
    many = b",".join(b"v%d=%s" % (number, b"x" * 300) for number in range(1000))
    seen = dict(await request((b"traceparent", CALLERS), (b"tracestate", many)))
    assert len(seen.get(b"tracestate", b"")) < 20_000


def test_without_a_tracer_provider_nothing_is_added() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    def trail(record: AuditRecord) -> None: ...

    assert traced(app) is app
    assert noted(trail) is trail
