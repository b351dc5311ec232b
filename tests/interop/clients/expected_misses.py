"""What does not hold with a client, and why. The run fails if anything else is missing, or if one of these holds."""

from __future__ import annotations

from tests.support.judged import Expected

_NEEDS_A_MODEL = "an agent calls a tool only when a model asks for it; it was run without a model"
_NO_REFRESH_TOKEN = (
    "the client does not request `offline_access`, so it gets no refresh token: a person signs in again (its limit)"
)
_CALL = Expected("calls a tool only when a model asks for it", _NEEDS_A_MODEL)
_SESSION = Expected("connects to a server only in a session", _NEEDS_A_MODEL)
_SIGNED_IN_TWICE = Expected("signed in 2 times", _NO_REFRESH_TOKEN)
_NO_BROWSER = Expected("No browser could be opened", _NO_REFRESH_TOKEN)
_TOOLS_UNAVAILABLE = Expected("tools unavailable", _NO_REFRESH_TOKEN)
_UNKNOWN_EXPIRY = (
    "the Python SDK keeps no time of expiry: in a new process it takes the kept token for valid, and after the 401 "
    "it signs in again instead of using the refresh token (its limit)"
)
_FASTMCP_RESTART = Expected("timed out after 30 seconds", _UNKNOWN_EXPIRY)
_TWO_REFRESHES = Expected(
    "Disconnected",
    "when the kept token has expired, it sends the same refresh token twice at the same time; the token rotates, so "
    "the tenant takes the second one for stolen, and ends the sign-in (the client's limit)",
)

MISSES: dict[str, dict[str, Expected]] = {
    "claude-code": {"call": _CALL, "step-up": _CALL},
    "codex": dict.fromkeys(("call", "step-up", "renewal", "restart", "refusal"), _SESSION),
    "opencode": {"call": _CALL, "step-up": _CALL},
    "gemini-cli": {"call": _CALL, "step-up": _CALL, "renewal": _TWO_REFRESHES, "restart": _TWO_REFRESHES},
    "inspector": {
        "step-up": Expected(
            "the first sign-in asked for all",
            "it requests all permissions at the first sign-in: nothing is left",
        )
    },
    "mcporter": {
        "step-up": Expected(
            "Authorization required", "it does not ask for a further permission by itself, and says so (its limit)"
        ),
        "renewal": _TOOLS_UNAVAILABLE,
        "restart": _TOOLS_UNAVAILABLE,
    },
    "typescript-1": {"renewal": _SIGNED_IN_TWICE, "restart": _NO_BROWSER},
    "ai-sdk": {
        "step-up": Expected(
            "HTTP 403", "it does not ask for a further permission: the application gets the 403 (its limit)"
        ),
        "renewal": _SIGNED_IN_TWICE,
        "restart": _NO_BROWSER,
    },
    "python-1": {"renewal": _SIGNED_IN_TWICE, "restart": _NO_BROWSER},
    "python-2": {"restart": Expected("No browser could be opened", _UNKNOWN_EXPIRY)},
    "fastmcp": {"restart": _FASTMCP_RESTART},
    "langchain": {"renewal": _SIGNED_IN_TWICE, "restart": _NO_BROWSER},
    "pydantic-ai": {"restart": _FASTMCP_RESTART},
}
"""By the client's name and the check's name. Without a sign-in nothing else is checked."""
