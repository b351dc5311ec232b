"""The server behind the reverse proxies: it answers every call with the same result, as cheaply as ASGI can."""

from __future__ import annotations

from typing import Any

from serve import serve

BODY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"2026-07-28T00:30:00+00:00"}],'
    b'"structuredContent":{"time":"2026-07-28T00:30:00+00:00","timezone":"UTC","weekday":"Tuesday"},"isError":false,'
    b'"resultType":"complete"}}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """One answer for all."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


serve(app)
