"""What does not hold with a provider, and why. The run fails if anything else is missing, or if one of these holds."""

from __future__ import annotations

from tests.support.judged import Expected

_EVERYBODY = Expected(
    "bob may call", "nanoidp and django-oauth-toolkit grant scopes by client, not by person: everybody gets them"
)
_SAME_KEYS = Expected(
    "`gatehouse call get_time` ended with 3",
    "nanoidp signs its refresh tokens with the same keys: they end with the key, and a person has to sign in again",
)
_OPAQUE = Expected("it has no rotation of keys", "the access tokens are opaque: they are not signed")

MISSES: dict[str, dict[str, Expected]] = {
    "nanoidp": {"refusal": _EVERYBODY, "withdrawal": _SAME_KEYS},
    "nanoidp-roles": {
        "step-up": Expected(
            "there is nothing to ask for", "a person has all roles from the first sign-in: there is nothing to ask for"
        ),
        "withdrawal": _SAME_KEYS,
    },
    "django-oauth-toolkit": {"refusal": _EVERYBODY, "rotation": _OPAQUE, "withdrawal": _OPAQUE},
    "auth0-simulator": {
        "sign-in": Expected(
            "code_challenge_methods_supported",
            "the simulator has no PKCE, and does not say that it has it; the agent refuses such a provider",
        )
    },
}
"""By the provider's name and the check's name. Without a sign-in nothing else is checked."""
