"""What the checks found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from .entries import ENTRIES


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
        environment: the line of `.env` that mends it here, where the doctor knows better than the entry.
    """

    check: str
    mark: Mark
    seen: str
    environment: str = ""

    def fixes(self) -> dict[str, str]:
        """How to mend it, by where that is done; empty unless it is wrong."""
        entry = ENTRIES[self.check]
        ways = {
            "dashboard": entry.dashboard,
            "command": entry.command,
            "environment": self.environment or entry.environment,
        }
        return {where: how for where, how in ways.items() if how} if self.mark is Mark.WRONG else {}


@dataclass
class Record:
    """Collects the findings. Of one check the first counts.

    Attributes:
        skipped: checks that are not wanted.
        offsets: by whose clock: how many seconds it is ahead of this machine's.
        reached: https hosts that showed a certificate which is trusted.
    """

    skipped: frozenset[str] = frozenset()
    offsets: dict[str, float] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)
    _findings: dict[str, Finding] = field(default_factory=dict)

    def ok(self, check: str, seen: str) -> None:
        self._add(Finding(check, Mark.OK, seen))

    def wrong(self, check: str, seen: str, environment: str = "") -> None:
        self._add(Finding(check, Mark.WRONG, seen, environment))

    def unknown(self, checks: str | Iterable[str], why: str) -> None:
        for check in [checks] if isinstance(checks, str) else checks:
            self._add(Finding(check, Mark.UNKNOWN, why))

    def is_wrong(self, check: str) -> bool:
        finding = self._findings.get(check)
        return finding is not None and finding.mark is Mark.WRONG

    def findings(self) -> list[Finding]:
        """In the order of `ENTRIES`, one for each."""
        return [
            self._findings.get(check, Finding(check, Mark.UNKNOWN, "not checked"))
            for check in ENTRIES
            if check not in self.skipped
        ]

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(finding.check, finding)
