"""What has to be done in the tenant, in the order in which it can be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..errors import GatehouseError
from .differences import Difference, differences
from .existing import API, APPLICATION, CONNECTION, GRANT, ROLE, SETTINGS, USER, Present, grant_key
from .file import Document, TenantFile
from .management import Management, arguments
from .ownership import Record

# What cannot be changed once something is there (Auth0: Management API, the PATCH of each).
_FIXED: Mapping[str, frozenset[str]] = {
    API: frozenset({"identifier"}),
    APPLICATION: frozenset({"resource_server_identifier"}),
    CONNECTION: frozenset({"name", "strategy"}),
    GRANT: frozenset({"client_id", "default_for", "audience", "subject_type"}),
}


@dataclass(frozen=True)
class Change:
    """One thing to make or to change.

    Attributes:
        ours: whether `apply` made what it changes; always true of what is to be made.
        carry_out: does it; GatehouseError when the tenant refuses.
    """

    action: Literal["create", "change"]
    kind: str
    name: str
    carry_out: Callable[[], None]
    differences: tuple[Difference, ...] = ()
    ours: bool = True

    def as_json(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "kind": self.kind,
            "name": self.name,
            "ours": self.ours,
            "differences": [each.as_json() for each in self.differences],
        }


class Plan:
    """The changes that lead from the tenant as it is to the file. Reading them changes nothing."""

    def __init__(self, management: Management, file: TenantFile, present: Present, record: Record) -> None:
        self._management = management
        self._file = file
        self._present = present
        self._record = record

    def changes(self) -> list[Change]:
        """In the order in which one may need what another makes. Settings come last: they can name an API."""
        return [
            *self._apis(),
            *self._clients(),
            *self._connections(),
            *self._grants(),
            *self._roles(),
            *self._users(),
            *self._settings(),
        ]

    def _apis(self) -> Iterator[Change]:
        for entry in self._file.apis:
            name = entry["identifier"]
            yield from self._change(API, name, entry, self._present.apis.get(name), self._create_api, self._update_api)

    def _create_api(self, entry: Document) -> None:
        made = self._management.create(
            f"create the API {entry['identifier']}",
            lambda api: api.resource_servers.create(**arguments(api.resource_servers.create, entry)),
        )
        self._record.add(API, made["id"])

    def _update_api(self, found: Document, body: Document) -> None:
        self._management.change(
            f"change the API {found['identifier']}",
            lambda api: api.resource_servers.update(found["id"], **arguments(api.resource_servers.update, body)),
        )

    def _clients(self) -> Iterator[Change]:
        for entry in self._file.clients:
            found = self._present.clients.get(entry["name"])
            yield from self._change(APPLICATION, entry["name"], entry, found, self._create_client, self._update_client)

    def _create_client(self, entry: Document) -> None:
        made = self._management.create(
            f"create the application {entry['name']}",
            lambda api: api.clients.create(**arguments(api.clients.create, entry)),
        )
        self._present.clients[entry["name"]] = made
        self._record.add(APPLICATION, made["client_id"])

    def _update_client(self, found: Document, body: Document) -> None:
        self._management.change(
            f"change the application {found['name']}",
            lambda api: api.clients.update(found["client_id"], **arguments(api.clients.update, body)),
        )

    def _connections(self) -> Iterator[Change]:
        """Applications are enabled for a connection, never disabled: it may serve others, too."""
        for entry in self._file.databases:
            found = self._present.connections.get(entry["name"])
            if found is None:
                yield self._creation(CONNECTION, entry["name"], partial(self._create_connection, entry))
                continue
            changed = differences(entry, found, ignore=frozenset({"enabled_clients"}))
            wanted = entry.get("enabled_clients") or []
            enabled = self._enabled_names(found, wanted)
            if set(wanted) - set(enabled):
                changed.append(Difference(("enabled_clients",), enabled, wanted))
            if changed:
                yield self._update(CONNECTION, entry, found, changed, self._update_connection)

    def _enabled_names(self, found: Document, names: list[str]) -> list[str]:
        known = self._present.clients
        return [name for name in names if name in known and known[name]["client_id"] in found["enabled_clients"]]

    def _create_connection(self, entry: Document) -> None:
        body = {"strategy": "auth0", **{name: value for name, value in entry.items() if name != "enabled_clients"}}
        made = self._management.create(
            f"create the connection {entry['name']}",
            lambda api: api.connections.create(**arguments(api.connections.create, body)),
        )
        self._record.add(CONNECTION, made["id"])
        self._enable(made, entry.get("enabled_clients") or [])

    def _update_connection(self, found: Document, body: Document) -> None:
        self._enable(found, body.pop("enabled_clients", []))
        if body:
            self._management.change(
                f"change the connection {found['name']}",
                lambda api: api.connections.update(found["id"], **arguments(api.connections.update, body)),
            )

    def _enable(self, connection: Document, names: list[str]) -> None:
        if names:
            wanted: Any = [{"client_id": self._present.client_id(name), "status": True} for name in names]
            self._management.change(
                f"enable applications for the connection {connection['name']}",
                lambda api: api.connections.clients.update(connection["id"], request=wanted),
            )

    def _grants(self) -> Iterator[Change]:
        for entry in self._file.grants:
            key = grant_key(entry)
            found = self._present.grants.get(key)
            if found is None:
                yield self._creation(GRANT, str(key), partial(self._create_grant, entry))
                continue
            changed = differences(entry, found, ignore=_FIXED[GRANT])
            if changed:
                yield self._update(GRANT, entry, found, changed, self._update_grant)

    def _create_grant(self, entry: Document) -> None:
        body = {"scope": [], "subject_type": "client", **entry}
        if body.get("allow_all_scopes"):
            del body["scope"]
        if "client_id" in body:
            body["client_id"] = self._present.client_id(body["client_id"])
        made = self._management.create(
            f"create the client grant {grant_key(entry)}",
            lambda api: api.client_grants.create(**arguments(api.client_grants.create, body)),
        )
        self._record.add(GRANT, made["id"])

    def _update_grant(self, found: Document, body: Document) -> None:
        self._management.change(
            f"change a client grant for {found['audience']}",
            lambda api: api.client_grants.update(found["id"], **arguments(api.client_grants.update, body)),
        )

    def _roles(self) -> Iterator[Change]:
        for entry in self._file.roles:
            found = self._present.roles.get(entry["name"])
            if found is None:
                yield self._creation(ROLE, entry["name"], partial(self._create_role, entry))
                continue
            changed = differences(entry, found, ignore=frozenset({"permissions"}))
            wanted, held = _permissions(entry), _permissions(found)
            if set(wanted) != set(held) and "permissions" in entry:
                changed.append(Difference(("permissions",), held, wanted))
            if changed:
                yield self._update(ROLE, entry, found, changed, self._update_role)

    def _create_role(self, entry: Document) -> None:
        body = {name: value for name, value in entry.items() if name != "permissions"}
        made = self._management.create(
            f"create the role {entry['name']}", lambda api: api.roles.create(**arguments(api.roles.create, body))
        )
        self._present.roles[entry["name"]] = made
        self._record.add(ROLE, made["id"])
        self._grant_permissions(made, entry.get("permissions") or [])

    def _update_role(self, found: Document, body: Document) -> None:
        """What is missing is added before what is too much goes: nobody loses what they keep, not even for a moment."""
        wanted = body.pop("permissions", None)
        if wanted is not None:
            held = [_permission(entry) for entry in found["permissions"]]
            self._grant_permissions(found, [entry for entry in wanted if entry not in held])
            surplus: Any = [entry for entry in held if entry not in wanted]
            if surplus:
                self._management.change(
                    f"take permissions from the role {found['name']}",
                    lambda api: api.roles.permissions.delete(found["id"], permissions=surplus),
                )
        if body:
            self._management.change(
                f"change the role {found['name']}",
                lambda api: api.roles.update(found["id"], **arguments(api.roles.update, body)),
            )

    def _grant_permissions(self, role: Document, permissions: Any) -> None:  # noqa: ANN401 - the SDK takes mappings
        if permissions:
            self._management.change(
                f"give permissions to the role {role['name']}",
                lambda api: api.roles.permissions.add(role["id"], permissions=permissions),
            )

    def _users(self) -> Iterator[Change]:
        for entry in self._file.users:
            found, wanted = self._present.users.get(entry["email"]), list(entry.get("roles") or [])
            if found is None:
                yield self._creation(USER, entry["email"], partial(self._create_user, entry))
                continue
            held = [role["name"] for role in found["roles"]]
            if set(wanted) - set(held):
                missing = Difference(("roles",), held, wanted)
                yield Change(
                    "change",
                    USER,
                    entry["email"],
                    partial(self._assign, found, wanted),
                    (missing,),
                    self._record.made(USER, found["user_id"]),
                )

    def _create_user(self, entry: Document) -> None:
        connection = self._file.databases[0]["name"] if self._file.databases else "Username-Password-Authentication"
        body = {name: value for name, value in entry.items() if name not in ("roles", "user_id")}
        made = self._management.create(
            f"create the user {entry['email']}",
            lambda api: api.users.create(**arguments(api.users.create, {**body, "connection": connection})),
        )
        self._record.add(USER, made["user_id"])
        self._assign(made, entry.get("roles") or [])

    def _assign(self, user: Document, names: list[str]) -> None:
        if names:
            ids = [self._present.roles[name]["id"] for name in names]
            self._management.change(
                f"give roles to {user['email']}", lambda api: api.users.roles.assign(user["user_id"], roles=ids)
            )

    def _settings(self) -> Iterator[Change]:
        changed = differences(self._file.settings, self._present.settings)
        if changed:
            known = self._record.settings_before
            ours = all(each.path[0] in known for each in changed)
            yield Change(
                "change",
                SETTINGS,
                self._management.issuer,
                lambda: self._update_settings(changed),
                tuple(changed),
                ours,
            )

    def _update_settings(self, changed: list[Difference]) -> None:
        self._record.remember_settings(nested({each.path: _before(each) for each in changed}))
        body = nested({each.path: each.file for each in changed})
        self._management.change(
            "change the tenant settings",
            lambda api: api.tenants.settings.update(**arguments(api.tenants.settings.update, body)),
        )

    def _change(
        self,
        kind: str,
        name: str,
        entry: Document,
        found: Document | None,
        create: Callable[[Document], None],
        update: Callable[[Document, Document], None],
    ) -> Iterator[Change]:
        if found is None:
            yield self._creation(kind, name, lambda: create(entry))
            return
        changed = differences(entry, found)
        if changed:
            yield self._update(kind, entry, found, changed, update)

    def _creation(self, kind: str, name: str, create: Callable[[], None]) -> Change:
        return Change("create", kind, name, create)

    def _update(
        self,
        kind: str,
        entry: Document,
        found: Document,
        changed: list[Difference],
        update: Callable[[Document, Document], None],
    ) -> Change:
        name = str(grant_key(entry)) if kind == GRANT else str(entry.get("identifier") or entry["name"])
        object_id = str(found.get("client_id") if kind == APPLICATION else found["id"])

        def carry_out() -> None:
            fixed = sorted({each.path[0] for each in changed} & _FIXED.get(kind, frozenset()))
            if fixed:
                raise GatehouseError(
                    f"The {', '.join(fixed)} of the {kind} {name} cannot be changed once it is there: delete it in the "
                    "dashboard, then run `gatehouse tenant apply` again."
                )
            update(found, _body(entry, found, changed))

        return Change("change", kind, name, carry_out, tuple(changed), self._record.made(kind, object_id))


def nested(values: Mapping[tuple[str, ...], Any]) -> Document:
    """Values by path as mappings in mappings."""
    document: Document = {}
    for path, value in values.items():
        inner = document
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return document


def _body(entry: Document, found: Document, changed: list[Difference]) -> Document:
    """What to send: the members that differ, each whole, with what the tenant has beside it."""
    names = dict.fromkeys(each.path[0] for each in changed)
    return {name: _over(found.get(name), entry[name]) for name in names}


def _over(tenant: Any, file: Any) -> Any:  # noqa: ANN401 - JSON values
    if not isinstance(tenant, Mapping) or not isinstance(file, Mapping):
        return file
    return {**tenant, **{name: _over(tenant.get(name), value) for name, value in file.items()}}


def _before(change: Difference) -> Any:  # noqa: ANN401 - a JSON value
    """The value to go back to. A switch that the tenant does not mention is off."""
    return False if change.tenant is None and isinstance(change.file, bool) else change.tenant


def _permission(entry: Document) -> Document:
    return {name: entry[name] for name in ("permission_name", "resource_server_identifier")}


def _permissions(role: Document) -> list[str]:
    entries = role.get("permissions") or []
    return sorted(f"{each['permission_name']} of {each['resource_server_identifier']}" for each in entries)
