"""What `apply` made in a tenant, so that it and `destroy` can tell it from what was there before."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..storage.private_files import file_name, write_private


@dataclass
class Record:
    """Kept in the person's state folder, a file per tenant. A lost one makes `apply` ask more, and nothing worse.

    Attributes:
        created: by kind, the ids of what was made.
        settings_before: the tenant's settings that were changed, with their values from before.
    """

    path: Path
    created: dict[str, list[str]] = field(default_factory=dict)
    settings_before: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Path, issuer: str) -> Record:
        """The record for a tenant; an empty one where there is none.

        Raises:
            ConfigurationError: the file is damaged.
        """
        path = home / "tenants" / f"{file_name(issuer)}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, document["created"], document["settings_before"])
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{path}, the record of what was made in the tenant, cannot be read ({error}): move it away."
            ) from None

    def made(self, kind: str, object_id: str) -> bool:
        return object_id in self.created.get(kind, ())

    def add(self, kind: str, object_id: str) -> None:
        """Keep that `apply` made it, at once: the next step may fail."""
        self.created.setdefault(kind, []).append(object_id)
        self._save()

    def drop(self, kind: str, object_id: str) -> None:
        """Forget what is no longer there."""
        if self.made(kind, object_id):
            self.created[kind].remove(object_id)
            self._save()

    def remember_settings(self, before: dict[str, Any]) -> None:
        """Keep the values of settings from before they were first changed."""
        self.settings_before = _over(before, self.settings_before)
        self._save()

    def forget_settings(self) -> None:
        self.settings_before = {}
        self._save()

    def _save(self) -> None:
        if not any(self.created.values()) and not self.settings_before:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {"created": self.created, "settings_before": self.settings_before}
        write_private(self.path, json.dumps(document, indent=2).encode())


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    both = {name: _over(base[name], top[name]) for name in top if isinstance(base.get(name), dict)}
    return {**base, **top, **both}
