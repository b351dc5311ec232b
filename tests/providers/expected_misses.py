"""What does not hold with a provider, and why. The run fails if anything else is missing, or if one of these holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """One miss.

    Attributes:
        seen: words of what is seen, so that another fault is not taken for this one.
        reason: why, and whose limit it is.
    """

    seen: str
    reason: str


MISSES: dict[str, dict[str, Expected]] = {}
"""By the provider's name and the check's name."""
