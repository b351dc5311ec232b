"""The tenant's own objects, as far as a sign-in depends on them: read through the Management API, never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..tenant.management import Inexistent, InsufficientScope, Management

if TYPE_CHECKING:
    from auth0.management.client import Auth0

Document = dict[str, Any]
T = TypeVar("T")

SCOPES: Final = (
    *("read:clients", "read:resource_servers", "read:client_grants", "read:connections", "read:tenant_settings"),
    *("read:users", "read:roles"),
)
# What is asked for of an object that has secrets beside it.
_OF_APPLICATION: Final = "name,client_id,app_type,is_first_party,callbacks,grant_types,token_endpoint_auth_method"
_OF_CONNECTION: Final = "id,name,is_domain_connection"
_OF_SETTINGS: Final = (
    "resource_parameter_profile,flags,default_audience,client_id_metadata_document_supported,"
    "client_id_metadata_document_dynamic_registration_supported"
)
# A tenant may have thousands of connections, and each is asked for its applications.
_MOST_CONNECTIONS: Final = 50


@dataclass
class Objects:
    """What the tenant has; None where it may not be read.

    Attributes:
        application: the agent's own; empty where the tenant has none with its Client ID.
        enabled: a connection that is enabled for it, if there is one; None also where there are too many to look at.
        roles, permissions: the signed-in person's; permissions of the API only, through a role or not.
        unread: what was left out for lack of a scope, in sentences.
    """

    application: Document | None = None
    apis: list[Document] | None = None
    grants: list[Document] | None = None
    connections: list[Document] | None = None
    enabled: list[str] | None = None
    settings: Document | None = None
    roles: list[str] | None = None
    permissions: list[str] | None = None
    unread: list[str] = field(default_factory=list)

    def api(self, identifier: str) -> Document | None:
        """The API with exactly this Identifier."""
        return next((api for api in self.apis or () if api["identifier"] == identifier), None)


def read_objects(management: Management, client_id: str | None, person: str | None, audience: str) -> Objects:
    """Read what there is.

    Args:
        client_id: the agent's; None while it has none.
        person: the `sub` of the signed-in person; None if nobody is signed in.
        audience: the Identifier of the API that a person's permissions are wanted of.

    Raises:
        GatehouseError: the tenant does not let us in, or cannot be reached. What only lacks a scope is left out.
    """
    objects = Objects()

    def read(what: str, call: Callable[[Auth0], Any]) -> Any:  # noqa: ANN401 - what the SDK answers
        return management.get(what, call)

    def allowed(reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except InsufficientScope as error:
            objects.unread.append(str(error))
            return None

    if client_id is not None:
        objects.application = allowed(lambda: _application(read, client_id))
    objects.apis = allowed(lambda: read("read the APIs", lambda api: api.resource_servers.list(per_page=100)))
    objects.grants = allowed(lambda: read("read the client grants", lambda api: api.client_grants.list(take=100)))
    objects.connections = allowed(
        lambda: read(
            "read the connections",
            lambda api: api.connections.list(take=100, fields=_OF_CONNECTION, include_fields=True),
        )
    )
    if objects.connections is not None and client_id is not None:
        connections = objects.connections
        objects.enabled = allowed(lambda: _enabled(read, connections, client_id))
    objects.settings = allowed(
        lambda: read(
            "read the tenant settings", lambda api: api.tenants.settings.get(fields=_OF_SETTINGS, include_fields=True)
        )
    )
    if person is not None:
        held = allowed(lambda: _held_by(read, person, audience))
        objects.roles, objects.permissions = held or (None, None)
    return objects


_Read = Callable[[str, "Callable[[Auth0], Any]"], Any]


def _application(read: _Read, client_id: str) -> Document:
    try:
        found: Document = read(
            "read the application",
            lambda api: api.clients.get(client_id, fields=_OF_APPLICATION, include_fields=True),
        )
    except Inexistent:
        return {}
    return found


def _enabled(read: _Read, connections: list[Document], client_id: str) -> list[str] | None:
    """The first connection that is enabled for the application is enough: a person can sign in."""
    for connection in connections[:_MOST_CONNECTIONS]:
        clients = partial(_clients_of, connection_id=connection["id"])
        if any(entry["client_id"] == client_id for entry in read("read a connection's applications", clients)):
            return [str(connection["name"])]
    return [] if len(connections) <= _MOST_CONNECTIONS else None


def _clients_of(api: Auth0, connection_id: str) -> Any:  # noqa: ANN401 - what the SDK answers
    return api.connections.clients.get(connection_id, take=100)


def _held_by(read: _Read, person: str, audience: str) -> tuple[list[str], list[str]]:
    try:
        roles = read("read a person's roles", lambda api: api.users.roles.list(person, per_page=100))
        held = read("read a person's permissions", lambda api: api.users.permissions.list(person, per_page=100))
    except Inexistent:
        return [], []
    for role in roles:
        of_role = partial(_permissions_of, role_id=role["id"])
        held = [*held, *read("read a role's permissions", of_role)]
    names = {str(each["permission_name"]) for each in held if each["resource_server_identifier"] == audience}
    return [str(role["name"]) for role in roles], sorted(names)


def _permissions_of(api: Auth0, role_id: str) -> Any:  # noqa: ANN401 - what the SDK answers
    return api.roles.permissions.list(role_id, per_page=100)
