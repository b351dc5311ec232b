"""Signing in with an e-mail address and a password, and the limit of attempts (Auth0: Brute-Force Protection)."""

from __future__ import annotations

from collections.abc import Iterable

from ..tenant.model import Connection, User
from .idp import Idp
from .store import FailedLogins

# How long a block lasts after the last wrong password.
BLOCK_SECONDS = 30 * 24 * 3600
# The longest e-mail address (RFC 5321 section 4.5.3.1). Nobody has a longer one, so its attempts are not counted.
MAX_IDENTIFIER = 320
NO_MAIL = (
    "The offline tenant sends no notification. Unblock with DELETE /api/v2/user-blocks?identifier=EMAIL, or set a new "
    "password."
)


class WrongCredentials(Exception):
    """The e-mail address or the password is wrong. `user` is the user of the address, if there is one."""

    def __init__(self, user: User | None) -> None:
        super().__init__("Wrong email or password.")
        self.user = user


class TooManyAttempts(Exception):
    """The address had too many wrong passwords in a row. The password is not even looked at."""


def authenticated_user(idp: Idp, email: str, password: str, *, ip: str, databases: Iterable[Connection]) -> User:
    """The user with this address and password. Raises WrongCredentials or TooManyAttempts.

    `ip` is the sender's address. Wrong passwords count if one of `databases` has the protection.
    """
    protection, now = idp.tenant.brute_force, idp.clock.now()
    identifier = email.strip().casefold()
    counts = protection.covers(ip) and len(identifier) <= MAX_IDENTIFIER and any(one.brute_force for one in databases)
    key = _key(identifier, ip if protection.per_ip else "")
    failed = idp.store.failed_logins.get(key, now)
    if counts and protection.blocks and failed is not None and failed.count >= protection.max_attempts:
        raise TooManyAttempts
    user = idp.tenant.user_by_email(email)
    if user is not None and user.password_matches(password):
        idp.store.failed_logins.drop(key)
        return user
    if counts:
        count = failed.count + 1 if failed is not None else 1
        record = FailedLogins(identifier, ip if protection.per_ip else "", count, now + BLOCK_SECONDS)
        idp.store.failed_logins.put(key, record)
        if count == protection.max_attempts:
            details = NO_MAIL if protection.blocks else "The protection only monitors: its shields have no `block`."
            idp.log.add("limit_wc", f"{count} failed login attempts from {ip}", user=user, details=details)
    raise WrongCredentials(user)


def blocks_of(idp: Idp, identifier: str) -> list[FailedLogins]:
    """The blocks of an e-mail address, each with the sender's IP address, or without one if all are blocked."""
    most, now = idp.tenant.brute_force.max_attempts, idp.clock.now()
    return [
        record
        for _, record in idp.store.failed_logins.items()
        if record.identifier == identifier.strip().casefold() and record.count >= most and record.expires_at > now
    ]


def unblock(idp: Idp, identifier: str) -> None:
    """Forget the wrong passwords of an e-mail address, from everywhere."""
    for key, record in idp.store.failed_logins.items():
        if record.identifier == identifier.strip().casefold():
            idp.store.failed_logins.drop(key)


def _key(identifier: str, ip: str) -> str:
    return f"{identifier}\n{ip}"
