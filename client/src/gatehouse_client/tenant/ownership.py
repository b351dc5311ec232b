"""Which objects of a tenant `apply` created, so that `apply` and `destroy` can tell them from all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, ValidationError

from ..errors import ConfigurationError
from ..foreign_text import foreign
from ..storage.private_files import file_name, write_private


class Ownership(BaseModel):
    """Kept in the user's state folder, one file for each tenant. If a file is lost, `apply` only asks more often.

    Attributes:
        created: the ids of the objects that `apply` created, by kind.
        settings_before: the tenant settings that `apply` changed, with their earlier values.
    """

    created: dict[str, list[str]]
    settings_before: dict[str, Any]
    _path: Path = PrivateAttr()

    @classmethod
    def load(cls, home: Path, issuer: str) -> Ownership:
        """Read the file for a tenant; the result is empty if there is no file.

        Raises:
            ConfigurationError: the file is damaged.
        """
        path = home / "tenants" / f"{file_name(issuer)}.json"
        try:
            found = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            found = cls(created={}, settings_before={})
        except (OSError, ValidationError) as error:
            raise ConfigurationError(
                f"{path} lists what `gatehouse tenant apply` created in the tenant. It cannot be read "
                f"({foreign(str(error))}). Move it away, then run the command again."
            ) from None
        found._path = path
        return found

    def is_ours(self, kind: str, object_id: str) -> bool:
        """Whether `apply` created the object."""
        return object_id in self.created.get(kind, ())

    def add(self, kind: str, object_id: str) -> None:
        """Note that `apply` created the object. The file is written at once, because the next step may fail."""
        self.created.setdefault(kind, []).append(object_id)
        self._save()

    def remove(self, kind: str, object_id: str) -> None:
        """Forget a deleted object."""
        if self.is_ours(kind, object_id):
            self.created[kind].remove(object_id)
            self._save()

    def remember_settings(self, before: dict[str, Any]) -> None:
        """Note the values of settings before their first change."""
        self.settings_before = merged(before, self.settings_before)
        self._save()

    def forget_settings(self) -> None:
        """Forget the earlier settings, after they are restored."""
        self.settings_before = {}
        self._save()

    def _save(self) -> None:
        if not any(self.created.values()) and not self.settings_before:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._path, self.model_dump_json(indent=2).encode())


def merged(base: Any, top: Any) -> Any:  # noqa: ANN401 - JSON values
    """`base` with the values of `top` over it, at each depth of the mappings."""
    if not isinstance(base, dict) or not isinstance(top, dict):
        return top
    return {**base, **{name: merged(base.get(name), value) for name, value in top.items()}}
