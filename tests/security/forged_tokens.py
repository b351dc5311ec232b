"""Hostile tokens that the tenant's control API mints: for each name the expected reason, and the request.

The tenant's own keys sign them unless the request says otherwise.
"""

from __future__ import annotations

import time
from typing import Any

HOUR = 3600
EVIL = "https://evil.example.com/"


def forged_tokens(issuer: str, audience: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """All hostile tokens for a tenant and an API."""
    return {**_kinds(), **_signatures(), **_headers(), **_claims(issuer, audience)}


def _kinds() -> dict[str, tuple[str, dict[str, Any]]]:
    """The variants that the control API has names for."""
    reasons = {
        "expired": "token_expired",
        "not-yet-valid": "not_yet_valid",
        "issued-in-the-future": "issued_in_the_future",
        "foreign-issuer": "wrong_issuer",
        "foreign-audience": "wrong_audience",
        "wrong-key": "bad_signature",
        "unknown-kid": "unknown_key",
        "no-kid": "no_key_id",
        "alg-none": "malformed_token",  # its signature is empty
        "hs256-public-key": "algorithm_not_allowed",
        "id-token-type": "wrong_type",
        "no-subject": "missing_claim",
        "no-expiry": "missing_claim",
        "huge": "token_too_large",
    }
    return {f"of the kind {name}": (reason, {"variant": name}) for name, reason in reasons.items()}


def _signatures() -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        "signed with PS256": ("algorithm_not_allowed", {"header": {"alg": "PS256"}}),
        "signed with RS512": ("algorithm_not_allowed", {"header": {"alg": "RS512"}}),
        "signed with RS256 and called ES256": ("algorithm_not_allowed", {"header": {"alg": "ES256"}}),
        "signed with RS256 and called rs256": ("algorithm_not_allowed", {"header": {"alg": "rs256"}}),
        "signed with a foreign key and called none": (
            "algorithm_not_allowed",
            {"key": "foreign", "header": {"alg": "none"}},
        ),
        "an HMAC of the public key, called RS256": (
            "bad_signature",
            {"key": "hs256-public-key", "header": {"alg": "RS256"}},
        ),
        "unsigned and called RS256": ("malformed_token", {"key": "none", "header": {"alg": "RS256"}}),
    }


def _headers() -> dict[str, tuple[str, dict[str, Any]]]:
    brought = {
        "jku": f"{EVIL}keys",
        "jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "x5u": f"{EVIL}certificate",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "zip": "DEF",
        "cty": "JWT",
        "enc": "A256GCM",
    }
    refused = {
        f"with {name} in its header": ("header_not_allowed", {"header": {name: value}})
        for name, value in brought.items()
    }
    types = {"logout": "logout+jwt", "DPoP": "dpop+jwt", "ID-JAG": "oauth-id-jag+jwt", "empty": "", "JWE": "JWE"}
    typed = {f"of the type {name}": ("wrong_type", {"header": {"typ": value}}) for name, value in types.items()}
    return {
        **refused,
        **typed,
        "without a type": ("wrong_type", {"header": {"typ": None}}),
        "with a list as its type": ("wrong_type", {"header": {"typ": ["JWT"]}}),
        "with an empty kid": ("no_key_id", {"header": {"kid": ""}}),
        "with a number as its kid": ("no_key_id", {"header": {"kid": 1}}),
        "with a long kid": ("no_key_id", {"header": {"kid": "k" * 300}}),
        "with a query as its kid": ("unknown_key", {"header": {"kid": "' OR 1=1 --"}}),
        "with a file as its kid": ("unknown_key", {"header": {"kid": "../../../../dev/null"}}),
        "with a URL as its kid": ("unknown_key", {"header": {"kid": f"{EVIL}keys"}}),
    }


def _claims(issuer: str, audience: str) -> dict[str, tuple[str, dict[str, Any]]]:
    now = int(time.time())
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "expired an hour ago": ("token_expired", {"iat": now - 2 * HOUR, "exp": now - HOUR}),
        "expired before it was issued": ("token_expired", {"exp": now - HOUR}),
        "expired in milliseconds": ("invalid_claim", {"exp": now * 1000}),
        "that never expires": ("invalid_claim", {"exp": 1e300}),
        "with a text as its expiry": ("invalid_claim", {"exp": str(now + HOUR)}),
        "with true as its expiry": ("invalid_claim", {"exp": True}),
        "valid from tomorrow": ("not_yet_valid", {"nbf": now + 24 * HOUR}),
        "with an object as its start": ("invalid_claim", {"nbf": {}}),
        "for the API with a slash too many": ("audience_differs_by_slash", {"aud": f"{audience}/"}),
        "for the API in capitals": ("wrong_audience", {"aud": audience.upper()}),
        "for the API over https": ("wrong_audience", {"aud": audience.replace("http:", "https:")}),
        "for userinfo only": ("wrong_audience", {"aud": [f"{issuer}userinfo"]}),
        "for nobody": ("wrong_audience", {"aud": []}),
        "for the API inside a list inside a list": ("invalid_claim", {"aud": [[audience]]}),
        "for its client, as an ID token": ("wrong_audience", {"aud": "GatehouseAgentDemoClient00000000", "nonce": "n"}),
        "from the issuer without its slash": ("issuer_differs_by_slash", {"iss": issuer.rstrip("/")}),
        "from the issuer over https": ("wrong_issuer", {"iss": issuer.replace("http:", "https:")}),
        "from the issuer and another one": ("wrong_issuer", {"iss": [issuer, EVIL]}),
        "from an issuer that starts like ours": ("wrong_issuer", {"iss": f"{issuer}evil/"}),
        "without an audience": ("missing_claim", {"aud": None}),
        "without an issuer": ("missing_claim", {"iss": None}),
        "without the time of its issue": ("missing_claim", {"iat": None}),
        "without a client": ("missing_claim", {"client_id": None, "azp": None}),
        "with a list as its client": ("invalid_claim", {"client_id": ["x"]}),
        "with two clients, one of them no text": ("invalid_claim", {"azp": {"client": "x"}}),
        "with a number as its subject": ("invalid_claim", {"sub": 4711}),
        "with an empty subject": ("invalid_claim", {"sub": ""}),
        "with a list as its scope": ("invalid_claim", {"scope": ["access:mcp"]}),
        "with an object as its permissions": ("invalid_claim", {"permissions": {"access:mcp": True}}),
        "with a text as its permissions": ("invalid_claim", {"permissions": "access:mcp"}),
    }
    return {name: (reason, {"claims": claims}) for name, (reason, claims) in changes.items()}
