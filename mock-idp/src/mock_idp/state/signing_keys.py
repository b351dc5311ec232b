"""The tenant's keys: signing, publishing, rotation, and the key file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey
from joserfc.util import base64_to_int, urlsafe_b64encode

KID_ALPHABET = string.ascii_letters + string.digits + "_-"
KID_LENGTH = 21
CERTIFICATE_LIFETIME = timedelta(days=5000)
KEY_FILE = "keys.json"
MAX_PREVIOUS = 10


class KeyFileError(Exception):
    """The key file in MOCK_IDP_STATE_DIR cannot be used. The message says what to do."""


@dataclass(frozen=True)
class SigningKey:
    """An RSA key and its self-signed certificate (DER), as Auth0 publishes both in its JWKS."""

    kid: str
    private: RSAKey = field(repr=False)
    certificate: bytes = field(repr=False)

    @cached_property
    def public_jwk(self) -> dict[str, Any]:
        """The JWK with Auth0's members in Auth0's order (RFC 7517 section 4)."""
        numbers = self.private.as_dict(private=False)
        return {
            "kty": "RSA",
            "use": "sig",
            "n": numbers["n"],
            "e": numbers["e"],
            "kid": self.kid,
            "x5t": urlsafe_b64encode(hashlib.sha1(self.certificate, usedforsecurity=False).digest()).decode(),
            "x5c": [base64.b64encode(self.certificate).decode("ascii")],
            "alg": "RS256",
        }


@dataclass
class KeyRing:
    """The tenant's keys: `current` signs, `next` is already published, `opaque` encrypts opaque access tokens.

    Previous keys stay published until they are revoked. `withheld` has the ids of keys that are not in the JWKS.
    """

    current: SigningKey
    next: SigningKey
    opaque: OctKey = field(repr=False)
    previous: list[SigningKey] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)

    def copy(self) -> KeyRing:
        return KeyRing(self.current, self.next, self.opaque, list(self.previous), set(self.withheld))

    def all(self) -> list[SigningKey]:
        return [self.current, self.next, *self.previous]

    def published(self) -> list[SigningKey]:
        return [key for key in self.all() if key.kid not in self.withheld]

    def verification_keys(self) -> KeySet:
        """The keys that verify the tenant's own tokens."""
        return KeySet.import_key_set({"keys": [key.public_jwk for key in self.all()]})

    def rotate(self, issuer: str, now: float) -> None:
        """Sign with the next key from now on, and make a new next key (Auth0: Rotate Signing Keys)."""
        self.previous.insert(0, self.current)
        del self.previous[MAX_PREVIOUS:]
        self.current = self.next
        self.next = new_signing_key(urlsplit(issuer).hostname or "", now)

    def revoke(self, kid: str) -> bool:
        """Delete a previous key; False if there is none with this id."""
        kept = [key for key in self.previous if key.kid != kid]
        revoked = len(kept) < len(self.previous)
        self.previous = kept
        return revoked


def new_key_ring(host: str, now: float) -> KeyRing:
    """New keys. `host` is the common name of the certificates; `now` is Unix time in seconds."""
    return KeyRing(new_signing_key(host, now), new_signing_key(host, now), OctKey.generate_key(256))


def new_signing_key(host: str, now: float) -> SigningKey:
    key = RSAKey.generate_key(2048)
    kid = "".join(secrets.choice(KID_ALPHABET) for _ in range(KID_LENGTH))
    return SigningKey(kid, key, _self_signed(cast(RSAPrivateKey, key.private_key), host, now))


def load_key_ring(state_dir: Path | None, host: str, now: float) -> KeyRing:
    """The keys in `state_dir`, which are made on the first run. Without a directory, new keys at each run.

    KeyFileError if the file exists and cannot be used.
    """
    if state_dir is None:
        return new_key_ring(host, now)
    path = state_dir / KEY_FILE
    if path.exists():
        return _read_key_ring(path)
    ring = new_key_ring(host, now)
    write_key_ring(path, ring)
    return ring


def write_key_ring(path: Path, ring: KeyRing) -> None:
    """Write the keys to a file that only its owner can read. KeyFileError if it cannot be written."""
    document = {
        "current": _to_document(ring.current),
        "next": _to_document(ring.next),
        "opaque": ring.opaque.as_dict(private=True),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_text(json.dumps(document), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise KeyFileError(f"MOCK_IDP_STATE_DIR: cannot write {path}: {error.strerror}") from error


def _read_key_ring(path: Path) -> KeyRing:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return KeyRing(
            _from_document(document["current"]),
            _from_document(document["next"]),
            OctKey.import_key(document["opaque"]),
        )
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError, JoseError) as error:
        raise KeyFileError(f"MOCK_IDP_STATE_DIR: {path} is not a key file of this tenant; delete it") from error


def _to_document(key: SigningKey) -> dict[str, Any]:
    certificate = base64.b64encode(key.certificate).decode("ascii")
    return {"kid": key.kid, "certificate": certificate, "jwk": key.private.as_dict(private=True)}


def _from_document(document: Mapping[str, Any]) -> SigningKey:
    certificate = base64.b64decode(document["certificate"], validate=True)
    return SigningKey(str(document["kid"]), RSAKey.import_key(_private_key(document["jwk"])), certificate)


def _private_key(jwk: Mapping[str, str]) -> RSAPrivateKey:
    """The key of a JWK that this tenant wrote. ValueError if its members do not belong together.

    cryptography's own validation takes 80 ms for each key, because it also tests that the factors are prime.
    """
    n, e, d, p, q, dp, dq, qi = (base64_to_int(jwk[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi"))
    inverse = d * e % (p - 1) == 1 == d * e % (q - 1)
    if p * q != n or not inverse or dp != d % (p - 1) or dq != d % (q - 1) or q * qi % p != 1:
        raise ValueError("the members of the key do not belong together")
    numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _self_signed(key: RSAPrivateKey, host: str, now: float) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    start = datetime.fromtimestamp(now, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + CERTIFICATE_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.DER)
