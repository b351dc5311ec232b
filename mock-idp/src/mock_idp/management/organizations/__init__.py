"""Organizations: /api/v2/organizations, their connections, members and client grants."""

from __future__ import annotations

from starlette.routing import Route

from ..routing import collection, route
from . import client_grants, connections, entries, members

ONE = "/organizations/{id}"
GRANTS, MEMBERS = f"{ONE}/client-grants", f"{ONE}/members"
ROLES = f"{MEMBERS}/{{user_id}}/roles"
# The second path is that of newer clients, such as the Deploy CLI 8.44.
CONNECTIONS = {"enabled_connections": connections.list_enabled_connections, "connections": connections.list_connections}


def organization_routes() -> list[Route]:
    """The endpoints with Auth0's scopes. There are no invitations, because the offline tenant sends no mail."""
    return [
        route("GET", "/organizations/name/{name}", entries.show_organization_by_name, "read:organizations"),
        *(each for name in CONNECTIONS for each in _connection_routes(name)),
        route("GET", ROLES, members.list_roles, "read:organization_member_roles"),
        route("POST", ROLES, members.add_roles, "create:organization_member_roles"),
        route("DELETE", ROLES, members.remove_roles, "delete:organization_member_roles"),
        route("GET", MEMBERS, members.list_members, "read:organization_members"),
        route("POST", MEMBERS, members.add_members, "create:organization_members"),
        route("DELETE", MEMBERS, members.remove_members, "delete:organization_members"),
        route("GET", GRANTS, client_grants.list_grants, "read:organization_client_grants"),
        route("POST", GRANTS, client_grants.add_grant, "create:organization_client_grants"),
        route("DELETE", f"{GRANTS}/{{grant_id}}", client_grants.remove_grant, "delete:organization_client_grants"),
        route("GET", "/users/{id}/organizations", entries.list_organizations_of_user, "read:organizations"),
        *collection("/organizations", "{id}", entries, "organization"),
    ]


def _connection_routes(name: str) -> list[Route]:
    path = f"{ONE}/{name}"
    one = f"{path}/{{connection_id}}"
    return [
        route("GET", path, CONNECTIONS[name], "read:organization_connections"),
        route("POST", path, connections.add_connection, "create:organization_connections"),
        route("GET", one, connections.show_connection, "read:organization_connections"),
        route("PATCH", one, connections.update_connection, "update:organization_connections"),
        route("DELETE", one, connections.remove_connection, "delete:organization_connections"),
    ]
