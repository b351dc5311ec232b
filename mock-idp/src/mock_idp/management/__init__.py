"""The part of Auth0's Management API v2 that sets up a tenant, under /api/v2/.

A change takes effect at once. A restart or a reset removes it.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from ..tenant.model import MANAGEMENT_SCOPES
from . import attack_protection, client_grants, clients, connections, resource_servers, roles, tenant, users
from .access import protected
from .errors import InsufficientScope, NoEndpoint
from .organizations import organization_routes
from .routing import collection, route

__all__ = ["management_api"]

MAX_SHOWN = 200
BRUTE_FORCE = "/attack-protection/brute-force-protection"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# What an export of the whole tenant by the Deploy CLI 8.44 reads and the offline tenant does not have. For most of it
# the CLI ends at a 404 and leaves the part out at a 403, as for a token without the scope.
LEFT_OUT_BY_TOOLS = frozenset(
    {
        *("actions", "attack-protection", "branding", "connection-profiles", "connections-directory-provisionings"),
        *("custom-domains", "email-templates", "emails", "event-streams", "flows", "forms", "guardian", "hooks"),
        *("log-streams", "network-acls", "prompts", "rate-limit-policies", "risk-assessments"),
        *("rules", "rules-configs", "self-service-profiles", "supplemental-signals", "token-exchange-profiles"),
        "user-attribute-profiles",
    }
)


def management_api() -> Router:
    """The endpoints with the scopes that they need. A caller needs one of them."""
    return Router(
        [
            route("GET", "/tenants/settings", tenant.show_settings, "read:tenant_settings"),
            route("PATCH", "/tenants/settings", tenant.change_settings, "update:tenant_settings"),
            route("GET", "/logs", tenant.list_logs, "read:logs"),
            route("GET", "/logs/{id}", tenant.show_log, "read:logs"),
            route("GET", "/actions/actions", list_actions, "read:actions"),
            route("POST", "/clients/cimd/register", clients.register_metadata_document, "create:clients"),
            route("POST", "/clients/{id}/rotate-secret", clients.rotate_secret, "update:client_keys"),
            # A client's id can be a URL. An API's identifier is nearly always a URL.
            *collection("/clients", "{id:path}", clients, "client", "read:client_keys", "update:client_keys"),
            *collection("/resource-servers", "{id:path}", resource_servers, "resource_server"),
            *collection("/client-grants", "{id}", client_grants, "client_grant"),
            *organization_routes(),
            route("GET", "/roles/{id}/permissions", roles.list_permissions, "read:roles"),
            route("POST", "/roles/{id}/permissions", roles.add_permissions, "update:roles"),
            route("DELETE", "/roles/{id}/permissions", roles.remove_permissions, "update:roles"),
            route("GET", "/roles/{id}/users", roles.list_members, "read:users", "read:role_members"),
            route("POST", "/roles/{id}/users", roles.add_members, "update:roles", "create:role_members"),
            *collection("/roles", "{id}", roles, "role"),
            route("GET", "/connections/{id}/clients", connections.list_enabled_clients, "read:connections"),
            route("PATCH", "/connections/{id}/clients", connections.change_enabled_clients, "update:connections"),
            *collection("/connections", "{id}", connections, "connection"),
            route("GET", "/users-by-email", users.list_users_by_email, "read:users"),
            route("GET", "/users/{id}/logs", users.list_logs_of_user, "read:logs", "read:logs_users"),
            route("GET", "/users/{id}/permissions", roles.list_permissions_of_user, "read:users"),
            route(
                "GET", "/users/{id}/roles", users.list_roles_of_user, "read:users", "read:roles", "read:role_members"
            ),
            route("POST", "/users/{id}/roles", users.assign_roles, "update:users", "create:role_members"),
            route("DELETE", "/users/{id}/roles", users.remove_roles, "update:users", "delete:role_members"),
            *collection("/users", "{id}", users, "user"),
            route("GET", "/user-blocks", attack_protection.list_blocks, "read:users"),
            route("DELETE", "/user-blocks", attack_protection.remove_blocks, "update:users"),
            route("GET", "/user-blocks/{id}", attack_protection.list_blocks_of_user, "read:users"),
            route("DELETE", "/user-blocks/{id}", attack_protection.remove_blocks_of_user, "update:users"),
            route("GET", BRUTE_FORCE, attack_protection.show_brute_force, "read:attack_protection"),
            route("PATCH", BRUTE_FORCE, attack_protection.change_brute_force, "update:attack_protection"),
            route("GET", "/keys/signing", tenant.list_keys, "read:signing_keys"),
            route("POST", "/keys/signing/rotate", tenant.rotate, "create:signing_keys"),
            route("PUT", "/keys/signing/{kid}/revoke", tenant.revoke, "update:signing_keys"),
            route("GET", "/keys/signing/{kid}", tenant.show_key, "read:signing_keys"),
            Route("/{path:path}", protected(unknown, *MANAGEMENT_SCOPES), methods=METHODS),
        ],
    )


async def list_actions(request: Request) -> Response:
    """Actions of the tenant file are not shown. Auth0's Deploy CLI requests them before it changes a database."""
    return JSONResponse({"actions": [], "total": 0, "page": 0, "per_page": 50})


async def unknown(request: Request) -> Response:
    """Refuse an endpoint that is not here: with 403 if Auth0's tools then leave the resource out, else with 404."""
    resource = request.path_params["path"].partition("/")[0]
    if resource not in LEFT_OUT_BY_TOOLS:
        raise NoEndpoint(f"The offline tenant does not have {request.method} {request.url.path[:MAX_SHOWN]}.")
    action = {"GET": "read", "POST": "create", "DELETE": "delete"}.get(request.method, "update")
    raise InsufficientScope([f"{action}:{resource.replace('-', '_')}"])
