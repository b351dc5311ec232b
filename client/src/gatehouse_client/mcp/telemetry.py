"""OpenTelemetry traces of the agent, if a standard OTLP variable is set.

A command is one trace. The MCP SDK makes a span for each message and names it in the message's `_meta`; `pass_on` names
it in a header also, for the gateways on the way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx2

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SECONDS: Final = 3
"""How long a command waits at its end for the receiver of the traces."""


async def pass_on(request: httpx2.Request) -> None:
    """Add the header `traceparent` (W3C Trace Context) if a span is active. A hook for requests to the MCP server."""
    from opentelemetry.propagate import inject

    inject(request.headers)


@contextmanager
def traced(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """The span of a command, which is sent at its end.

    Args:
        say: tells the person that the packages for it are not installed.
    """
    if not any(os.environ.get(each) for each in ENDPOINTS):
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        say(f"No traces are sent, because {error.name} is not installed: pip install 'gatehouse-client[otel]'")
        yield
        return
    service = os.environ.get("OTEL_SERVICE_NAME") or "gatehouse-client"
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_SECONDS)))
    trace.set_tracer_provider(provider)
    try:
        with trace.get_tracer("gatehouse").start_as_current_span(f"gatehouse {name}"):
            yield
    finally:
        provider.shutdown()
