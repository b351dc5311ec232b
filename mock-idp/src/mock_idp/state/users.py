"""Creating users and changing their passwords while the tenant runs, under the password policy of their database."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from ..tenant.merging import changed, replaced, stated
from ..tenant.model import Connection, User
from .idp import Idp
from .logins import unblock

PROVIDER = "auth0|"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# RFC 5321 section 4.5.3.1.
MAX_EMAIL = 320
# Accounts that people create themselves. Each one makes the tenant build its configuration again.
MAX_NEW_USERS = 1000
# Auth0 keeps at most this many passwords of a user (Auth0: Configure Password Policies).
MAX_HISTORY = 24


class UserExists(Exception):
    """The tenant has a user with this e-mail address or id."""


def is_email(text: str) -> bool:
    return len(text) <= MAX_EMAIL and EMAIL.fullmatch(text) is not None


def is_full(idp: Idp) -> bool:
    """Whether no more people can create an account. The accounts of the configuration at the start do not count."""
    return len(idp.tenant.users) - len(idp.seed.configuration.offline_file.users) >= MAX_NEW_USERS


def new_user_id() -> str:
    return PROVIDER + secrets.token_hex(12)


def add_user(idp: Idp, database: Connection, entry: Mapping[str, Any]) -> User:
    """Add a user to the tenant. `entry` has at least `email` and `password`, as in offline.yaml.

    The user can sign in at once. Raises UserExists, PasswordRefused, and ConfigurationError for wrong members.
    """
    user_id = entry.get("user_id") or new_user_id()
    if idp.tenant.user_by_email(entry["email"]) is not None or user_id in idp.tenant.users:
        raise UserExists
    database.password_policy.check(entry["password"], entry)
    new = {"email_verified": False, **entry, "user_id": user_id}
    idp.configure(changed(idp.configuration, {}, {"users": [new]}))
    return idp.tenant.users[user_id]


def change_user(idp: Idp, user: User, changes: Mapping[str, Any], database: Connection | None = None) -> User:
    """The user with the changes. A new password needs its database, and ends all blocks.

    Source: Auth0, Block and Unblock Users; Brute-Force Protection. Raises PasswordRefused, and ConfigurationError for
    wrong members.
    """
    entry = {**stated(user), **changes}
    if "password" in changes:
        assert database is not None
        earlier = (user.password, *idp.store.earlier_passwords.get(user.user_id, ()))
        database.password_policy.check(changes["password"], entry, earlier)
        idp.store.earlier_passwords[user.user_id] = earlier[:MAX_HISTORY]
        entry["blocked"] = changes.get("blocked", False)
        unblock(idp, user.email)
    idp.configure(replaced(idp.configuration, "users", {"email": user.email}, entry))
    return idp.tenant.users[user.user_id]
