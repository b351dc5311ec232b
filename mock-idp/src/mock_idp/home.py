from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .pages import HomePage, render
from .seeded import seeded_users
from .web import idp_of, issuer_of


async def home(request: Request) -> Response:
    """What this is, for a person who opens the issuer in a browser."""
    idp, issuer = idp_of(request), issuer_of(request)
    tenant = idp.tenant
    return render(
        request,
        HomePage(
            issuer=issuer,
            users=seeded_users(idp),
            clients=[(client.name, client.client_id) for client in tenant.clients.values()],
            apis=[(api.name, api.identifier) for api in tenant.apis.values()],
            discovery=[
                f"{issuer}.well-known/openid-configuration",
                f"{issuer}.well-known/oauth-authorization-server",
                f"{issuer}.well-known/jwks.json",
            ],
        ),
    )
