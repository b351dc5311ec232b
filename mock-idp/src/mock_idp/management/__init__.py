"""The part of Auth0's Management API v2 that sets up a tenant, under /api/v2/.

A change takes effect at once. A restart or a reset removes it.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ..tenant.model import MANAGEMENT_SCOPES
from . import client_grants, clients, connections, resource_servers, roles, tenant, users
from .access import needs
from .errors import InsufficientScope

__all__ = ["management_routes"]

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def management_routes() -> Mount:
    return Mount("/api/v2", routes=[*_routes(), Route("/{path:path}", unknown, methods=METHODS)])


@needs("read:actions")
async def list_actions(request: Request) -> Response:
    """The offline tenant has no actions. Auth0's Deploy CLI requests them before it changes a database."""
    return JSONResponse({"actions": [], "total": 0, "page": 0, "per_page": 50})


@needs(*MANAGEMENT_SCOPES)
async def unknown(request: Request) -> Response:
    """Refuse an unknown resource with 403. Auth0's tools skip resources that they may not read."""
    resource = request.path_params["path"].partition("/")[0].replace("-", "_")
    action = {"GET": "read", "POST": "create", "DELETE": "delete"}.get(request.method, "update")
    raise InsufficientScope([f"{action}:{resource}"])


def _routes() -> list[BaseRoute]:
    return [
        Route("/tenants/settings", tenant.show_settings, methods=["GET"]),
        Route("/tenants/settings", tenant.change_settings, methods=["PATCH"]),
        Route("/actions/actions", list_actions, methods=["GET"]),
        Route("/clients/cimd/register", clients.register_metadata_document, methods=["POST"]),
        Route("/clients/{id}/rotate-secret", clients.rotate_secret, methods=["POST"]),
        # A client's id can be a URL. An API's identifier is nearly always a URL.
        *_collection("/clients", "{id:path}", "client", clients),
        *_collection("/resource-servers", "{id:path}", "resource_server", resource_servers),
        *_collection("/client-grants", "{id}", "client_grant", client_grants),
        Route("/roles/{id}/permissions", roles.list_permissions, methods=["GET"]),
        Route("/roles/{id}/permissions", roles.add_permissions, methods=["POST"]),
        Route("/roles/{id}/permissions", roles.remove_permissions, methods=["DELETE"]),
        Route("/roles/{id}/users", roles.list_members, methods=["GET"]),
        Route("/roles/{id}/users", roles.add_members, methods=["POST"]),
        *_collection("/roles", "{id}", "role", roles),
        Route("/connections/{id}/clients", connections.list_enabled_clients, methods=["GET"]),
        Route("/connections/{id}/clients", connections.change_enabled_clients, methods=["PATCH"]),
        *_collection("/connections", "{id}", "connection", connections),
        Route("/users-by-email", users.list_users_by_email, methods=["GET"]),
        Route("/users/{id}/permissions", roles.list_permissions_of_user, methods=["GET"]),
        Route("/users/{id}/roles", users.list_roles_of_user, methods=["GET"]),
        Route("/users/{id}/roles", users.assign_roles, methods=["POST"]),
        Route("/users/{id}/roles", users.remove_roles, methods=["DELETE"]),
        *_collection("/users", "{id}", "user", users),
        Route("/keys/signing", tenant.list_keys, methods=["GET"]),
        Route("/keys/signing/rotate", tenant.rotate, methods=["POST"]),
        Route("/keys/signing/{kid}/revoke", tenant.revoke, methods=["PUT"]),
        Route("/keys/signing/{kid}", tenant.show_key, methods=["GET"]),
    ]


def _collection(path: str, one: str, noun: str, module: object) -> list[Route]:
    """The five usual calls of a collection. All modules here use the same function names for them."""
    return [
        Route(path, getattr(module, f"list_{noun}s"), methods=["GET"]),
        Route(path, getattr(module, f"create_{noun}"), methods=["POST"]),
        Route(f"{path}/{one}", getattr(module, f"show_{noun}"), methods=["GET"]),
        Route(f"{path}/{one}", getattr(module, f"update_{noun}"), methods=["PATCH"]),
        Route(f"{path}/{one}", getattr(module, f"delete_{noun}"), methods=["DELETE"]),
    ]
