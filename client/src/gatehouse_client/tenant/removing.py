"""What `destroy` takes away: what the file names, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import ConfigurationError
from .existing import API, APPLICATION, CONNECTION, GRANT, ROLE, SETTINGS, USER, GrantKey, Present, grant_key
from .file import TenantFile
from .management import Management, arguments
from .ownership import Record


@dataclass(frozen=True)
class Removal:
    """One thing to take away; `ours` says whether `apply` made it."""

    action: str
    kind: str
    name: str
    carry_out: Callable[[], None]
    ours: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"action": self.action, "kind": self.kind, "name": self.name, "ours": self.ours}


class Removals:
    """What there is to take away.

    Connections and users hold people's accounts: only those that `apply` made are among it. Settings go back to what
    they were before the first `apply`, as far as its record knows.
    """

    def __init__(self, management: Management, file: TenantFile, present: Present, record: Record) -> None:
        self._management = management
        self._file = file
        self._present = present
        self._record = record

    def steps(self) -> list[Removal]:
        """In the order in which nothing is left that refers to what is gone.

        Raises:
            ConfigurationError: the file names the management application itself.
        """
        present = self._present
        for name, client in present.clients.items():
            if client["client_id"] == self._management.client_id:
                raise ConfigurationError(f"The file names {name}, which this command works with: take it out.")
        grants = {str(key): grant["id"] for key, grant in present.grants.items() if key in self._keys()}
        users = {email: user["user_id"] for email, user in present.users.items()}
        connections = {name: connection["id"] for name, connection in present.connections.items()}
        return [
            *self._of(GRANT, "client_grants", grants),
            *self._made(self._of(USER, "users", users)),
            *self._of(ROLE, "roles", {name: role["id"] for name, role in present.roles.items()}),
            *self._of(APPLICATION, "clients", {name: c["client_id"] for name, c in present.clients.items()}),
            *self._made(self._of(CONNECTION, "connections", connections)),
            *self._of(API, "resource_servers", {name: api["id"] for name, api in present.apis.items()}),
            *self._settings(),
        ]

    def _keys(self) -> set[GrantKey]:
        return {grant_key(grant) for grant in self._file.grants}

    def _of(self, kind: str, collection: str, ids: dict[str, str]) -> Iterator[Removal]:
        for name, object_id in ids.items():
            carry_out = partial(self._delete, kind, name, collection, object_id)
            yield Removal("delete", kind, name, carry_out, self._record.made(kind, object_id))

    def _delete(self, kind: str, name: str, collection: str, object_id: str) -> None:
        self._management.change(f"delete the {kind} {name}", lambda api: getattr(api, collection).delete(object_id))
        self._record.drop(kind, object_id)

    def _made(self, steps: Iterable[Removal]) -> Iterator[Removal]:
        return (step for step in steps if step.ours)

    def _settings(self) -> Iterator[Removal]:
        if self._record.settings_before:
            yield Removal("restore", SETTINGS, self._management.issuer, self._restore)

    def _restore(self) -> None:
        before = self._record.settings_before
        self._management.change(
            "restore the tenant settings",
            lambda api: api.tenants.settings.update(**arguments(api.tenants.settings.update, before)),
        )
        self._record.forget_settings()
