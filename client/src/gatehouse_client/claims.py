"""The header and claims of a JWT, not verified: for display only."""

from __future__ import annotations

import base64
import json
from typing import Any


def claims_of(token: str) -> dict[str, Any]:
    """The claims; empty if the token is not a JWT."""
    return decoded(token)[1]


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims; both empty if the token is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}, {}
    return _part(parts[0]), _part(parts[1])


def _part(text: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
