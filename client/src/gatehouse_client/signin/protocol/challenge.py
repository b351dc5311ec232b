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
"""One parameter, or the beginning of a challenge: its scheme, with what some schemes carry in place of parameters."""


@dataclass(frozen=True)
class Challenge:
    """One challenge.

    Attributes:
        scheme: lower case, for example `bearer`.
        parameters: names in lower case; of a repeated name the first value counts.
        token68: what some schemes carry in place of parameters.
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
        """The scopes that the server asks for; None when it names none."""
        scope = self.parameters.get("scope")
        return tuple(scope.split()) if scope and scope.split() else None

    @property
    def resource_metadata(self) -> str | None:
        """Where the protected resource metadata is (RFC 9728 section 5.1)."""
        return self.parameters.get("resource_metadata")


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of every `WWW-Authenticate` header, in order.

    A malformed rest of a header is dropped: what came before it still counts.
    """
    return [challenge for header in headers for challenge in _challenges(header)]


def bearer_challenge(headers: Iterable[str]) -> Challenge | None:
    """The Bearer challenge, of several the one that says most; None when there is none."""
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
