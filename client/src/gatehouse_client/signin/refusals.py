"""The errors for a final 401 or 403 of the server."""

from __future__ import annotations

from typing import Final

from ..causes.catalogue import advice, advice_on
from ..causes.providers import AUTH0, PLACES, TITLES
from ..errors import ForbiddenError, SignInError
from ..foreign_text import foreign
from ..profiles import BY_ISSUER, ProfileChoice
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


def forbidden(
    server: str,
    grant: Grant | None,
    challenge: Challenge | None,
    permission: str,
    choice: ProfileChoice = BY_ISSUER,
) -> ForbiddenError:
    """The error for a 403 that a sign-in did not or cannot change.

    Args:
        permission: the permission to name if the challenge names none.
        choice: what the token grants.
    """
    needed = frozenset(challenge.permissions) if challenge else frozenset[str]()
    profile = choice.at(grant.issuer if grant else None, grant.resource if grant else "")
    held = profile.permissions(grant.access_token, grant.scopes) if grant else frozenset[str]()
    missing = needed - held or needed
    if challenge is None:
        problem = "The call is forbidden"
    else:
        problem = f"The permission {foreign(' '.join(sorted(missing))) or permission} is missing"
    person = grant.person if grant else None
    message = (
        f"{problem}: {server} answered 403 ({_reason(challenge) or 'no reason given'})."
        f"{f' Signed in as {person}.' if person else ''}"
        f" An administrator of the tenant can grant it{_place(profile.name, grant)};"
        " then run `gatehouse login --force`. (More: gatehouse doctor --explain role)"
    )
    return ForbiddenError(message, missing)


def _reason(challenge: Challenge | None) -> str:
    return foreign(challenge.description or challenge.error or "").rstrip(".") if challenge else ""


def _place(profile: str, grant: Grant | None) -> str:
    if profile == AUTH0:
        place = _MACHINES if _is_machine(grant.person if grant else None) else _USERS
    else:
        place = PLACES.get(profile, {}).get("role", "")
    return f" ({TITLES[profile]}: {place})" if place else ""


def _is_machine(person: str | None) -> bool:
    """Whether an application signed in as itself. Auth0 gives it a subject that ends with `@clients`."""
    return person is not None and person.endswith("@clients")
