"""The recorded tokens of each provider: the real verification accepts its access tokens, and nothing else."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from gatehouse_server.auth.provider.keys import SigningKeys
from gatehouse_server.auth.verify.profiles import PROFILES
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from gatehouse_server.serving.settings import Settings
from tests.server.auth.verify.recorded_shapes import (
    ACCESS,
    IDENTITY,
    REFUSED,
    Shape,
    ed25519_jwk,
    ed25519_key,
    shapes,
    signed,
    token_of,
)
from tests.server.hostile_tokens import LONG_AGO, SOON, hs256_with_the_public_key, part
from tests.server.token_issuer import Issuer

pytestmark = pytest.mark.anyio


def settings_for(shape: Shape, profile: str = "", **more: str) -> Settings:
    """The server's settings for the provider of the shape."""
    given = {
        "OIDC_ISSUER": shape.issuer,
        "OIDC_AUDIENCE": shape.audience,
        "OIDC_PROFILE": profile or shape.profile,
        "JWT_ALGORITHM": shape.algorithm,
        **more,
    }
    return Settings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


def verifier(issuer: Issuer, settings: Settings) -> TokenVerifier:
    published = {"keys": [*issuer.jwks()["keys"], ed25519_jwk()]}
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=published)))
    keys = SigningKeys("https://x.example.com/keys", settings.algorithm, http=http)
    return TokenVerifier(
        keys,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithm=settings.algorithm,
        profile=settings.token_profile(),
    )


async def refusal(issuer: Issuer, settings: Settings, token: str) -> TokenRefused:
    with pytest.raises(TokenRefused) as refused:
        await verifier(issuer, settings).verify(token)
    assert token.split(".")[-1] not in str(refused.value)
    return refused.value


def test_each_profile_has_recorded_access_and_id_tokens() -> None:
    assert {shape.profile for shape in ACCESS} == set(PROFILES)
    assert {shape.profile for shape in IDENTITY} >= set(PROFILES) - {"oidc"}
    assert all(shape.is_id_token or shape.refusal or shape.grants for shape in shapes())


@pytest.mark.parametrize("shape", ACCESS, ids=str)
async def test_an_access_token_is_accepted_with_its_permissions(issuer: Issuer, shape: Shape) -> None:
    verified = await verifier(issuer, settings_for(shape)).verify(token_of(issuer, shape))
    assert verified.granted == shape.grants
    assert verified.subject == shape.claims["sub"]
    assert verified.client_id in shape.claims.values()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", IDENTITY, ids=str)
async def test_an_id_token_is_refused_in_each_profile_also_for_our_audience(
    issuer: Issuer, shape: Shape, profile: str
) -> None:
    await refusal(issuer, settings_for(shape, profile), token_of(issuer, shape))


@pytest.mark.parametrize("shape", [shape for shape in IDENTITY if shape.profile not in ("auth0", "rfc9068")], ids=str)
async def test_an_id_token_without_its_optional_claims_is_refused(issuer: Issuer, shape: Shape) -> None:
    await refusal(issuer, settings_for(shape), token_of(issuer, shape, nonce=None, at_hash=None))


@pytest.mark.parametrize("shape", REFUSED, ids=str)
async def test_a_refusal_names_the_setting_at_the_provider(issuer: Issuer, shape: Shape) -> None:
    assert shape.refusal in (await refusal(issuer, settings_for(shape), token_of(issuer, shape))).description


async def test_a_keycloak_token_without_sub_leads_to_the_client_scope(issuer: Issuer) -> None:
    shape = next(shape for shape in ACCESS if shape.profile == "keycloak")
    refused = await refusal(issuer, settings_for(shape), token_of(issuer, shape, sub=None))
    assert (refused.code, "client scope `basic`" in refused.description) == ("missing_claim", True)


async def test_only_an_issuer_of_the_older_format_leads_to_the_version_of_entra_tokens(issuer: Issuer) -> None:
    shape = next(shape for shape in ACCESS if shape.profile == "entra")
    for iss, is_older in (("https://sts.windows.net/1/", True), ("https://evil.example.com/", False)):
        refused = await refusal(issuer, settings_for(shape), token_of(issuer, shape, iss=iss))
        assert (refused.code, "version 1.0" in refused.description) == ("wrong_issuer", is_older)


