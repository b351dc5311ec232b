"""Scopes in words, as Auth0's consent page has them."""

from __future__ import annotations

from collections.abc import Sequence

from .tenant import Api

# The wording is Auth0's as commonly seen (secondary).
PROFILE_TEXTS = {
    "profile": "Profile: access to your profile",
    "email": "Email: access to your email address",
    "phone": "Phone: access to your phone number",
    "address": "Address: access to your postal address",
    "offline_access": "Allow offline access",
}


def in_words(scope: str, api: Api | None) -> str:
    """What a scope means: the API's description of it, where it has one."""
    described = api.scopes.get(scope) if api is not None else None
    return described or auth0_lines([scope])[0]


def auth0_lines(scopes: Sequence[str]) -> list[str]:
    """Without descriptions: `read:posts write:posts` becomes the line `Posts: read and write your posts`."""
    actions: dict[str, list[str]] = {}
    for scope in scopes:
        action, separator, resource = scope.partition(":")
        grouped = bool(separator and action and resource) and scope not in PROFILE_TEXTS
        actions.setdefault(resource if grouped else scope, []).append(action if grouped else "")
    return [_line(name, found) for name, found in actions.items()]


def _line(name: str, actions: list[str]) -> str:
    if actions == [""]:
        return PROFILE_TEXTS.get(name, name)
    verbs = [action for action in actions if action]
    listed = f"{', '.join(verbs[:-1])} and {verbs[-1]}" if len(verbs) > 1 else verbs[0]
    return f"{name.capitalize()}: {listed} your {name}"
