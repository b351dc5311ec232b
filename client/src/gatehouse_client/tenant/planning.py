"""The steps that `apply` takes to change the tenant to what the tenant file says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..errors import GatehouseError
from .differences import Difference, differences
from .existing import Existing, grant_key
from .file import Document, TenantFile, without
from .management import API, APPLICATION, CONNECTION, GRANT, ROLE, SETTINGS, USER, Management, object_id
from .ownership import Ownership, merged

# What cannot change once an object exists (Auth0: Management API, the PATCH of each kind).
_FIXED: Mapping[str, frozenset[str]] = {
    API: frozenset({"identifier"}),
    APPLICATION: frozenset({"resource_server_identifier"}),
    CONNECTION: frozenset({"name", "strategy"}),
    GRANT: frozenset({"client_id", "default_for", "audience", "subject_type"}),
}

_Update = Callable[[Document, Document], None]


@dataclass(frozen=True)
class Step:
    """One step of `apply` or `destroy`.

    Attributes:
        carry_out: does the step; raises GatehouseError if the tenant refuses.
        ours: whether `apply` created the object; always true of an object to create.
        differences: where the tenant and the file differ; None for a step of `destroy`.
    """

    action: Literal["create", "change", "delete", "restore"]
    kind: str
    name: str
    carry_out: Callable[[], object]
    ours: bool = True
    differences: tuple[Difference, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"action": self.action, "kind": self.kind, "name": self.name, "ours": self.ours}
        if self.differences is not None:
            shown["differences"] = [each.as_json() for each in self.differences]
        return shown


class Plan:
    """The steps from the tenant as it is to the tenant file. To list them changes nothing."""

    def __init__(self, management: Management, file: TenantFile, existing: Existing, ownership: Ownership) -> None:
        self._management = management
        self._file = file
        self._existing = existing
        self._ownership = ownership

    def steps(self) -> list[Step]:
        """An object comes before the objects that refer to it. Settings come last because they can name an API."""
        return [
            *self._apis(),
            *self._clients(),
            *self._connections(),
            *self._grants(),
            *self._roles(),
            *self._users(),
            *self._settings(),
        ]

    def _apis(self) -> Iterator[Step]:
        for entry in self._file.apis:
            name = entry["identifier"]
            create = partial(self._create, API, name, entry)
            yield from self._steps(API, name, entry, self._existing.apis.get(name), create)

    def _clients(self) -> Iterator[Step]:
        for entry in self._file.clients:
            found = self._existing.clients.get(entry["name"])
            yield from self._steps(APPLICATION, entry["name"], entry, found, partial(self._create_client, entry))

    def _create_client(self, entry: Document) -> None:
        self._existing.clients[entry["name"]] = self._create(APPLICATION, entry["name"], entry)

    def _connections(self) -> Iterator[Step]:
        """Applications are enabled for a connection and never disabled: other applications may also use it."""
        for entry in self._file.databases:
            name, wanted = entry["name"], entry.get("enabled_clients") or []
            found = self._existing.connections.get(name)
            enabled = self._enabled_names(found, wanted) if found else []
            yield from self._steps(
                CONNECTION,
                name,
                entry,
                found,
                partial(self._create_connection, entry),
                self._update_connection,
                compared_apart={"enabled_clients": (enabled, wanted)} if set(wanted) - set(enabled) else {},
                ignore=frozenset({"enabled_clients"}),
            )

    def _enabled_names(self, found: Document, names: list[str]) -> list[str]:
        known = self._existing.clients
        return [name for name in names if name in known and known[name]["client_id"] in found["enabled_clients"]]

    def _create_connection(self, entry: Document) -> None:
        body = {"strategy": "auth0", **without(entry, "enabled_clients")}
        self._enable(self._create(CONNECTION, entry["name"], body), entry.get("enabled_clients") or [])

    def _update_connection(self, found: Document, body: Document) -> None:
        self._enable(found, body.pop("enabled_clients", []))
        self._update(CONNECTION, found["name"], found, body)

    def _enable(self, connection: Document, names: list[str]) -> None:
        if names:
            wanted: Any = [{"client_id": self._existing.clients[name]["client_id"], "status": True} for name in names]
            self._management.call(
                f"enable applications for the connection {connection['name']}",
                lambda api: api.connections.clients.update(connection["id"], request=wanted),
            )

    def _grants(self) -> Iterator[Step]:
        for entry in self._file.grants:
            key = grant_key(entry)
            create = partial(self._create_grant, str(key), entry)
            yield from self._steps(GRANT, str(key), entry, self._existing.grants.get(key), create, ignore=_FIXED[GRANT])

    def _create_grant(self, name: str, entry: Document) -> None:
        body = {"scope": [], "subject_type": "client", **entry}
        if body.get("allow_all_scopes"):
            del body["scope"]
        if "client_id" in body:
            body["client_id"] = self._existing.clients[body["client_id"]]["client_id"]
        self._create(GRANT, name, body)

    def _roles(self) -> Iterator[Step]:
        for entry in self._file.roles:
            found = self._existing.roles.get(entry["name"])
            wanted, held = _permission_names(entry), _permission_names(found or {})
            changed = "permissions" in entry and wanted != held
            yield from self._steps(
                ROLE,
                entry["name"],
                entry,
                found,
                partial(self._create_role, entry),
                self._update_role,
                compared_apart={"permissions": (held, wanted)} if changed else {},
                ignore=frozenset({"permissions"}),
            )

    def _create_role(self, entry: Document) -> None:
        role = self._create(ROLE, entry["name"], without(entry, "permissions"))
        self._existing.roles[entry["name"]] = role
        self._grant_permissions(role, entry.get("permissions") or [])

    def _update_role(self, found: Document, body: Document) -> None:
        """Missing permissions are added before surplus ones are taken, so that nobody loses a permission in between."""
        wanted = body.pop("permissions", None)
        if wanted is not None:
            members = ("permission_name", "resource_server_identifier")
            held = [{name: entry[name] for name in members} for entry in found["permissions"]]
            self._grant_permissions(found, [entry for entry in wanted if entry not in held])
            surplus: Any = [entry for entry in held if entry not in wanted]
            if surplus:
                self._management.call(
                    f"take permissions from the role {found['name']}",
                    lambda api: api.roles.permissions.delete(found["id"], permissions=surplus),
                )
        self._update(ROLE, found["name"], found, body)

    def _grant_permissions(self, role: Document, permissions: Any) -> None:  # noqa: ANN401 - the SDK takes mappings
        if permissions:
            self._management.call(
                f"give permissions to the role {role['name']}",
                lambda api: api.roles.permissions.add(role["id"], permissions=permissions),
            )

    def _users(self) -> Iterator[Step]:
        """Roles are given to a user and never taken."""
        for entry in self._file.users:
            found, wanted = self._existing.users.get(entry["email"]), list(entry.get("roles") or [])
            held = [role["name"] for role in found["roles"]] if found else []
            yield from self._steps(
                USER,
                entry["email"],
                entry,
                found,
                partial(self._create_user, entry),
                lambda user, body: self._give_roles(user, body["roles"]),
                compared_apart={"roles": (held, wanted)} if set(wanted) - set(held) else {},
                ignore=frozenset(entry),
            )

    def _create_user(self, entry: Document) -> None:
        connection = self._file.databases[0]["name"] if self._file.databases else "Username-Password-Authentication"
        body = {**without(entry, "roles", "user_id"), "connection": connection}
        self._give_roles(self._create(USER, entry["email"], body), entry.get("roles") or [])

    def _give_roles(self, user: Document, names: list[str]) -> None:
        if names:
            ids = [self._existing.roles[name]["id"] for name in names]
            self._management.call(
                f"give roles to {user['email']}", lambda api: api.users.roles.assign(user["user_id"], roles=ids)
            )

    def _settings(self) -> Iterator[Step]:
        changed = differences(self._file.settings, self._existing.settings)
        if changed:
            ours = all(each.path[0] in self._ownership.settings_before for each in changed)
            update = partial(self._update_settings, changed)
            yield Step("change", SETTINGS, self._management.issuer, update, ours, tuple(changed))

    def _update_settings(self, changed: list[Difference]) -> None:
        self._ownership.remember_settings(_nested({each.path: _before(each) for each in changed}))
        body = _nested({each.path: each.file for each in changed})
        self._management.update_settings("change the tenant settings", body)

    def _steps(
        self,
        kind: str,
        name: str,
        entry: Document,
        found: Document | None,
        create: Callable[[], object],
        update: _Update | None = None,
        *,
        compared_apart: Mapping[str, tuple[list[str], list[str]]] | None = None,
        ignore: frozenset[str] = frozenset(),
    ) -> Iterator[Step]:
        """The step for one object; none if the tenant has it as the file says.

        Args:
            entry: the object in the file.
            found: the object in the tenant, if it exists.
            update: called with `found` and with the members to send; by default, they are sent in one call.
            compared_apart: members that differ by a rule of their own, with the values of the tenant and of the file.
            ignore: members of `entry` that are not compared here.
        """
        if found is None:
            yield Step("create", kind, name, create, differences=())
            return
        changed = differences(entry, found, ignore=ignore)
        changed += [Difference((member,), *values) for member, values in (compared_apart or {}).items()]
        if not changed:
            return

        def carry_out() -> None:
            names = dict.fromkeys(each.path[0] for each in changed)
            fixed = sorted(_FIXED.get(kind, frozenset()) & set(names))
            if fixed:
                raise GatehouseError(
                    f"The {', '.join(fixed)} of the {kind} {name} cannot be changed once it exists. Delete the {kind} "
                    "in the dashboard, then run `gatehouse tenant apply` again."
                )
            # Each member is sent whole: the file's values over the tenant's.
            body = {member: merged(found.get(member), entry[member]) for member in names}
            (update or partial(self._update, kind, name))(found, body)

        ours = self._ownership.is_ours(kind, object_id(kind, found))
        yield Step("change", kind, name, carry_out, ours, tuple(changed))

    def _create(self, kind: str, name: str, body: Document) -> Document:
        created = self._management.create(kind, name, body)
        self._ownership.add(kind, object_id(kind, created))
        return created

    def _update(self, kind: str, name: str, found: Document, body: Document) -> None:
        if body:
            self._management.update(kind, name, object_id(kind, found), body)


def _nested(values: Mapping[tuple[str, ...], Any]) -> Document:
    """Values by path, as mappings in mappings."""
    document: Document = {}
    for path, value in values.items():
        inner = document
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return document


def _before(change: Difference) -> Any:  # noqa: ANN401 - a JSON value
    """The value to restore. A switch that the tenant does not mention is off."""
    return False if change.tenant is None and isinstance(change.file, bool) else change.tenant


def _permission_names(role: Document) -> list[str]:
    entries = role.get("permissions") or []
    return sorted({f"{each['permission_name']} of {each['resource_server_identifier']}" for each in entries})
