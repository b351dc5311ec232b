"""Tokens with the shapes that the providers document: `shapes/PROVIDER.json`, each with its source.

The claims are examples: names, types and structure are the provider's, the values are not. Times are moved to now.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.server.token_issuer import Issuer

FOLDER = Path(__file__).parent / "shapes"


@dataclass(frozen=True)
class Shape:
    """One kind of token.

    Attributes:
        name: provider and kind.
        grants: the permissions in it; None if the server has to refuse it.
        is_id_token: whether it is an ID token.
        refusal: a part of the server's message for a token that is neither.
    """

    name: str
    profile: str
    issuer: str
    audience: str
    algorithm: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    grants: frozenset[str] | None
    is_id_token: bool
    refusal: str

    def __str__(self) -> str:
        return self.name


@cache
def shapes() -> tuple[Shape, ...]:
    """All shapes."""
    return tuple(
        Shape(
            name=f"{file.stem} {name}",
            profile=file.stem,
            issuer=token.get("issuer") or provider["issuer"],
            audience=token["audience"],
            algorithm=token.get("algorithm", "RS256"),
            header=token["header"],
            claims=token["claims"],
            grants=frozenset(token["grants"]) if "grants" in token else None,
            is_id_token=token.get("id_token", False),
            refusal=token.get("refused", ""),
        )
        for file in sorted(FOLDER.glob("*.json"))
        for provider in [json.loads(file.read_text(encoding="utf-8"))]
        for name, token in provider["tokens"].items()
    )


ACCESS = [shape for shape in shapes() if shape.grants is not None]
IDENTITY = [shape for shape in shapes() if shape.is_id_token]
REFUSED = [shape for shape in shapes() if shape.refusal]


@cache
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def ed25519_jwk() -> dict[str, Any]:
    """The public key `ed`, as a provider publishes it."""
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ed25519_key().public_key()))
    return {**public, "kid": "ed", "use": "sig", "alg": "EdDSA"}


def token_of(issuer: Issuer, shape: Shape, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A signed token of that shape which is valid now. `changes` are claims; None removes one."""
    late = int(time.time()) - shape.claims["iat"]
    moved = {name: value + late for name, value in shape.claims.items() if name in ("iat", "nbf", "exp", "auth_time")}
    claims = {name: value for name, value in {**shape.claims, **moved, **changes}.items() if value is not None}
    given = {name: value for name, value in {**shape.header, **(header or {})}.items() if value is not None}
    return signed(issuer, given, claims)


def signed(issuer: Issuer, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A token with exactly this header, signed with its `kid` whatever its `alg` says."""
    text = ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in (header, claims)
    )
    if header.get("kid") == "ed":
        signature = ed25519_key().sign(text.encode())
    else:
        signature = jwt.get_algorithm_by_name("RS256").sign(text.encode(), issuer.private["one"])
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
