"""The objects of the tenant file that exist in the tenant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import GatehouseError
from .file import Document, TenantFile
from .management import APPLICATION, Management
from .ownership import Ownership


class GrantKey(NamedTuple):
    """Identifies a client grant. `holder` is a client's name in the file, or the grant's `default_for`."""

    holder: str
    audience: str
    subject_type: str

    def __str__(self) -> str:
        return ", ".join(self)


@dataclass
class Existing:
    """The tenant's objects, by their names in the file. A client has its secret if the token may read it."""

    settings: Document = field(default_factory=dict)
    apis: dict[str, Document] = field(default_factory=dict)
    clients: dict[str, Document] = field(default_factory=dict)
    connections: dict[str, Document] = field(default_factory=dict)
    grants: dict[GrantKey, Document] = field(default_factory=dict)
    roles: dict[str, Document] = field(default_factory=dict)
    users: dict[str, Document] = field(default_factory=dict)


def grant_key(grant: Document) -> GrantKey:
    """The key of a grant in the file."""
    return GrantKey(
        grant.get("default_for") or grant["client_id"], grant["audience"], grant.get("subject_type", "client")
    )


def load_existing(management: Management, file: TenantFile, ownership: Ownership) -> Existing:
    """Read the tenant. Sections that the file does not have are not read.

    Raises:
        GatehouseError: the tenant refuses or cannot be reached, or more than one client has the same name.
    """
    existing = Existing()
    if file.settings:
        existing.settings = management.call("read the tenant settings", lambda api: api.tenants.settings.get())
    if file.apis:
        apis = management.call("read the APIs", lambda api: api.resource_servers.list(per_page=100))
        existing.apis = _named(apis, "identifier", file.apis)
    if file.clients:
        clients = management.call("read the applications", lambda api: api.clients.list(per_page=100, is_global=False))
        found = {entry["name"]: _client(entry, clients, ownership) for entry in file.clients}
        existing.clients = {name: client for name, client in found.items() if client is not None}
    if file.databases:
        connections = management.call(
            "read the connections", lambda api: api.connections.list(strategy=["auth0"], take=100)
        )
        existing.connections = _named(connections, "name", file.databases)
        for connection in existing.connections.values():
            connection["enabled_clients"] = management.connection_clients(connection)
    if file.grants:
        existing.grants = _grants(management, existing.clients)
    if file.roles:
        roles = management.call("read the roles", lambda api: api.roles.list(per_page=100))
        existing.roles = _named(roles, "name", file.roles)
        for role in existing.roles.values():
            role["permissions"] = management.role_permissions(role)
    users = {entry["email"]: _user(management, entry["email"]) for entry in file.users}
    existing.users = {email: user for email, user in users.items() if user is not None}
    return existing


def _named(objects: Iterable[Document], key: str, entries: Iterable[Document]) -> dict[str, Document]:
    by_name = {found.get(key): found for found in objects}
    return {entry[key]: by_name[entry[key]] for entry in entries if entry[key] in by_name}


def _client(entry: Document, clients: list[Document], ownership: Ownership) -> Document | None:
    """The client that the entry means.

    Names are not unique, and anybody may register a client with any name. A client of another party is another client;
    so is a client that a metadata document describes.
    """
    party = entry.get("is_first_party", True)
    same = [
        client
        for client in clients
        if client.get("name") == entry["name"]
        and client.get("is_first_party", True) == party
        and not client.get("external_client_id")
    ]
    ours = [client for client in same if ownership.is_ours(APPLICATION, client["client_id"])]
    chosen = ours or same
    if len(chosen) > 1:
        ids = ", ".join(str(client["client_id"]) for client in chosen)
        raise GatehouseError(
            f"The tenant has {len(chosen)} applications with the name {entry['name']} ({ids}), but the file means one. "
            "Rename or delete the others in the dashboard under Applications > Applications."
        )
    return chosen[0] if chosen else None


def _grants(management: Management, clients: dict[str, Document]) -> dict[GrantKey, Document]:
    names = {client["client_id"]: name for name, client in clients.items()}
    grants = {}
    for grant in management.call("read the client grants", lambda api: api.client_grants.list(take=100)):
        holder = grant.get("default_for") or names.get(grant.get("client_id"))
        if holder is not None:
            grants[grant_key({**grant, "client_id": holder})] = grant
    return grants


def _user(management: Management, email: str) -> Document | None:
    found: list[dict[str, Any]] = management.call(
        "read a user", lambda api: api.users.list_users_by_email(email=email.lower())
    )
    user = next((user for user in found if str(user.get("user_id", "")).startswith("auth0|")), None)
    if user is not None:
        user["roles"] = management.call("read a user's roles", lambda api: api.users.roles.list(user["user_id"]))
    return user
