"""Challenges of the `WWW-Authenticate` header (RFC 9110 section 11.6.1, RFC 6750 section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PART = re.compile(
    rf"""[ \t,]*+(?:
        (?P<name>{_NAME}) [ \t]*+ = [ \t]*+ (?: "(?P<quoted>(?:[^"\\]|\\.)*+)" | (?P<value>{_NAME}) )
      | (?P<scheme>{_NAME}) (?: [ \t]++ (?P<token68>[A-Za-z0-9\-._~+/]++=*+) (?=[ \t]*+(?:,|$)) | (?![ \t]*+=) )
    )""",
    re.VERBOSE,
)
"""A parameter, or the scheme of the next challenge with its token68."""


@dataclass(frozen=True)
class Challenge:
    """One challenge.

    Attributes:
        scheme: lower case, for example `bearer`.
        parameters: by their names in lower case. If a name is repeated, the first value counts.
        token68: the credentials that some schemes have in place of parameters.
    """

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)
    token68: str | None = None

    @property
    def error(self) -> str | None:
        return self.parameters.get("error")

    @property
    def description(self) -> str | None:
        return self.parameters.get("error_description")

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """The scopes that the server asks for; None if it names none."""
        scope = self.parameters.get("scope")
        return tuple(scope.split()) if scope and scope.split() else None

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions that the server asks for. A Gatehouse server names them if they are not the scopes."""
        return tuple(self.parameters.get("permission", "").split()) or self.scopes or ()

    @property
    def resource_metadata(self) -> str | None:
        """The URL of the protected resource metadata (RFC 9728 section 5.1)."""
        return self.parameters.get("resource_metadata")


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of every `WWW-Authenticate` header, in order.

    If a header is malformed, the part before the fault counts.
    """
    return [challenge for header in headers for challenge in _challenges(header)]


def bearer_challenge(headers: Iterable[str]) -> Challenge | None:
    """The Bearer challenge; the one with most parameters if there are several; None if there is none."""
    bearers = [challenge for challenge in parse_challenges(headers) if challenge.scheme == "bearer"]
    return max(bearers, key=lambda challenge: len(challenge.parameters), default=None)


def _challenges(header: str) -> Iterable[Challenge]:
    found: list[Challenge] = []
    at = 0
    while match := _PART.match(header, at):
        at = match.end()
        if match["scheme"]:
            found.append(Challenge(match["scheme"].lower(), token68=match["token68"]))
        elif found:
            value = match["value"] or re.sub(r"\\(.)", r"\1", match["quoted"])
            found[-1].parameters.setdefault(match["name"].lower(), value)
        else:
            break
    return found
