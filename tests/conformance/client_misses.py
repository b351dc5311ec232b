"""Client scenarios that do not hold, and why. One that begins to hold must leave this list."""

from __future__ import annotations

_GUESSING = (
    "The server has no metadata: revision 2025-03-26 had clients guess. Ours never guesses where to send secrets."
)
_DPOP = "DPoP is an extension (SEP-1932) that Gatehouse does not have: its tokens are bearer tokens."

KNOWN: dict[str, dict[str, str]] = {
    "0.1": {
        "auth/2025-03-26-oauth-endpoint-fallback": _GUESSING,
        "auth/2025-03-26-oauth-metadata-backcompat": _GUESSING,
    },
    "0.2": {
        "auth/dpop": _DPOP,
        "auth/dpop-nonce": _DPOP,
    },
}
