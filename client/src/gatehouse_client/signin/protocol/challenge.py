"""Challenges of the `WWW-Authenticate` header (RFC 9110 section 11.6.1, RFC 6750 section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_SPACE = re.compile(r"[ \t]*")
_SEPARATORS = re.compile(r"[ \t,]*")


@dataclass(frozen=True)
class Challenge:
    """One challenge.

    Attributes:
        scheme: lower case, for example `bearer`.
        parameters: names in lower case; of a repeated name the first value counts.
        token68: what some schemes carry in place of parameters.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
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
    return [challenge for header in headers for challenge in _Parser(header).challenges()]


def bearer_challenge(headers: Iterable[str]) -> Challenge | None:
    """The Bearer challenge, of several the one that says most; None when there is none."""
    bearers = [challenge for challenge in parse_challenges(headers) if challenge.scheme == "bearer"]
    return max(bearers, key=lambda challenge: len(challenge.parameters), default=None)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def challenges(self) -> Iterable[Challenge]:
        while True:
            self._take(_SEPARATORS)
            scheme = self._take(_TOKEN).lower()
            if not scheme:
                return
            if not self._take(_SPACE):
                yield Challenge(scheme)
            elif token68 := self._take(_TOKEN68):
                yield Challenge(scheme, token68=token68)
            else:
                yield Challenge(scheme, self._parameters())

    def _parameters(self) -> dict[str, str]:
        parameters: dict[str, str] = {}
        while True:
            start = self._at
            self._take(_SEPARATORS)
            name = self._take(_TOKEN)
            self._take(_SPACE)
            if not name or not self._skip("="):
                self._at = start
                return parameters
            self._take(_SPACE)
            value = self._value()
            if value is None:
                self._at = len(self._text)
                return parameters
            parameters.setdefault(name.lower(), value)

    def _value(self) -> str | None:
        match = _QUOTED.match(self._text, self._at)
        if match:
            self._at = match.end()
            return _ESCAPED.sub(r"\1", match[1])
        return self._take(_TOKEN) or None

    def _skip(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] != character:
            return False
        self._at += 1
        return True

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if not match:
            return ""
        self._at = match.end()
        return match[0]
