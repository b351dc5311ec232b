"""Where the tenant and the tenant file differ. Values that the file does not mention are not compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MASK: Final = "***"
_SECRET: Final = frozenset({"client_secret", "configuration", "password", "signing_secret"})
_WIDTH: Final = 60


@dataclass(frozen=True)
class Difference:
    """One value that differs. `path` leads to it; `tenant` is None if the tenant has no value."""

    path: tuple[str, ...]
    tenant: Any
    file: Any

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self._short(self.tenant)} → {self._short(self.file)}"

    def as_json(self) -> dict[str, Any]:
        tenant, file = (MASK, MASK) if self._is_secret else (self.tenant, self.file)
        return {"path": ".".join(self.path), "tenant": tenant, "file": file}

    @property
    def _is_secret(self) -> bool:
        return bool(_SECRET.intersection(self.path))

    def _short(self, value: Any) -> str:  # noqa: ANN401 - a JSON value
        if value is None:
            return "nothing"
        text = MASK if self._is_secret else json.dumps(value, ensure_ascii=False)
        return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def differences(
    file: Mapping[str, Any], tenant: Mapping[str, Any], *, ignore: frozenset[str] = frozenset()
) -> list[Difference]:
    """The values of the file that the tenant does not have. The order of a list does not matter."""
    return [*_differences({name: value for name, value in file.items() if name not in ignore}, tenant, ())]


def _differences(file: Mapping[str, Any], tenant: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Difference]:
    for name, wanted in file.items():
        seen = tenant.get(name)
        if isinstance(wanted, Mapping) and isinstance(seen, Mapping | None):
            yield from _differences(wanted, seen or {}, (*path, name))
        elif not _same(wanted, seen):
            yield Difference((*path, name), seen, wanted)


def _same(wanted: Any, seen: Any) -> bool:  # noqa: ANN401 - JSON values
    """Whether two values mean the same. A value that is off, empty or absent means the same."""
    if not wanted and not isinstance(wanted, int | float):
        return not seen
    if wanted is False and seen is None:
        return True
    if isinstance(wanted, list) and isinstance(seen, list):
        return sorted(map(_canonical, wanted)) == sorted(map(_canonical, seen))
    return bool(wanted == seen) and isinstance(wanted, bool) == isinstance(seen, bool)


def _canonical(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, Mapping):
        value = {name: inner for name, inner in value.items() if inner not in ("", None)}
    return json.dumps(value, sort_keys=True)
