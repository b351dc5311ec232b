"""What this server accepts, PyJWT and joserfc accept also: its own reading of a token is never more lenient."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from random import Random

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import RSAKey

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from tests.server.token_issuer import ISSUER, JWKS_URL, RESOURCE, Issuer
from tests.support.fuzzing import seeds

pytestmark = pytest.mark.anyio

EXAMPLES = 3000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def changed_character(token: str, random: Random) -> str:
    at = random.randrange(len(token))
    return token[:at] + random.choice(f"{ALPHABET}+/=. \n\t\x00é") + token[at + 1 :]


def changed_last_character(token: str, random: Random) -> str:
    """The last character of a part: its unused bits may be set, which lenient readers ignore."""
    parts = token.split(".")
    part = random.randrange(3)
    parts[part] = parts[part][:-1] + random.choice(ALPHABET)
    return ".".join(parts)


def inserted(token: str, random: Random) -> str:
    at = random.randrange(len(token) + 1)
    return (
        token[:at] + random.choice(["=", "==", ".", "..", " ", "\n", "A", "AA", "%3D", "\x00", "+", "/"]) + token[at:]
    )


def cut(token: str, random: Random) -> str:
    return token[: random.randrange(len(token))]


def with_padding(token: str, random: Random) -> str:
    return ".".join(part + "=" * (-len(part) % 4) for part in token.split("."))


def in_the_other_alphabet(token: str, random: Random) -> str:
    return token.replace("-", "+").replace("_", "/")


def exchanged_parts(token: str, random: Random) -> str:
    parts = token.split(".")
    random.shuffle(parts)
    return ".".join(parts)


def other_header(token: str, random: Random) -> str:
    header, payload, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(header + "=="))
    name, value = random.choice(
        [
            ("alg", "none"),
            ("alg", "HS256"),
            ("alg", "RS512"),
            ("kid", "two"),
            ("crit", ["x"]),
            ("b64", False),
            ("typ", "x"),
        ]
    )
    return f"{base64url(json.dumps({**members, name: value}).encode())}.{payload}.{signature}"


def unchanged(token: str, random: Random) -> str:
    return token


CHANGES: list[Callable[[str, Random], str]] = [
    changed_character,
    changed_last_character,
    inserted,
    cut,
    with_padding,
    in_the_other_alphabet,
    exchanged_parts,
    other_header,
    unchanged,
]


async def accepted(verifier: TokenVerifier, token: str) -> bool:
    try:
        await verifier.verify(token)
    except TokenRefused:
        return False
    return True


@pytest.mark.fuzz
async def test_no_changed_token_is_accepted_that_another_library_refuses(issuer: Issuer) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    verifier = TokenVerifier(SigningKeys(JWKS_URL, "RS256", http=http), issuer=ISSUER, audience=RESOURCE)
    public = issuer.private["one"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = RSAKey.import_key(pem)
    tally: Counter[str] = Counter()
    good = [issuer.token(jti="x" * length) for length in range(4)]  # parts of every length modulo 4
    for seed in seeds(EXAMPLES):
        random = Random(seed)
        change = random.choice(CHANGES)
        token = change(random.choice(good), random)
        if not token.isascii() or not await accepted(verifier, token):
            tally["refused"] += 1
            continue
        tally["accepted"] += 1
        assert jwt.decode(token, pem, algorithms=["RS256"], audience=RESOURCE, issuer=ISSUER), (seed, change)
        assert joserfc_jwt.decode(token, key, algorithms=["RS256"]).claims["iss"] == ISSUER, (seed, change)
        assert token in good, "a changed token that is accepted would have two forms"
    assert tally["accepted"] > 100, tally
    assert tally["refused"] > 1000, tally


HEADER = '{"alg":"RS256","kid":"one","typ":"JWT"}'
TWO_READINGS = {
    "alg twice": HEADER.replace("}", ',"alg":"none"}'),
    "kid twice": HEADER.replace("{", '{"kid":"two",'),
    "a byte order mark": f"\ufeff{HEADER}",
    "NaN": HEADER.replace("}", ',"x":NaN}'),
    "half of a surrogate pair": HEADER.replace("}", ',"x":"\\ud800"}'),
    "something after it": f"{HEADER}x",
    "a list": f"[{HEADER}]",
    "a comment": f"{HEADER}/**/",
}


def signed(issuer: Issuer, header: str) -> str:
    """A token whose header has this text, with a good signature."""
    _, payload, _ = issuer.token().split(".")
    text = f"{base64url(header.encode('utf-8'))}.{payload}"
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    return f"{text}.{base64url(algorithm.sign(text.encode(), issuer.private['one']))}"


async def test_a_header_that_could_be_read_in_two_ways_is_refused_also_if_it_is_signed(issuer: Issuer) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    verifier = TokenVerifier(SigningKeys(JWKS_URL, "RS256", http=http), issuer=ISSUER, audience=RESOURCE)
    assert await accepted(verifier, signed(issuer, HEADER))
    assert [name for name, text in TWO_READINGS.items() if await accepted(verifier, signed(issuer, text))] == []


LENIENT = {
    "a claim twice": b',"sub":"auth0|eve"',
    "NaN": b',"x":NaN',
    "half of a surrogate pair": b',"x":"\\ud800"',
    "a time as text": b',"nbf":"1"',
}


@pytest.mark.parametrize("case", LENIENT)
async def test_pyjwt_accepts_claims_that_this_server_refuses(issuer: Issuer, case: str) -> None:
    """The reason why this server reads tokens itself. If this fails, PyJWT has become strict enough."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    verifier = TokenVerifier(SigningKeys(JWKS_URL, "RS256", http=http), issuer=ISSUER, audience=RESOURCE)
    payload = base64.urlsafe_b64decode(issuer.token().split(".")[1] + "==")
    token = issuer.signed(payload[:-1] + LENIENT[case] + b"}")
    assert jwt.decode(token, issuer.private["one"].public_key(), algorithms=["RS256"], audience=RESOURCE)
    assert not await accepted(verifier, token)


async def test_pyjwt_accepts_padding_that_this_server_refuses(issuer: Issuer) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    verifier = TokenVerifier(SigningKeys(JWKS_URL, "RS256", http=http), issuer=ISSUER, audience=RESOURCE)
    token = f"{issuer.token()}=="  # the signature of an RSA key of 2048 bits has 342 characters
    assert jwt.decode(token, issuer.private["one"].public_key(), algorithms=["RS256"], audience=RESOURCE)
    assert not await accepted(verifier, token)
