from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .pages import HomePage, SeededUser, render
from .web import idp_of, issuer_of


async def home(request: Request) -> Response:
    """What this is, for a person who opens the issuer in a browser."""
    tenant, issuer = idp_of(request).tenant, issuer_of(request)
    return render(
        HomePage(
            tenant_name=tenant.settings.friendly_name,
            issuer=issuer,
            users=[SeededUser(user.email, user.password, ", ".join(user.roles)) for user in tenant.users.values()],
            clients=[(client.name, client.client_id) for client in tenant.clients.values()],
            apis=[(api.name, api.identifier) for api in tenant.apis.values()],
            discovery=[
                f"{issuer}.well-known/openid-configuration",
                f"{issuer}.well-known/oauth-authorization-server",
                f"{issuer}.well-known/jwks.json",
            ],
        )
    )
