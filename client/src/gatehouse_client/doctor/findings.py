"""What the checks found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from ..causes.catalogue import ENTRIES


class Mark(Enum):
    """How a check ended; the value is its sign."""

    OK = "✓"
    WRONG = "✗"
    UNKNOWN = "–"


@dataclass(frozen=True)
class Finding:
    """One check's result.

    Attributes:
        check: a name of `ENTRIES`.
        seen: what was seen; of an unknown one, why it could not be checked.
        environment: the line of `.env` that fixes the fault, if the doctor knows it better than the entry.
        guessed: whether it was inferred from an answer that may mean something else, too.
    """

    check: str
    mark: Mark
    seen: str
    environment: str = ""
    guessed: bool = False

    def fixes(self) -> dict[str, str]:
        """How to fix the fault, by the place of the fix. Empty unless the mark is wrong."""
        entry = ENTRIES[self.check]
        ways = {
            "dashboard": entry.dashboard,
            "command": entry.command,
            "environment": self.environment or entry.environment,
        }
        return {where: how for where, how in ways.items() if how} if self.mark is Mark.WRONG else {}


@dataclass
class Record:
    """Collects the findings of one source. Of one check the first counts.

    Attributes:
        skipped: checks that are not wanted.
        offsets: by whose clock: how many seconds it is ahead of this machine's.
        reached: https hosts that showed a certificate which is trusted.
    """

    skipped: frozenset[str] = frozenset()
    offsets: dict[str, float] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)
    _findings: dict[str, Finding] = field(default_factory=dict)

    def ok(self, check: str, seen: str, *, guessed: bool = False) -> None:
        self._add(Finding(check, Mark.OK, seen, guessed=guessed))

    def wrong(self, check: str, seen: str, environment: str = "", *, guessed: bool = False) -> None:
        self._add(Finding(check, Mark.WRONG, seen, environment, guessed))

    def unknown(self, checks: str | Iterable[str], why: str) -> None:
        for check in [checks] if isinstance(checks, str) else checks:
            self._add(Finding(check, Mark.UNKNOWN, why))

    def is_wrong(self, check: str) -> bool:
        finding = self.of(check)
        return finding is not None and finding.mark is Mark.WRONG

    def of(self, check: str) -> Finding | None:
        """What was found; None while the check was not made."""
        return self._findings.get(check)

    def findings(self, told: Record | None = None) -> list[Finding]:
        """In the order of `ENTRIES`, one for each.

        Args:
            told: what the tenant's own objects say.
        """
        return [
            _weighed(self.of(check), told.of(check) if told else None) or Finding(check, Mark.UNKNOWN, "not checked")
            for check in ENTRIES
            if check not in self.skipped
        ]

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(finding.check, finding)


def _weighed(met: Finding | None, told: Finding | None) -> Finding | None:
    """One finding of two: what a client really met counts before what the tenant's objects say, unless it was guessed.

    A contradiction is shown: of another tenant, of a change a moment ago, or of a rule that is not known here.
    """
    if met is None or told is None:
        return met or told
    if met.mark is told.mark:
        return replace(met, seen=_both(met.seen, told.seen), environment=met.environment or told.environment)
    if Mark.UNKNOWN in (met.mark, told.mark):
        return told if met.mark is Mark.UNKNOWN else met
    if met.guessed:
        return replace(told, seen=f"{_open(told.seen)}, though it looks otherwise: {met.seen}")
    return replace(
        met,
        seen=f"{_open(met.seen)}. But the Management API says: {_open(told.seen)}. Is it of the same tenant, and was"
        " this changed a moment ago?",
    )


def _both(first: str, second: str) -> str:
    return first if second in first else f"{_open(first)}; {second}"


def _open(sentence: str) -> str:
    return sentence.removesuffix(".")
