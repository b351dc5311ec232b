"""What a check found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from ..causes.catalogue import ENTRIES, Entry
from ..causes.providers import AUTH0, entry_for, in_words_of

_MARKER: Final = re.compile(r"<(\w+)>")
_HARMLESS: Final = re.compile(r"[\x21-\x26\x28-\x7e]+")
"""Values for a line that a person copies into a shell, where each value is between single quotes, or into `.env`."""


class Mark(Enum):
    """The result of a check; the value is its sign."""

    OK = "✓"
    WRONG = "✗"
    UNKNOWN = "–"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        seen: what was seen; for an unknown result, why the check was not possible.
        check: a name of `ENTRIES`.
        values: values for the fix lines of the entry, by their names there.
        explained_by: the check whose texts explain the fault, if they are not those of the check itself.
        advice: the fix in one sentence, in place of all fixes of the entry; empty to use the entry's.
        guessed: whether the result was inferred from an answer that may have another reason.
        blocks: whether the checks that stand on this one cannot run.
        because: the check that is wrong or unknown, if this check could not run because of it.
        profile: the provider, for the texts.
    """

    mark: Mark
    seen: str
    check: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    explained_by: str = ""
    advice: str = ""
    guessed: bool = False
    blocks: bool = False
    because: str = ""
    profile: str = AUTH0

    @property
    def entry(self) -> Entry:
        """The texts that explain the fault."""
        return entry_for(self.explained_by or self.check, self.profile)

    def about(self, profile: str) -> Finding:
        """The finding in the words of that provider."""
        seen, advice = in_words_of(profile, self.seen), in_words_of(profile, self.advice)
        return replace(self, profile=profile, seen=seen, advice=advice)

    def fixes(self) -> dict[str, str]:
        """How to fix the fault, by place: `dashboard`, `command`, `environment`.

        A line with a value that is not known, or that is not safe to copy, is left out.
        """
        if self.mark is not Mark.WRONG or self.advice:
            return {}
        places = {name: getattr(self.entry, name) for name in ("dashboard", "command", "environment")}
        filled = {place: filter(None, map(self._filled, text.splitlines())) for place, text in places.items()}
        return {place: text for place, lines in filled.items() if (text := "\n".join(lines))}

    def _filled(self, line: str) -> str:
        known = {name: self.values.get(name, "") for name in _MARKER.findall(line)}
        if not all(_HARMLESS.fullmatch(value) for value in known.values()):
            return ""
        return _MARKER.sub(lambda marker: known[marker[1]], line)


def ok(seen: str, *, guessed: bool = False) -> Finding:
    """The check passes."""
    return Finding(Mark.OK, seen, guessed=guessed)


def wrong(
    seen: str, *, explained_by: str = "", advice: str = "", guessed: bool = False, **values: str | None
) -> Finding:
    """The check fails. `values` are for its fix lines."""
    known = {name: value for name, value in values.items() if value is not None}
    return Finding(Mark.WRONG, seen, "", known, explained_by, advice, guessed, blocks=True)


def unknown(why: str) -> Finding:
    """The check is not possible. Checks that stand on it are not possible either."""
    return Finding(Mark.UNKNOWN, why, blocks=True)


def not_needed(why: str) -> Finding:
    """The check has no meaning here. Checks that stand on it can run."""
    return Finding(Mark.UNKNOWN, why)


def because(ground: Finding) -> Finding:
    """The check cannot run, or means nothing, because another check is wrong or unknown."""
    state = "wrong" if ground.mark is Mark.WRONG else "not known"
    seen = f"because {ground.check} is {state}: {ENTRIES[ground.check].title}"
    return Finding(Mark.UNKNOWN, seen, blocks=True, because=ground.check)


def combined(answered: Finding, configured: Finding) -> Finding:
    """One finding from two sources: the tenant's answers to a client, and the tenant's objects.

    The answers count more than the objects, unless they were guessed. A contradiction is shown: the objects may be of
    another tenant, may have changed a moment ago, or may follow a rule that is not known here.
    """
    seen, seen_in_objects = answered.seen.removesuffix("."), configured.seen.removesuffix(".")
    if configured.mark is Mark.UNKNOWN:
        return configured if answered.because and not configured.blocks else answered
    if answered.mark is Mark.UNKNOWN:
        return configured
    if answered.mark is configured.mark:
        both = answered.seen if configured.seen in answered.seen else f"{seen}; {configured.seen}"
        return replace(answered, seen=both, values={**configured.values, **answered.values})
    if answered.guessed:
        return replace(configured, seen=f"{seen_in_objects}. The tenant's answers suggest otherwise: {answered.seen}")
    return replace(
        answered,
        seen=f"{seen}. But the Management API says: {seen_in_objects}. Does it belong to the same tenant, and did this"
        " change a moment ago?",
    )
