"""The errors for a final 401 or 403 of the server."""

from __future__ import annotations

from typing import Final

from ..causes.catalogue import advice, advice_on
from ..errors import ForbiddenError, SignInError
from ..foreign_text import foreign
from ..storage.grant import Grant
from .protocol.challenge import Challenge

_USERS: Final = "User Management > Users > the user > Roles"
_MACHINES: Final = "Applications > APIs > the API > Application Access"


def refused_token(server: str, grant: Grant | None, challenge: Challenge | None) -> SignInError:
    """The error for a 401 to a token that has just been issued."""
    issuer = f" by {grant.issuer}" if grant else ""
    reason = _reason(challenge)
    return SignInError(
        f"{server} refuses the token that was just issued{issuer} ({reason or '401'})."
        f"{advice(reason, otherwise=advice_on('accepted'))}"
    )


def forbidden(server: str, grant: Grant | None, challenge: Challenge | None, permission: str) -> ForbiddenError:
    """The error for a 403 that a sign-in did not or cannot change.

    Args:
        permission: the permission to name if the challenge names none.
    """
    needed = frozenset(challenge.scopes or ()) if challenge else frozenset[str]()
    missing = needed - (grant.scopes if grant else frozenset()) or needed
    if challenge is None:
        problem = "The call is forbidden"
    else:
        problem = f"The permission {foreign(' '.join(sorted(missing))) or permission} is missing"
    person = grant.person if grant else None
    message = (
        f"{problem}: {server} answered 403 ({_reason(challenge) or 'no reason given'})."
        f"{f' Signed in as {person}.' if person else ''}"
        f" An administrator of the tenant can grant it (Auth0: {_MACHINES if _is_machine(person) else _USERS});"
        " then run `gatehouse login --force`. (More: gatehouse doctor --explain role)"
    )
    return ForbiddenError(message, missing)


def _reason(challenge: Challenge | None) -> str:
    return foreign(challenge.description or challenge.error or "").rstrip(".") if challenge else ""


def _is_machine(person: str | None) -> bool:
    """Whether an application signed in as itself. Auth0 gives it a subject that ends with `@clients`."""
    return person is not None and person.endswith("@clients")
