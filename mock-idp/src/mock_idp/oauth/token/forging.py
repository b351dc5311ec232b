"""Tokens that a real tenant never issues. A verifier must refuse them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from joserfc import jws
from joserfc.jwk import Key, OctKey, RSAKey

from ...state.signing_keys import KeyRing

KeyChoice = Literal["current", "next", "foreign", "none", "hs256-public-key"]
VariantName = Literal[
    "expired",
    "not-yet-valid",
    "issued-in-the-future",
    "foreign-issuer",
    "foreign-audience",
    "wrong-key",
    "unknown-kid",
    "no-kid",
    "alg-none",
    "hs256-public-key",
    "id-token-type",
    "no-subject",
    "no-expiry",
    "huge",
]
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


@dataclass(frozen=True)
class Variant:
    """The differences between a kind of wrong token and a valid one."""

    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    key: KeyChoice = "current"


# By name: a function from the present time, in Unix seconds, to the variant.
VARIANTS: Mapping[str, Callable[[int], Variant]] = {
    "expired": lambda now: Variant({"iat": now - 7200, "exp": now - 3600}),
    "not-yet-valid": lambda now: Variant({"nbf": now + 3600}),
    "issued-in-the-future": lambda now: Variant({"iat": now + 3600, "exp": now + 7200}),
    "foreign-issuer": lambda _now: Variant({"iss": "https://evil.example/"}),
    "foreign-audience": lambda _now: Variant({"aud": "https://other.example/api"}),
    "wrong-key": lambda _now: Variant(key="foreign"),
    "unknown-kid": lambda _now: Variant(header={"kid": "nobody-published-this"}, key="foreign"),
    "no-kid": lambda _now: Variant(header={"kid": None}),
    "alg-none": lambda _now: Variant(key="none"),
    "hs256-public-key": lambda _now: Variant(key="hs256-public-key"),
    "id-token-type": lambda _now: Variant(header={"typ": "JWT"}, claims={"nonce": "n"}),
    "no-subject": lambda _now: Variant({"sub": None}),
    "no-expiry": lambda _now: Variant({"exp": None}),
    "huge": lambda _now: Variant({"padding": "x" * 100_000}),
}


class _Unchecked(jws.JWSRegistry):
    """Signs with one algorithm, independent of the header, and accepts any header."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm])
        self._algorithm = self.algorithms[algorithm]

    def check_header(self, header: Mapping[str, Any]) -> None:
        pass

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - joserfc does not export the type
        return self._algorithm


def forge(ring: KeyRing, header: Mapping[str, Any], claims: Mapping[str, Any], choice: KeyChoice) -> str:
    """Sign `header` and `claims` without any check, with the chosen key. Null in the header removes a member.

    `foreign` is a key that this tenant never publishes. `hs256-public-key` is the algorithm confusion attack: an HMAC
    whose secret is the public key's PEM.
    """
    members = {**_matching_header(ring, choice), **header}
    complete = {name: value for name, value in members.items() if value is not None}
    algorithm, key = _signer(ring, choice, complete.get("alg"))
    payload = json.dumps(claims, separators=(",", ":"))
    return jws.serialize_compact(complete, payload, key, registry=_Unchecked(algorithm))


def _matching_header(ring: KeyRing, choice: KeyChoice) -> dict[str, str]:
    if choice == "none":
        return {"alg": "none"}
    kid = ring.next.kid if choice == "next" else ring.current.kid
    return {"alg": "HS256" if choice == "hs256-public-key" else "RS256", "kid": kid}


def _signer(ring: KeyRing, choice: KeyChoice, alg: object) -> tuple[str, Key | None]:
    if choice == "none":
        return "none", None
    if choice == "hs256-public-key":
        pem = ring.current.private.as_pem(private=False)
        # OctKey.import_key refuses a public key. The constructor accepts it, and this attack needs it.
        return "HS256", OctKey(pem, pem)
    rsa = {"current": ring.current.private, "next": ring.next.private}.get(choice) or _foreign_key()
    return (str(alg) if alg in RSA_ALGORITHMS else "RS256"), rsa


@cache
def _foreign_key() -> RSAKey:
    return RSAKey.generate_key(2048)
