"""What the tenant has of what the file names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import GatehouseError
from .file import Document, TenantFile
from .management import Management
from .ownership import Record

if TYPE_CHECKING:
    from auth0.management.client import Auth0

API, APPLICATION, CONNECTION, GRANT, ROLE, USER = "API", "application", "connection", "client grant", "role", "user"
SETTINGS = "tenant settings"


class GrantKey(NamedTuple):
    """What tells client grants apart; `holder` is a client's name in the file, or what the grant is the default for."""

    holder: str
    audience: str
    subject_type: str

    def __str__(self) -> str:
        return f"{self.holder}, {self.audience}, {self.subject_type}"


@dataclass
class Present:
    """The tenant's objects, by what the file calls them. Clients have their secret where the token may see it."""

    settings: Document = field(default_factory=dict)
    apis: dict[str, Document] = field(default_factory=dict)
    clients: dict[str, Document] = field(default_factory=dict)
    connections: dict[str, Document] = field(default_factory=dict)
    grants: dict[GrantKey, Document] = field(default_factory=dict)
    roles: dict[str, Document] = field(default_factory=dict)
    users: dict[str, Document] = field(default_factory=dict)

    def client_id(self, name: str) -> str:
        return str(self.clients[name]["client_id"])


def grant_key(grant: Document) -> GrantKey:
    """The key of a grant in the file."""
    holder = grant.get("default_for") or grant["client_id"]
    return GrantKey(str(holder), grant["audience"], grant.get("subject_type", "client"))


def load_present(management: Management, file: TenantFile, record: Record) -> Present:
    """Read the tenant; sections that the file does not have are not asked for.

    Raises:
        GatehouseError: the tenant refuses or cannot be reached, or a name stands for more than one client.
    """
    present = Present()
    if file.settings:
        present.settings = management.get("read the tenant settings", lambda api: api.tenants.settings.get())
    if file.apis:
        apis = management.get("read the APIs", lambda api: api.resource_servers.list(per_page=100))
        present.apis = _named(apis, "identifier", (entry["identifier"] for entry in file.apis))
    if file.clients:
        clients = management.get("read the applications", lambda api: api.clients.list(per_page=100, is_global=False))
        present.clients = {
            entry["name"]: found for entry in file.clients if (found := _client(entry, clients, record)) is not None
        }
    if file.databases:
        present.connections = _connections(management, file)
    if file.grants:
        present.grants = _grants(management, present)
    if file.roles:
        present.roles = _roles(management, file)
    for user in file.users:
        found = _user(management, user["email"])
        if found is not None:
            present.users[user["email"]] = found
    return present


def _named(entries: Iterable[Document], key: str, names: Iterable[str]) -> dict[str, Document]:
    by_name = {entry.get(key): entry for entry in entries}
    return {name: by_name[name] for name in names if name in by_name}


def _client(entry: Document, clients: list[Document], record: Record) -> Document | None:
    """The client that the entry means. Names are not unique, and anybody may register a client under any name: one
    that is of another party, or that a metadata document describes, is another client."""
    party = entry.get("is_first_party", True)
    same = [
        client
        for client in clients
        if client.get("name") == entry["name"]
        and client.get("is_first_party", True) == party
        and not client.get("external_client_id")
    ]
    ours = [client for client in same if record.made(APPLICATION, client["client_id"])]
    chosen = ours or same
    if len(chosen) > 1:
        ids = ", ".join(str(client["client_id"]) for client in chosen)
        raise GatehouseError(
            f"The tenant has {len(chosen)} applications with the name {entry['name']} ({ids}), and the file means one: "
            "rename or delete the others in the dashboard under Applications > Applications."
        )
    return chosen[0] if chosen else None


def _connections(management: Management, file: TenantFile) -> dict[str, Document]:
    found = management.get("read the connections", lambda api: api.connections.list(strategy=["auth0"], take=100))
    connections = _named(found, "name", (entry["name"] for entry in file.databases))
    for connection in connections.values():
        enabled = management.get(
            "read a connection's applications", partial(_enabled_clients, connection_id=connection["id"])
        )
        connection["enabled_clients"] = [entry["client_id"] for entry in enabled]
    return connections


def _enabled_clients(api: Auth0, connection_id: str) -> Any:  # noqa: ANN401 - what the SDK answers
    return api.connections.clients.get(connection_id, take=100)


def _grants(management: Management, present: Present) -> dict[GrantKey, Document]:
    names = {client["client_id"]: name for name, client in present.clients.items()}
    grants = {}
    for grant in management.get("read the client grants", lambda api: api.client_grants.list(take=100)):
        holder = grant.get("default_for") or names.get(grant.get("client_id"))
        if holder is not None:
            grants[GrantKey(holder, grant["audience"], grant.get("subject_type", "client"))] = grant
    return grants


def _roles(management: Management, file: TenantFile) -> dict[str, Document]:
    found = management.get("read the roles", lambda api: api.roles.list(per_page=100))
    roles = _named(found, "name", (entry["name"] for entry in file.roles))
    for role in roles.values():
        role["permissions"] = management.get("read a role's permissions", partial(_permissions, role_id=role["id"]))
    return roles


def _permissions(api: Auth0, role_id: str) -> Any:  # noqa: ANN401 - what the SDK answers
    return api.roles.permissions.list(role_id, per_page=100)


def _user(management: Management, email: str) -> Document | None:
    found: list[dict[str, Any]] = management.get(
        "read a user", lambda api: api.users.list_users_by_email(email=email.lower())
    )
    user = next((user for user in found if str(user.get("user_id", "")).startswith("auth0|")), None)
    if user is not None:
        user["roles"] = management.get("read a user's roles", lambda api: api.users.roles.list(user["user_id"]))
    return user
