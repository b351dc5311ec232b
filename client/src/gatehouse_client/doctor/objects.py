"""The tenant's objects that a sign-in depends on. They are read through the Management API, never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..tenant.management import InsufficientScope, Management, ObjectNotFound

if TYPE_CHECKING:
    from auth0.management.client import Auth0

Document = dict[str, Any]
T = TypeVar("T")

# The members to read of objects that also have secrets.
_OF_APPLICATION: Final = "name,client_id,app_type,is_first_party,callbacks,grant_types,token_endpoint_auth_method"
_OF_CONNECTION: Final = "id,name,is_domain_connection"
_OF_SETTINGS: Final = (
    "resource_parameter_profile,flags,default_audience,client_id_metadata_document_supported,"
    "client_id_metadata_document_dynamic_registration_supported"
)
# A tenant may have thousands of each, and each costs a call.
_MOST_CONNECTIONS: Final = 50
_MOST_ROLES: Final = 50


@dataclass
class Objects:
    """The tenant's objects; None for objects that may not be read.

    Attributes:
        application: the agent's application; empty if the tenant has none with its Client ID.
        enabled: a connection that is enabled for the application; empty if none is. None also if the tenant has too
            many connections to read.
        roles, permissions: those of the person who is signed in. The permissions are those of the API, through a role
            or not.
        members: whether anybody has the role, by the roles with the permission that each call needs.
        unread: sentences about objects that were not read because a scope is missing.
    """

    application: Document | None = None
    apis: list[Document] | None = None
    grants: list[Document] | None = None
    connections: list[Document] | None = None
    enabled: list[str] | None = None
    settings: Document | None = None
    roles: list[str] | None = None
    permissions: list[str] | None = None
    members: dict[str, bool] | None = None
    unread: list[str] = field(default_factory=list)

    def api(self, identifier: str) -> Document | None:
        """The API with exactly this Identifier."""
        return next((api for api in self.apis or () if api["identifier"] == identifier), None)


def read_objects(
    management: Management, client_id: str | None, person: str | None, audience: str, permission: str | None = None
) -> Objects:
    """Read the objects.

    Args:
        client_id: the agent's Client ID; None if it has none.
        person: the `sub` of the person who is signed in; None if nobody is.
        audience: the Identifier of the API whose permissions are required.
        permission: the permission that each call needs, to see who could sign in; None if that is not asked.

    Raises:
        GatehouseError: the tenant refuses the credentials, or it cannot be reached. An object whose scope is missing
            is left out.
    """
    objects = Objects()

    def read(what: str, call: Callable[[Auth0], Any]) -> Any:  # noqa: ANN401 - what the SDK answers
        return allowed(lambda: management.call(what, call))

    def allowed(reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except InsufficientScope as error:
            objects.unread.append(str(error))
            return None

    if client_id is not None:
        objects.application = allowed(lambda: _application(management, client_id))
    objects.apis = read("read the APIs", lambda api: api.resource_servers.list(per_page=100))
    objects.grants = read("read the client grants", lambda api: api.client_grants.list(take=100))
    objects.connections = read(
        "read the connections", lambda api: api.connections.list(take=100, fields=_OF_CONNECTION, include_fields=True)
    )
    if objects.connections is not None and client_id is not None:
        connections = objects.connections
        objects.enabled = allowed(lambda: _enabled(management, connections, client_id))
    objects.settings = read(
        "read the tenant settings", lambda api: api.tenants.settings.get(fields=_OF_SETTINGS, include_fields=True)
    )
    if person is not None:
        held = allowed(lambda: _roles_and_permissions(management, person, audience))
        objects.roles, objects.permissions = held or (None, None)
    if permission is not None:
        objects.members = allowed(lambda: _members(management, audience, permission))
    return objects


def _application(management: Management, client_id: str) -> Document:
    try:
        found: Document = management.call(
            "read the application",
            lambda api: api.clients.get(client_id, fields=_OF_APPLICATION, include_fields=True),
        )
    except ObjectNotFound:
        return {}
    return found


def _enabled(management: Management, connections: list[Document], client_id: str) -> list[str] | None:
    """The first connection that is enabled for the application: one is enough to sign in."""
    for connection in connections[:_MOST_CONNECTIONS]:
        if client_id in management.connection_clients(connection):
            return [str(connection["name"])]
    return [] if len(connections) <= _MOST_CONNECTIONS else None


def _roles_and_permissions(management: Management, person: str, audience: str) -> tuple[list[str], list[str]]:
    try:
        roles = management.call("read a person's roles", lambda api: api.users.roles.list(person, per_page=100))
        held = management.call(
            "read a person's permissions", lambda api: api.users.permissions.list(person, per_page=100)
        )
    except ObjectNotFound:
        return [], []
    for role in roles:
        held = [*held, *management.role_permissions(role)]
    names = {str(each["permission_name"]) for each in held if each["resource_server_identifier"] == audience}
    return [str(role["name"]) for role in roles], sorted(names)


def _members(management: Management, audience: str, permission: str) -> dict[str, bool]:
    wanted = {"permission_name": permission, "resource_server_identifier": audience}.items()
    roles = management.call("read the roles", lambda api: api.roles.list(per_page=100))
    return {
        str(role["name"]): management.has_members(role)
        for role in roles[:_MOST_ROLES]
        if any(wanted <= held.items() for held in management.role_permissions(role))
    }
