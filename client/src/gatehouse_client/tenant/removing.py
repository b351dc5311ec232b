"""The steps that `destroy` takes: it removes what the file names, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..errors import ConfigurationError
from .existing import Existing, grant_key
from .file import Document, TenantFile
from .management import API, APPLICATION, CONNECTION, GRANT, ROLE, SETTINGS, USER, Management, object_id
from .ownership import Ownership
from .planning import Step


class Removal:
    """What there is to remove.

    Connections and users contain people's accounts, so only those that `apply` created are removed. The settings that
    `apply` changed get the values that they had before the first `apply`.
    """

    def __init__(self, management: Management, file: TenantFile, existing: Existing, ownership: Ownership) -> None:
        self._management = management
        self._file = file
        self._existing = existing
        self._ownership = ownership

    def steps(self) -> list[Step]:
        """An object comes after the objects that refer to it.

        Raises:
            ConfigurationError: the file names the management application itself.
        """
        existing = self._existing
        for name, client in existing.clients.items():
            if client["client_id"] == self._management.client_id:
                raise ConfigurationError(
                    f"The file names the application {name}, which this command itself uses (AUTH0_MGMT_CLIENT_ID). "
                    "Remove it from the file."
                )
        keys = {grant_key(grant) for grant in self._file.grants}
        return [
            *self._of(GRANT, {str(key): grant for key, grant in existing.grants.items() if key in keys}),
            *(step for step in self._of(USER, existing.users) if step.ours),
            *self._of(ROLE, existing.roles),
            *self._of(APPLICATION, existing.clients),
            *(step for step in self._of(CONNECTION, existing.connections) if step.ours),
            *self._of(API, existing.apis),
            *self._settings(),
        ]

    def _of(self, kind: str, objects: dict[str, Document]) -> Iterator[Step]:
        for name, found in objects.items():
            found_id = object_id(kind, found)
            ours = self._ownership.is_ours(kind, found_id)
            yield Step("delete", kind, name, partial(self._delete, kind, name, found_id), ours)

    def _delete(self, kind: str, name: str, found_id: str) -> None:
        self._management.delete(kind, name, found_id)
        self._ownership.remove(kind, found_id)

    def _settings(self) -> Iterator[Step]:
        if self._ownership.settings_before:
            yield Step("restore", SETTINGS, self._management.issuer, self._restore)

    def _restore(self) -> None:
        self._management.update_settings("restore the tenant settings", self._ownership.settings_before)
        self._ownership.forget_settings()
