"""What the checks found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from ..causes.catalogue import ENTRIES


class Mark(Enum):
    """The result of a check; the value is its sign."""

    OK = "✓"
    WRONG = "✗"
    UNKNOWN = "–"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: a name of `ENTRIES`.
        seen: what was seen; for an unknown result, why the check was not possible.
        environment: the line of `.env` that fixes the fault, if it is more exact than the entry's.
        guessed: whether the result was inferred from an answer that may have another reason.
    """

    check: str
    mark: Mark
    seen: str
    environment: str = ""
    guessed: bool = False

    def fixes(self) -> dict[str, str]:
        """How to fix the fault, by place: `dashboard`, `command`, `environment`. Empty unless the mark is WRONG."""
        entry = ENTRIES[self.check]
        fixes = {
            "dashboard": entry.dashboard,
            "command": entry.command,
            "environment": self.environment or entry.environment,
        }
        return {place: fix for place, fix in fixes.items() if fix} if self.mark is Mark.WRONG else {}


@dataclass
class Findings:
    """Collects the findings from one source. The first finding of a check counts.

    Attributes:
        skipped: checks to leave out.
        clock_offsets: how many seconds each party's clock is ahead of this machine's.
        trusted_hosts: https hosts whose certificate is trusted.
    """

    skipped: frozenset[str] = frozenset()
    clock_offsets: dict[str, float] = field(default_factory=dict)
    trusted_hosts: list[str] = field(default_factory=list)
    _findings: dict[str, Finding] = field(default_factory=dict)

    def ok(self, check: str, seen: str, *, guessed: bool = False) -> None:
        self._add(Finding(check, Mark.OK, seen, guessed=guessed))

    def wrong(self, check: str, seen: str, environment: str = "", *, guessed: bool = False) -> None:
        self._add(Finding(check, Mark.WRONG, seen, environment, guessed))

    def wrong_api(self, audience: str, similar: str, difference: str) -> None:
        """The tenant has no API with this Identifier, but an API with a similar one."""
        seen = f"The tenant has no API {audience!r}, but it has {similar!r} ({difference})."
        self.wrong("api", seen, f"AUTH0_AUDIENCE={similar}  # or create an API {audience}")

    def unknown(self, checks: str | Iterable[str], why: str) -> None:
        for check in [checks] if isinstance(checks, str) else checks:
            self._add(Finding(check, Mark.UNKNOWN, why))

    def is_wrong(self, check: str) -> bool:
        return check in self._findings and self._findings[check].mark is Mark.WRONG

    def all(self, from_objects: Findings | None = None) -> list[Finding]:
        """One finding for each check, in the order of `ENTRIES`.

        Args:
            from_objects: the findings from the tenant's objects.
        """
        others = from_objects._findings if from_objects else {}
        return [
            _combined(self._findings.get(check), others.get(check)) or Finding(check, Mark.UNKNOWN, "not checked")
            for check in ENTRIES
            if check not in self.skipped
        ]

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(finding.check, finding)


def _combined(answered: Finding | None, configured: Finding | None) -> Finding | None:
    """One finding from two sources: the tenant's answers to a client, and the tenant's objects.

    The answers count more than the objects, unless they were guessed. A contradiction is shown: the objects may be of
    another tenant, may have changed a moment ago, or may follow a rule that is not known here.
    """
    if answered is None or configured is None:
        return answered or configured
    seen, seen_in_objects = answered.seen.removesuffix("."), configured.seen.removesuffix(".")
    if answered.mark is configured.mark:
        both = answered.seen if configured.seen in answered.seen else f"{seen}; {configured.seen}"
        return replace(answered, seen=both, environment=answered.environment or configured.environment)
    if Mark.UNKNOWN in (answered.mark, configured.mark):
        return configured if answered.mark is Mark.UNKNOWN else answered
    if answered.guessed:
        return replace(configured, seen=f"{seen_in_objects}. The tenant's answers suggest otherwise: {answered.seen}")
    return replace(
        answered,
        seen=f"{seen}. But the Management API says: {seen_in_objects}. Does it belong to the same tenant, and did this"
        " change a moment ago?",
    )
