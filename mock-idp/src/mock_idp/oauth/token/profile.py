from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from ...tenant.model import User


def profile_claims(user: User, scopes: Collection[str], now: float) -> dict[str, Any]:
    """The claims about a user that the scopes ask for (OpenID Connect Core section 5.4), `sub` not among them."""
    available = _profile(user, now) | {"email": user.email, "email_verified": user.email_verified}
    wanted = set(scopes)
    if "profile" in wanted:
        wanted |= _profile(user, now).keys()
    if "email" in wanted:
        wanted.add("email_verified")
    return {name: value for name, value in available.items() if name in wanted}


def _profile(user: User, now: float) -> dict[str, Any]:
    """Auth0 fills `name` with the e-mail and `nickname` with its local part when a database user has neither."""
    defaults = {"nickname": user.email.partition("@")[0], "name": user.email}
    updated = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**defaults, **user.profile, "updated_at": updated}
