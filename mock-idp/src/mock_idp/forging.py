"""Tokens that a real tenant never issues, so that a verifier can be shown to refuse them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from joserfc import jws
from joserfc.jwk import Key, OctKey, RSAKey

from .keys import KeyRing

KeyChoice = Literal["current", "next", "foreign", "none", "hs256-public-key"]
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class _Unchecked(jws.JWSRegistry):
    """Signs with one algorithm whatever the header says, and takes any header."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm])
        self._algorithm = self.algorithms[algorithm]

    def check_header(self, header: Mapping[str, Any]) -> None:
        pass

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - joserfc does not export the type
        return self._algorithm


def forge(ring: KeyRing, header: Mapping[str, Any], claims: Mapping[str, Any], choice: KeyChoice) -> str:
    """Sign `claims` under `header`, both as they are, with the chosen key.

    `foreign` is a key that this tenant never publishes; `hs256-public-key` is the algorithm confusion attack: an
    HMAC whose secret is the public key's PEM.
    """
    complete = {**_matching_header(ring, choice), **header}
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
        # OctKey.import_key refuses a public key, and rightly so; here the mistake is the purpose.
        return "HS256", OctKey(pem, pem)
    rsa = {"current": ring.current.private, "next": ring.next.private}.get(choice) or _foreign_key()
    return (str(alg) if alg in RSA_ALGORITHMS else "RS256"), rsa


@cache
def _foreign_key() -> RSAKey:
    return RSAKey.generate_key(2048)