Forge = Callable[[Issuer, Shape], str]
FORGED: dict[str, tuple[str, Forge]] = {
    "alg none": ("algorithm_not_allowed", lambda i, s: token_of(i, s, {"alg": "none"})),
    "alg HS256": ("algorithm_not_allowed", lambda i, s: token_of(i, s, {"alg": "HS256"})),
    "alg HS256, signed with the public key": ("algorithm_not_allowed", lambda i, _: hs256_with_the_public_key(i)),
    "alg of another key": ("algorithm_not_allowed", lambda i, s: token_of(i, s, {"alg": "ES256"})),
    "own key in the header": ("header_not_allowed", lambda i, s: token_of(i, s, {"jwk": {"kty": "RSA"}})),
    "logout token": ("wrong_type", lambda i, s: token_of(i, s, {"typ": "logout+jwt"})),
    "DPoP proof": ("wrong_type", lambda i, s: token_of(i, s, {"typ": "dpop+jwt"})),
    "typ is a list": ("wrong_type", lambda i, s: token_of(i, s, {"typ": ["JWT"]})),
    "payload changed": ("bad_signature", lambda i, s: changed_payload(token_of(i, s))),
    "another issuer": ("wrong_issuer", lambda i, s: token_of(i, s, iss="https://evil.example.com/")),
    "the issuer with one character more": ("wrong_issuer", lambda i, s: token_of(i, s, iss=f"{s.issuer}x")),
    "another audience": ("wrong_audience", lambda i, s: token_of(i, s, aud="https://other.example.com/")),
    "several audiences, not ours": ("wrong_audience", lambda i, s: token_of(i, s, aud=["a", f"{s.audience}/x"])),
    "audience is an object": ("invalid_claim", lambda i, s: token_of(i, s, aud={s.audience: 1})),
    "audience holds a list": ("invalid_claim", lambda i, s: token_of(i, s, aud=[s.audience, []])),
    "marked as an ID token by typ": ("wrong_type", lambda i, s: token_of(i, s, aud=s.audience, typ="ID")),
    "marked as an ID token by use": ("wrong_type", lambda i, s: token_of(i, s, aud=s.audience, token_use="id")),
    "expired": ("token_expired", lambda i, s: token_of(i, s, iat=LONG_AGO, nbf=None, exp=LONG_AGO + 60)),
    "issued in the future": ("issued_in_the_future", lambda i, s: token_of(i, s, iat=SOON, exp=SOON + 60)),
    "not valid yet": ("not_yet_valid", lambda i, s: token_of(i, s, nbf=SOON)),
    "without exp": ("missing_claim", lambda i, s: token_of(i, s, exp=None)),
    "without sub": ("missing_claim", lambda i, s: token_of(i, s, sub=None)),
    "without a client": ("missing_claim", lambda i, s: token_of(i, s, client_id=None, azp=None, cid=None)),
    "the client is a list": ("invalid_claim", lambda i, s: token_of(i, s, **{each: ["x"] for each in clients_of(s)})),
    "the permissions are a number": ("invalid_claim", lambda i, s: token_of(i, s, **{grant_claim(s): 1})),
    "the permissions are a list of lists": ("invalid_claim", lambda i, s: token_of(i, s, **{grant_claim(s): [["a"]]})),
}


def changed_payload(token: str) -> str:
    header, claims, signature = token.split(".")
    raw = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    return f"{header}.{part(raw.replace(b'access:mcp', b'access:all'))}.{signature}"


def clients_of(shape: Shape) -> tuple[str, ...]:
    return PROFILES[shape.profile].clients


def grant_claim(shape: Shape) -> str:
    """The claim of this token that holds permissions."""
    groups = PROFILES[shape.profile].for_audience(shape.audience).grants
    return next(path[0] for group in groups for path in group if path[0] in shape.claims)


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("shape", ACCESS, ids=str)
async def test_a_forged_token_is_refused_in_each_profile(issuer: Issuer, shape: Shape, forged: str) -> None:
    code, forge = FORGED[forged]
    assert (await refusal(issuer, settings_for(shape), forge(issuer, shape))).code == code


