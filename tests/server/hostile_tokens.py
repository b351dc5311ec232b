"""Hostile and malformed tokens: for each name the expected code, and a function that makes the token."""

from __future__ import annotations

import base64
import json
import string
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from gatehouse_server.auth.verify.tokens import MAX_TOKEN_LENGTH
from tests.server.token_issuer import ISSUER, RESOURCE, Issuer

NOW = int(time.time())
LONG_AGO, SOON = NOW - 100_000, NOW + 100_000


def part(value: object) -> str:
    """One base64url part of a JWT."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public_pem(issuer: Issuer) -> bytes:
    return (
        issuer.private["one"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def hs256_with_the_public_key(issuer: Issuer) -> str:
    signing_input = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{issuer.token().split('.')[1]}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing_input.encode(), public_pem(issuer)
    )
    return f"{signing_input}.{part(signature)}"


def unsigned(issuer: Issuer, alg: str) -> str:
    return f"{part({'alg': alg, 'typ': 'JWT', 'kid': 'one'})}.{issuer.token().split('.')[1]}."


def payload(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    return {**jwt.decode(issuer.token(), options={"verify_signature": False}), **changes}


def swapped(issuer: Issuer) -> str:
    ours, theirs = issuer.token().split("."), issuer.token(sub="auth0|mallory").split(".")
    return ".".join([ours[0], theirs[1], ours[2]])


def reencoded(issuer: Issuer, which: int, encode: Callable[[str], str], **claims: Any) -> str:
    """A token with one part encoded differently, and a valid signature of that text."""
    parts = issuer.token(**claims).split(".")
    before = parts[which]
    parts[which] = encode(before)
    assert parts[which] != before
    if which < 2:
        text = f"{parts[0]}.{parts[1]}".encode()
        parts[2] = part(issuer.private["one"].sign(text, padding.PKCS1v15(), hashes.SHA256()))
    return ".".join(parts)


def with_unused_bits_set(text: str) -> str:
    """The text with another last character that decodes to the same bytes (RFC 4648 section 3.5)."""
    assert len(text) % 4 in (2, 3)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


def in_plain_base64(text: str) -> str:
    return text.replace("-", "+").replace("_", "/")


def filler_for(issuer: Issuer, rest: int) -> dict[str, str]:
    """A claim that makes the length of the encoded payload modulo 4 equal to `rest` (0, 2 or 3)."""
    fillers = ({"filler": "x" * length} for length in range(3))
    return next(filler for filler in fillers if len(issuer.token(**filler).split(".")[1]) % 4 == rest)


ODD = {"odd": "~~~>>>???~~~~???>>>"}  # its base64url contains - and _ at any offset

HOSTILE: dict[str, tuple[str, Callable[[Issuer], str]]] = {
    "empty": ("malformed_token", lambda _: ""),
    "one word": ("malformed_token", lambda _: "x"),
    "two parts": ("malformed_token", lambda _: "e30.e30"),
    "four parts": ("malformed_token", lambda _: "e30.e30.e30.e30"),
    "opaque, encrypted for userinfo": (
        "opaque_token",
        lambda _: f"{part({'alg': 'dir', 'enc': 'A256GCM', 'iss': ISSUER})}..iv.text.tag",
    ),
    "only dots": ("malformed_token", lambda _: ".."),
    "huge": ("token_too_large", lambda issuer: issuer.token(filler="x" * MAX_TOKEN_LENGTH)),
    "as long as a token may be": ("malformed_token", lambda _: "x" * MAX_TOKEN_LENGTH),
    "header is not base64url": ("malformed_token", lambda issuer: "!!!." + issuer.token().split(".", 1)[1]),
    "header with padding": ("malformed_token", lambda issuer: reencoded(issuer, 0, lambda text: text + "=")),
    "payload with padding": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, lambda text: text + "==", **filler_for(issuer, 2)),
    ),
    "payload with one character more": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, lambda text: text + "A", **filler_for(issuer, 0)),
    ),
    "payload with four unused bits set": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, with_unused_bits_set, **filler_for(issuer, 2)),
    ),
    "payload with two unused bits set": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, with_unused_bits_set, **filler_for(issuer, 3)),
    ),
    "payload in plain base64": ("malformed_token", lambda issuer: reencoded(issuer, 1, in_plain_base64, **ODD)),
    "payload with line breaks": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, lambda text: f"{text[:8]}\r\n\r\n{text[8:]}"),
    ),
    "payload with padding in it": (
        "malformed_token",
        lambda issuer: reencoded(issuer, 1, lambda text: f"{text[:8]}===={text[8:]}"),
    ),
    "payload with a null character": ("malformed_token", lambda issuer: reencoded(issuer, 1, lambda text: text + "\0")),
    "payload with a letter of another script": (
        "bad_signature",
        lambda issuer: reencoded(issuer, 1, lambda text: text[:-1] + "\u0435"),
    ),
    "signature with padding": ("bad_signature", lambda issuer: reencoded(issuer, 2, lambda text: text + "==")),
    "signature with unused bits set": ("bad_signature", lambda issuer: reencoded(issuer, 2, with_unused_bits_set)),
    "signature with a blank in it": ("bad_signature", lambda issuer: reencoded(issuer, 2, lambda text: "    " + text)),
    "header is not JSON": ("malformed_token", lambda issuer: part(b"{") + "." + issuer.token().split(".", 1)[1]),
    "header is a list": ("malformed_token", lambda issuer: part([]) + "." + issuer.token().split(".", 1)[1]),
    "header nested too deep": (
        "malformed_token",
        lambda issuer: part(b"[" * 9000) + "." + issuer.token().split(".", 1)[1],
    ),
    "header names alg twice": (
        "malformed_token",
        lambda i: part(b'{"alg":"none","alg":"RS256","typ":"JWT","kid":"one"}') + "." + i.token().split(".", 1)[1],
    ),
    "alg none": ("malformed_token", lambda issuer: unsigned(issuer, "none")),
    "alg none with a signature": ("algorithm_not_allowed", lambda issuer: unsigned(issuer, "none") + "AAAA"),
    "alg nOnE with a signature": ("algorithm_not_allowed", lambda issuer: unsigned(issuer, "nOnE") + "AAAA"),
    "HS256 with the public key": ("algorithm_not_allowed", hs256_with_the_public_key),
    "RS512 instead of RS256": (
        "algorithm_not_allowed",
        lambda i: jwt.encode(payload(i), i.private["one"], "RS512", headers={"kid": "one"}),
    ),
    "alg is a list": ("algorithm_not_allowed", lambda i: part({"alg": ["RS256"]}) + "." + i.token().split(".", 1)[1]),
    "contains its key (jwk)": ("header_not_allowed", lambda issuer: issuer.token(header={"jwk": {"kty": "RSA"}})),
    "names a key URL (jku)": ("header_not_allowed", lambda i: i.token(header={"jku": "https://evil.example.com/"})),
    "names a certificate URL (x5u)": (
        "header_not_allowed",
        lambda i: i.token(header={"x5u": "https://evil.example.com/"}),
    ),
    "contains a certificate (x5c)": ("header_not_allowed", lambda issuer: issuer.token(header={"x5c": ["MII"]})),
    "critical extension": ("header_not_allowed", lambda issuer: issuer.token(header={"crit": ["exp"]})),
    "payload not encoded (b64)": (
        "header_not_allowed",
        lambda i: part({"alg": "RS256", "typ": "JWT", "kid": "one", "b64": False}) + "." + i.token().split(".", 1)[1],
    ),
    "compressed": ("header_not_allowed", lambda issuer: issuer.token(header={"zip": "DEF"})),
    "nested JWT": ("header_not_allowed", lambda i: i.signed(i.token().encode(), {"cty": "JWT"})),
    "logout token": ("wrong_type", lambda issuer: issuer.token(header={"typ": "logout+jwt"})),
    "typ is a number": ("wrong_type", lambda i: part({"alg": "RS256", "typ": 1}) + "." + i.token().split(".", 1)[1]),
    "no kid": ("no_key_id", lambda issuer: jwt.encode(payload(issuer), issuer.private["one"], "RS256")),
    "kid is empty": ("no_key_id", lambda issuer: issuer.token(header={"kid": ""})),
    "kid is too long": ("no_key_id", lambda issuer: issuer.token(header={"kid": "x" * 257})),
    "kid is as long as it may be": ("unknown_key", lambda issuer: issuer.token(header={"kid": "x" * 256})),
    "kid is one character": ("unknown_key", lambda issuer: issuer.token(header={"kid": "x"})),
    "kid is a path": ("unknown_key", lambda issuer: issuer.token(header={"kid": "../../dev/null"})),
    "unpublished key": ("unknown_key", lambda issuer: issuer.token(kid="two")),
    "another key under a published kid": (
        "bad_signature",
        lambda issuer: issuer.token(kid="two", header={"kid": "one"}),
    ),
    "payload swapped": ("bad_signature", swapped),
    "signature truncated": ("bad_signature", lambda issuer: issuer.token()[:-8]),
    "expired": ("token_expired", lambda issuer: issuer.token(iat=LONG_AGO, exp=LONG_AGO + 60)),
    "issued in the future": ("issued_in_the_future", lambda issuer: issuer.token(iat=SOON, exp=SOON + 60)),
    "not valid yet": ("not_yet_valid", lambda issuer: issuer.token(nbf=SOON)),
    "no exp": ("missing_claim", lambda issuer: issuer.token(exp=None)),
    "no iat": ("missing_claim", lambda issuer: issuer.token(iat=None)),
    "no iss": ("missing_claim", lambda issuer: issuer.token(iss=None)),
    "no aud": ("missing_claim", lambda issuer: issuer.token(aud=None)),
    "no sub": ("missing_claim", lambda issuer: issuer.token(sub=None)),
    "no client": ("missing_claim", lambda issuer: issuer.token(azp=None)),
    "exp is a string": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, exp="9999999999")).encode())),
    "exp is true": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, exp=True)).encode())),
    "exp is in milliseconds": (
        "invalid_claim",
        lambda i: i.signed(json.dumps(payload(i, exp=1_000_000_000_000)).encode()),
    ),
    "iat is a text": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, iat="1")).encode())),
    "exp is huge": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, exp=10**400)).encode())),
    "nbf overflows a float": (
        "malformed_token",
        lambda i: i.signed(json.dumps(payload(i)).encode()[:-1] + b',"nbf":1e999}'),
    ),
    "exp is NaN": ("malformed_token", lambda i: i.signed(json.dumps(payload(i, exp=float("nan"))).encode())),
    "nbf is a list": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, nbf=[])).encode())),
    "claims name sub twice": (
        "malformed_token",
        lambda i: i.signed(json.dumps(payload(i)).encode()[:-1] + b',"sub":"auth0|mallory"}'),
    ),
    "claims are a list": ("malformed_token", lambda issuer: issuer.signed(b"[]")),
    "claims are not UTF-8": ("malformed_token", lambda issuer: issuer.signed(b'{"sub":"\xff"}')),
    "another issuer": ("wrong_issuer", lambda issuer: issuer.token(iss="https://evil.example.com/")),
    "the issuer without its slash": ("issuer_differs_by_slash", lambda issuer: issuer.token(iss=ISSUER.rstrip("/"))),
    "the issuer in capitals": ("wrong_issuer", lambda issuer: issuer.token(iss=ISSUER.upper())),
    "the issuer as a list": ("wrong_issuer", lambda i: i.signed(json.dumps(payload(i, iss=[ISSUER])).encode())),
    "another audience": ("wrong_audience", lambda issuer: issuer.token(aud="https://api.example.com/")),
    "an audience that starts like ours": ("wrong_audience", lambda issuer: issuer.token(aud=f"{RESOURCE}/x")),
    "our audience with a slash": ("audience_differs_by_slash", lambda issuer: issuer.token(aud=f"{RESOURCE}/")),
    "an empty list of audiences": ("wrong_audience", lambda issuer: issuer.token(aud=[])),
    "an ID token": ("wrong_audience", lambda issuer: issuer.token(aud="agent", nonce="n")),
    "an ID token for our audience": ("wrong_type", lambda issuer: issuer.token(nonce="n")),
    "an ID token with a hash of an access token": ("wrong_type", lambda issuer: issuer.token(at_hash="h")),
    "audience is an object": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, aud={RESOURCE: 1})).encode())),
    "audience holds a number": (
        "invalid_claim",
        lambda i: i.signed(json.dumps(payload(i, aud=[RESOURCE, 1])).encode()),
    ),
    "sub is a number": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, sub=1)).encode())),
    "sub is empty": ("invalid_claim", lambda issuer: issuer.token(sub="")),
    "client is an object": ("invalid_claim", lambda i: i.signed(json.dumps(payload(i, azp={})).encode())),
    "scope is a list": ("invalid_claim", lambda issuer: issuer.token(scope=["access:mcp"])),
    "permissions are a text": ("invalid_claim", lambda issuer: issuer.token(permissions="access:mcp")),
    "permissions hold an object": ("invalid_claim", lambda issuer: issuer.token(permissions=[{}])),
}
