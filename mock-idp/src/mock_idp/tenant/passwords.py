"""The password policy of a database (Auth0: Configure Password Policies, Configure the Flexible Password Policy).

The rules and their texts are those of Auth0's library password-sheriff 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

MAX_BYTES = 72
# By the names in `password_options`: code, text and pattern.
CHARACTERS: Mapping[str, tuple[str, str, re.Pattern[str]]] = {
    "lowercase": ("lowerCase", "lower case letters (a-z)", re.compile("[a-z]")),
    "uppercase": ("upperCase", "upper case letters (A-Z)", re.compile("[A-Z]")),
    "number": ("numbers", "numbers (i.e. 0-9)", re.compile("[0-9]")),
    "special": ("specialCharacters", "special characters (e.g. !@#$%^&*)", re.compile("[ -/:-@\\[-`{-~]")),
}
# What a password must not contain, if personal data is blocked; `email` counts up to its @.
PERSONAL_DATA = (
    *("name", "username", "nickname", "email"),
    *("user_metadata.name", "user_metadata.first", "user_metadata.last"),
)


@dataclass(frozen=True)
class Rule:
    """A rule for passwords. `message` has `%d` or `%s` for each of `values`."""

    code: str
    message: str
    holds: Callable[[str], bool] = field(repr=False)
    values: tuple[int | str, ...] = ()
    items: tuple[Rule, ...] = ()

    def checked(self, password: str) -> dict[str, Any]:
        """The rule in the form of Auth0's answers, with `verified`."""
        shown: dict[str, Any] = {"message": self.message}
        if self.values:
            shown["format"] = list(self.values)
        shown["code"] = self.code
        if self.items:
            shown["items"] = [item.checked(password) for item in self.items]
        return {**shown, "verified": self.holds(password)}

    def text(self, indent: str = "") -> str:
        """The rule and its items as lines of a list."""
        lines = [f"{indent}* {self.message % self.values if self.values else self.message}"]
        return "\n".join([*lines, *(item.text(f"{indent} ") for item in self.items)])


class PasswordRefused(Exception):
    """A password that the policy refuses. `name` and `description` are Auth0's, `policy` is the rules as text."""

    def __init__(self, name: str, message: str, *, description: Any = None, policy: str = "") -> None:  # noqa: ANN401 - JSON
        super().__init__(message)
        self.name = name
        self.message = message
        self.description = message if description is None else description
        self.policy = policy


@dataclass(frozen=True)
class PasswordPolicy:
    """What a new password must be. `characters` are names of CHARACTERS, of which `at_least` must occur.

    `history` is the number of earlier passwords that cannot come back, `words` are forbidden passwords in lower case,
    and `personal` are the members of a user whose values a password must not contain.
    """

    min_length: int = 1
    characters: tuple[str, ...] = ()
    at_least: int = 0
    max_identical: int | None = None
    max_sequential: int | None = None
    max_bytes: int | None = None
    history: int = 0
    words: frozenset[str] = frozenset()
    personal: tuple[str, ...] = ()

    def rules(self) -> list[Rule]:
        rules = [self._length()]
        if self.characters:
            rules.append(self._composition())
        if (most := self.max_identical) is not None:
            message = 'No more than %d identical characters in a row (e.g., "%s" not allowed)'
            rules.append(
                Rule("identicalChars", message, lambda text: _run(text, _same) <= most, (most, "a" * (most + 1)))
            )
        if (most_in_order := self.max_sequential) is not None:
            message = 'No more than %d sequential alphanumeric characters (e.g., "%s" not allowed)'
            example = "abcdefghij"[: most_in_order + 1]
            rules.append(
                Rule(
                    "sequentialChars", message, lambda text: _in_order(text) <= most_in_order, (most_in_order, example)
                )
            )
        if (most_bytes := self.max_bytes) is not None:
            too_long = "Maximum password length exceeded"
            rules.append(Rule("maxLength", too_long, lambda text: len(text.encode()) <= most_bytes))
        return rules

    def text(self) -> str:
        """The rules as lines of a list."""
        return "\n".join(rule.text() for rule in self.rules())

    def check(self, password: str, user: Mapping[str, Any], earlier: Iterable[str] = ()) -> None:
        """PasswordRefused if `user` cannot have the password. `earlier` are the user's passwords, latest first."""
        rules = self.rules()
        if not all(rule.holds(password) for rule in rules):
            checked = {"rules": [rule.checked(password) for rule in rules], "verified": False}
            raise PasswordRefused(
                "PasswordStrengthError", "Password is too weak", description=checked, policy=self.text()
            )
        if password.casefold() in self.words:
            raise PasswordRefused("PasswordDictionaryError", "Password is too common")
        if any(value in password.casefold() for value in _personal_values(self.personal, user)):
            raise PasswordRefused("PasswordNoUserInfoError", "Password contains user information")
        if password in list(earlier)[: self.history]:
            raise PasswordRefused("PasswordHistoryError", "Password has previously been used")

    def _length(self) -> Rule:
        least = self.min_length
        if least <= 1:
            return Rule("nonEmpty", "Non-empty password required", bool)
        return Rule("lengthAtLeast", "At least %d characters in length", lambda text: len(text) >= least, (least,))

    def _composition(self) -> Rule:
        items = tuple(_character_rule(name) for name in self.characters)
        least, kinds = self.at_least, len(items)

        def holds(text: str) -> bool:
            return sum(item.holds(text) for item in items) >= least

        if least == kinds:
            return Rule("shouldContain", "Should contain:", holds, items=items)
        message = "Contain at least %d of the following %d types of characters:"
        return Rule("containsAtLeast", message, holds, (least, kinds), items)


ALL_CHARACTERS = tuple(CHARACTERS)
# By the values of `passwordPolicy` (Auth0: Password Strength in Auth0 Database Connections).
LEVELS: Mapping[str, PasswordPolicy] = {
    "none": PasswordPolicy(),
    "low": PasswordPolicy(min_length=6),
    "fair": PasswordPolicy(min_length=8, characters=ALL_CHARACTERS[:3], at_least=3),
    "good": PasswordPolicy(min_length=8, characters=ALL_CHARACTERS, at_least=3),
    "excellent": PasswordPolicy(min_length=10, characters=ALL_CHARACTERS, at_least=3, max_identical=2),
}


def _character_rule(name: str) -> Rule:
    code, text, pattern = CHARACTERS[name]
    return Rule(code, text, lambda password: pattern.search(password) is not None)


def _personal_values(members: Iterable[str], user: Mapping[str, Any]) -> Iterable[str]:
    for member in members:
        value: Any = user
        for part in member.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        text = value.strip().casefold() if isinstance(value, str) else ""
        if text := text.partition("@")[0] if member == "email" else text:
            yield text


def _same(one: str, other: str) -> bool:
    return one == other


def _run(text: str, belong: Callable[[str, str], bool]) -> int:
    """The longest run of characters of which each belongs to the one before it."""
    longest = current = min(1, len(text))
    for one, other in pairwise(text):
        current = current + 1 if belong(one, other) else 1
        longest = max(longest, current)
    return longest


def _in_order(text: str) -> int:
    """The longest run of letters or digits that go up or down by one."""

    def follows(step: int) -> Callable[[str, str], bool]:
        def belong(one: str, other: str) -> bool:
            return (
                one.isascii()
                and one.isalnum()
                and other.isascii()
                and other.isalnum()
                and ord(other) - ord(one) == step
            )

        return belong

    return max(_run(text, follows(1)), _run(text, follows(-1)))