@pytest.mark.parametrize("shape", [shape for shape in ACCESS if PROFILES[shape.profile].kind is None], ids=str)
@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash"])
async def test_a_token_with_a_claim_of_id_tokens_is_refused(issuer: Issuer, shape: Shape, claim: str) -> None:
    assert (await refusal(issuer, settings_for(shape), token_of(issuer, shape, **{claim: "x"}))).code == "wrong_type"


@pytest.mark.parametrize("shape", [shape for shape in ACCESS if None not in PROFILES[shape.profile].types], ids=str)
async def test_a_header_without_typ_is_refused_where_the_provider_sends_one(issuer: Issuer, shape: Shape) -> None:
    assert (await refusal(issuer, settings_for(shape), token_of(issuer, shape, {"typ": None}))).code == "wrong_type"


@pytest.mark.parametrize("shape", ACCESS, ids=str)
async def test_a_token_without_audience_is_refused(issuer: Issuer, shape: Shape) -> None:
    claims: dict[str, Any] = {"aud": None}
    if PROFILES[shape.profile].prefixed:  # the scopes of the API say that the token is for it
        claims["scope"] = "openid https://other.example.com/access:mcp https://tools.example.com/mcp-other/access:mcp"
    refused = await refusal(issuer, settings_for(shape), token_of(issuer, shape, **claims))
    assert refused.code in ("missing_claim", "wrong_audience")


async def test_scopes_of_another_api_grant_nothing_also_if_the_audience_is_ours(issuer: Issuer) -> None:
    shape = next(shape for shape in ACCESS if shape.name == "cognito resource")
    scope = f"access:mcp https://other.example.com/access:mcp {shape.audience}/ {shape.audience}/time:read"
    verified = await verifier(issuer, settings_for(shape)).verify(token_of(issuer, shape, scope=scope))
    assert verified.granted == {"time:read"}


async def test_roles_of_another_project_grant_nothing(issuer: Issuer) -> None:
    shape = next(shape for shape in ACCESS if shape.profile == "zitadel")
    claims = {"urn:zitadel:iam:org:project:1:roles": {"access:mcp": {}}, grant_claim(shape): None}
    assert (await verifier(issuer, settings_for(shape)).verify(token_of(issuer, shape, **claims))).granted == set()


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
async def test_both_names_of_ed25519_are_one_algorithm(issuer: Issuer, name: str) -> None:
    shape = next(shape for shape in ACCESS if shape.algorithm == "EdDSA")
    verified = await verifier(issuer, settings_for(shape, JWT_ALGORITHM=name)).verify(
        token_of(issuer, shape, {"alg": "Ed25519" if name == "EdDSA" else "EdDSA"})
    )
    assert verified.key_id == "ed"


async def test_an_rsa_key_verifies_nothing_if_the_algorithm_is_eddsa(issuer: Issuer) -> None:
    shape = next(shape for shape in ACCESS if shape.algorithm == "EdDSA")
    refused = await refusal(issuer, settings_for(shape), token_of(issuer, shape, {"kid": "one"}))
    assert refused.code == "unknown_key"
    unsigned = signed(issuer, {**shape.header, "kid": "ed"}, {**shape.claims, "exp": int(time.time()) + 60})
    flipped = unsigned[:-86] + base64.urlsafe_b64encode(ed25519_key().sign(b"another text")).rstrip(b"=").decode()
    assert (await refusal(issuer, settings_for(shape), flipped)).code == "bad_signature"


SCOPES = {
    "auth0": "access:mcp",
    "keycloak": "openid",
    "entra": "api://99999999-8888-7777-6666-555555555555/access:mcp",
    "okta": "access:mcp",
    "cognito": "https://tools.example.com/mcp/access:mcp",
    "zitadel": "openid urn:zitadel:iam:org:project:id:290000000000000001:aud urn:zitadel:iam:org:projects:roles",
    "authkit": "openid",
    "rfc9068": "access:mcp",
    "oidc": "access:mcp",
}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_scopes_to_request_are_those_that_the_provider_knows(profile: str) -> None:
    shape = next(shape for shape in ACCESS if shape.profile == profile)
    asked = settings_for(shape).token_profile()
    assert " ".join([*asked.always, *asked.scopes_for(["access:mcp"])]) == SCOPES[profile]
