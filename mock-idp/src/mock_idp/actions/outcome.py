"""The outcome of the Actions of a trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Denial:
    """An Action refused access with `api.access.deny`. `code` is the error code that it chose."""

    action: str
    code: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """An Action threw an error, or the process gave no answer. Then there is no `action` and no `line`."""

    message: str
    action: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f", line {self.line}" if self.line else ""
        return f"Action {self.action!r}{place}: {self.message}" if self.action else f"Actions: {self.message}"


@dataclass(frozen=True)
class Outcome:
    """What the Actions of a trigger asked for. Metadata with the value None is removed."""

    access_token: Mapping[str, Any] = field(default_factory=dict)
    id_token: Mapping[str, Any] = field(default_factory=dict)
    added_scopes: tuple[str, ...] = ()
    removed_scopes: tuple[str, ...] = ()
    app_metadata: Mapping[str, Any] = field(default_factory=dict)
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    denied: Denial | None = None
    failed: Failure | None = None
    logs: tuple[tuple[str, str], ...] = ()

    def scopes(self, granted: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes after the changes of the Actions."""
        kept = [scope for scope in granted if scope not in self.removed_scopes]
        return tuple(dict.fromkeys((*kept, *self.added_scopes)))


def read_outcome(answer: Mapping[str, Any]) -> Outcome:
    """The outcome in the runner's answer. Raises KeyError, TypeError or ValueError for any other answer."""
    denied, failed = answer["denied"], answer["failed"]
    return Outcome(
        access_token=dict(answer["access_token"]),
        id_token=dict(answer["id_token"]),
        added_scopes=_scopes(answer["added_scopes"]),
        removed_scopes=_scopes(answer["removed_scopes"]),
        app_metadata=dict(answer["app_metadata"]),
        user_metadata=dict(answer["user_metadata"]),
        denied=Denial(denied["action"], denied["code"], denied["reason"]) if denied else None,
        failed=Failure(failed["message"], failed["action"], failed["line"]) if failed else None,
        logs=tuple((line["action"], line["text"]) for line in answer["logs"]),
    )


def _scopes(names: list[str]) -> tuple[str, ...]:
    """Only scopes in the form of RFC 6749 section 3.3: no spaces, quotes or backslashes."""
    return tuple(name for name in names if name.isascii() and name.isprintable() and not set(name) & set(' "\\'))
