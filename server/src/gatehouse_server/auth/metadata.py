"""The protected resource metadata document (RFC 9728): it tells a client at which tenant to sign in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(resource: str) -> str:
    """The document's URL: the well-known path goes between the host and the resource's path (section 3.1)."""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"


def metadata_routes(resource: str, issuer: str, scopes: Callable[[], Awaitable[Iterable[str]]]) -> list[Route]:
    """Routes for the path form and for the root form, which many clients try; each also with a slash at its end.

    Args:
        resource: the server's public URL; the document repeats it byte for byte (section 3.3).
        issuer: the authorization server, byte for byte as in its own metadata.
        scopes: every scope that a client could request for this server. If there is none, the document has no list.
    """

    async def metadata(_: Request) -> JSONResponse:
        supported = sorted(await scopes())
        document = {
            "resource": resource,
            "authorization_servers": [issuer],
            **({"scopes_supported": supported} if supported else {}),
            "bearer_methods_supported": ["header"],
            "resource_name": "Gatehouse MCP server",
        }
        return JSONResponse(document, headers={"Cache-Control": "public, max-age=3600"})

    any_origin = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"])]
    paths = dict.fromkeys([urlsplit(metadata_url(resource)).path, WELL_KNOWN])
    return [
        Route(path + slash, metadata, methods=["GET", "OPTIONS"], middleware=any_origin)
        for path in paths
        for slash in ("", "/")
    ]
