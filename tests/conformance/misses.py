"""Scenarios that do not hold, and why. One that begins to hold must leave this list."""

from __future__ import annotations

KNOWN: dict[str, dict[str, str]] = {
    "0.1": {},
    "0.2": {},
}
