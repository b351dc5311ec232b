"""The same MCPServer in the SDK's own app, without authorization."""

from __future__ import annotations

from mcp.server.transport_security import TransportSecuritySettings
from serve import AUDIENCE, ISSUER, serve

from gatehouse_example.app import example_server
from gatehouse_server import Settings

settings = Settings.model_validate({"AUTH0_DOMAIN": "localhost", "AUTH0_ISSUER": ISSUER, "AUTH0_AUDIENCE": AUDIENCE})
security = TransportSecuritySettings(allowed_hosts=settings.hosts(), allowed_origins=settings.origins())
serve(example_server().streamable_http_app(json_response=True, stateless_http=True, transport_security=security))
