"""Other identity providers: their settings, and the claims in their tokens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatehouse_server.auth.provider.keys import KeysUnavailable, SigningKeys
from gatehouse_server.auth.verify.profiles import PROFILES, MalformedGrant
from gatehouse_server.auth.verify.tokens import TokenRefused, TokenVerifier
from gatehouse_server.composition import tenant_keys
from gatehouse_server.serving.settings import Settings, SettingsError, load_settings
from tests.server.protected_server import ask, protected
from tests.server.server_with_permissions import shop
from tests.server.token_issuer import RESOURCE, Issuer

pytestmark = pytest.mark.anyio

KEYCLOAK = "https://login.example.com/realms/tools"
ENTRA = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
ENTRA_API = "99999999-8888-7777-6666-555555555555"


def oidc_settings(issuer: str, audience: str, profile: str, **more: str) -> Settings:
    expected = {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": audience, "OIDC_PROFILE": profile, **more}
    return Settings(_env_file=None, **expected)  # type: ignore[call-arg, arg-type]


def keycloak_token(issuer: Issuer, **claims: Any) -> str:
    """An access token as Keycloak issues it, with an audience mapper for the API."""
    shape = {
        "iss": KEYCLOAK,
        "aud": [RESOURCE, "account"],
        "typ": "Bearer",
        "azp": "agent",
        "sid": "c3a1",
        "acr": "1",
        "scope": "openid profile email",
        "realm_access": {"roles": ["offline_access", "access:mcp"]},
        "resource_access": {RESOURCE: {"roles": ["shop:read"]}, "account": {"roles": ["manage-account"]}},
    }
    return issuer.token(**{**shape, **claims})


def entra_token(issuer: Issuer, **claims: Any) -> str:
    """An access token as Microsoft Entra issues it (v2.0) to a client that acts for a user."""
    shape = {
        "iss": ENTRA,
        "aud": ENTRA_API,
        "azp": "77777777-0000-0000-0000-000000000000",
        "azpacr": "0",
        "oid": "0d1f",
        "tid": "11111111-2222-3333-4444-555555555555",
        "ver": "2.0",
        "scope": None,
        "scp": "access:mcp",
    }
    return issuer.token(**{**shape, **claims})


@pytest.mark.parametrize(
    ("profile", "claims", "expected"),
    [
        ("keycloak", {"realm_access": {"roles": ["a"]}, "resource_access": {RESOURCE: {"roles": ["b"]}}}, "a b"),
        ("keycloak", {"resource_access": {"account": {"roles": ["b"]}}}, ""),
        ("keycloak", {"scope": "a", "realm_access": {"roles": []}}, ""),
        ("entra", {"scp": "a b", "roles": ["c"]}, "a b"),
        ("entra", {"roles": ["c"]}, "c"),
        ("entra", {"scp": "", "roles": ["c"]}, ""),
        ("auth0", {"scope": "a b", "permissions": ["b"], "scp": "c", "roles": ["d"]}, "b"),
        ("auth0", {"roles": ["d"]}, ""),
    ],
    ids=str,
)
async def test_the_profile_selects_the_claims_with_permissions(
    profile: str, claims: dict[str, Any], expected: str
) -> None:
    assert PROFILES[profile].for_audience(RESOURCE).granted(claims) == set(expected.split())


@pytest.mark.parametrize(
    ("profile", "claims"),
    [
        ("keycloak", {"realm_access": ["a"]}),
        ("keycloak", {"realm_access": {"roles": "a"}}),
        ("keycloak", {"realm_access": {"roles": None}}),
        ("keycloak", {"realm_access": {"roles": [["a"]]}}),
        ("entra", {"scp": {"a": 1}}),
        ("entra", {"roles": "a"}),
        ("auth0", {"scope": ["a"]}),
        ("auth0", {"scope": "a", "permissions": None}),
        ("auth0", {"scope": "a", "permissions": "a"}),
    ],
    ids=str,
)
async def test_a_claim_of_the_wrong_type_is_refused(profile: str, claims: dict[str, Any]) -> None:
    with pytest.raises(MalformedGrant):
        PROFILES[profile].granted(claims)


async def test_grant_claim_selects_other_claims(issuer: Issuer) -> None:
    named = oidc_settings(KEYCLOAK, RESOURCE, "keycloak", GRANT_CLAIM="scope,realm_access.roles").token_profile()
    assert named.granted({"scope": "a", "realm_access": {"roles": ["b"]}}) == {"a", "b"}


async def test_a_grant_claim_can_contain_the_audience(issuer: Issuer) -> None:
    config = oidc_settings(KEYCLOAK, "https://a.b.example/", "oidc", GRANT_CLAIM="resource_access.{audience}.roles")
    claims = {"resource_access": {"https://a.b.example/": {"roles": ["x"]}}}
    assert config.token_profile().granted(claims) == {"x"}


async def challenge_of(issuer: Issuer, config: Settings, token: str | None) -> tuple[str | None, str | None]:
    """The parameters `scope` and `permission` of the answer to a call of `below_tool`."""
    async with protected(shop(), issuer.handle, config=config) as server:
        header = (await ask(server, token, "tools/call", {"name": "below_tool"})).headers["WWW-Authenticate"]
    found = dict(re.findall(r'(scope|permission)="([^"]*)"', header))
    return found.get("scope"), found.get("permission")


async def test_roles_are_not_offered_as_scopes(issuer: Issuer) -> None:
    config = oidc_settings(KEYCLOAK, RESOURCE, "keycloak")
    assert await challenge_of(issuer, config, None) == ("openid", "access:mcp")
    lacking = keycloak_token(issuer, resource_access={})
    assert await challenge_of(issuer, config, lacking) == (None, "access:mcp shop:read")
    async with protected(shop(), issuer.handle, config=config) as server:
        assert (await server.get("/.well-known/oauth-protected-resource")).json()["scopes_supported"] == ["openid"]


async def test_keycloak_client_scopes_are_offered_if_they_are_the_permissions(issuer: Issuer) -> None:
    config = oidc_settings(KEYCLOAK, RESOURCE, "keycloak", GRANT_CLAIM="scope")
    assert await challenge_of(issuer, config, None) == ("openid access:mcp", None)
    lacking = keycloak_token(issuer, scope="openid access:mcp")
    assert await challenge_of(issuer, config, lacking) == ("access:mcp shop:read", None)


@pytest.mark.parametrize(
    ("profile", "claim", "expected"),
    [
        ("oidc", "roles", ("openid", "access:mcp")),
        ("oidc", "groups,roles", ("openid", "access:mcp")),
        ("oidc", "scope,roles", ("access:mcp", None)),
        ("okta", "groups", ("openid", "access:mcp")),
        ("auth0", "permissions", ("access:mcp", None)),
        ("cognito", "cognito:groups", (f"{RESOURCE}/access:mcp", "access:mcp")),
    ],
)
async def test_claims_that_hold_roles_are_not_offered_as_scopes(
    issuer: Issuer, profile: str, claim: str, expected: tuple[str, str | None]
) -> None:
    config = oidc_settings(KEYCLOAK, RESOURCE, profile, GRANT_CLAIM=claim)
    assert await challenge_of(issuer, config, None) == expected


@pytest.mark.parametrize("scope", ["openid", "https://other.example/access:mcp", ""])
async def test_with_groups_a_cognito_token_still_has_to_be_for_this_api(issuer: Issuer, scope: str) -> None:
    config = oidc_settings(KEYCLOAK, RESOURCE, "cognito", GRANT_CLAIM="cognito:groups")
    claims = {"token_use": "access", "client_id": "x", "cognito:groups": ["access:mcp"], "scope": scope}
    with pytest.raises(TokenRefused) as refused:
        await verifier(issuer, config).verify(issuer.token(iss=KEYCLOAK, aud=None, **claims))
    assert refused.value.code == "wrong_audience"


@pytest.mark.parametrize(
    ("variables", "prefix"), [({}, f"api://{ENTRA_API}/"), ({"SCOPE_PREFIX": "api://gatehouse/"}, "api://gatehouse/")]
)
async def test_entra_scopes_are_offered_with_the_uri_of_the_application(
    issuer: Issuer, variables: dict[str, str], prefix: str
) -> None:
    config = oidc_settings(ENTRA, ENTRA_API, "entra", **variables)
    assert await challenge_of(issuer, config, None) == (f"{prefix}access:mcp", "access:mcp")
    expected = f"{prefix}access:mcp {prefix}shop:read", "access:mcp shop:read"
    assert await challenge_of(issuer, config, entra_token(issuer)) == expected


async def test_the_authority_of_another_provider_has_the_same_meaning(tmp_path: Path) -> None:
    config = oidc_settings(KEYCLOAK, RESOURCE, "keycloak", OIDC_CA_FILE=str(tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match=r"none\.pem"):
        config.authorities()


async def test_without_a_profile_another_provider_is_read_as_plain_oidc(issuer: Issuer) -> None:
    variables = {"OIDC_ISSUER": KEYCLOAK, "OIDC_AUDIENCE": RESOURCE}
    config = Settings(_env_file=None, **variables)  # type: ignore[call-arg, arg-type]
    assert config.token_profile() == PROFILES["oidc"]


async def test_keycloak_roles_are_permissions(issuer: Issuer) -> None:
    async with protected(shop(), issuer.handle, config=oidc_settings(KEYCLOAK, RESOURCE, "keycloak")) as server:
        call = ("tools/call", {"name": "below_tool"})
        assert (await ask(server, keycloak_token(issuer), *call)).status_code == 200
        without = keycloak_token(issuer, resource_access={})
        assert (await ask(server, without, *call)).status_code == 403
        nobody = keycloak_token(issuer, realm_access={"roles": []}, resource_access={})
        assert (await ask(server, nobody, *call)).status_code == 403


async def test_entra_scopes_and_application_roles_are_permissions(issuer: Issuer) -> None:
    async with protected(shop(), issuer.handle, config=oidc_settings(ENTRA, ENTRA_API, "entra")) as server:
        call = ("tools/list", {})
        assert (await ask(server, entra_token(issuer), *call)).status_code == 200
        assert (await ask(server, entra_token(issuer, scp=None, roles=["access:mcp"]), *call)).status_code == 200
        assert (await ask(server, entra_token(issuer, scp="other", roles=["access:mcp"]), *call)).status_code == 403


def verifier(issuer: Issuer, settings: Settings) -> TokenVerifier:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(issuer.handle))
    keys = SigningKeys("https://x.example.com/keys", "RS256", http=http)
    profile = settings.token_profile()
    return TokenVerifier(keys, issuer=settings.issuer, audience=settings.audience, profile=profile)


async def test_a_keycloak_id_token_is_refused_and_an_access_token_with_a_nonce_is_not(issuer: Issuer) -> None:
    checked = verifier(issuer, oidc_settings(KEYCLOAK, RESOURCE, "keycloak"))
    assert (await checked.verify(keycloak_token(issuer, nonce="n"))).client_id == "agent"
    for kind in ("ID", "Logout", None, ["Bearer"]):
        with pytest.raises(TokenRefused) as refused:
            await checked.verify(keycloak_token(issuer, typ=kind))
        assert refused.value.code == "wrong_type"


async def test_an_entra_id_token_for_the_same_application_is_refused(issuer: Issuer) -> None:
    checked = verifier(issuer, oidc_settings(ENTRA, ENTRA_API, "entra"))
    with pytest.raises(TokenRefused) as refused:
        await checked.verify(entra_token(issuer, scp=None, azp=None, nonce="n"))
    assert refused.value.code == "wrong_type"
    with pytest.raises(TokenRefused) as unnamed:
        await checked.verify(entra_token(issuer, scp=None, azp=None))
    assert unnamed.value.code == "missing_claim"


class Provider:
    """A provider with a discovery document."""

    def __init__(self, issuer: Issuer, document: object) -> None:
        self.issuer, self.document = issuer, document
        self.requests: list[str] = []

    def keys(self) -> SigningKeys:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle))
        url = oidc_settings(KEYCLOAK, RESOURCE, "keycloak").discovery_url
        return SigningKeys(url, "RS256", issuer=KEYCLOAK, http=http)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(str(request.url))
        if request.url.path.endswith("openid-configuration"):
            return httpx2.Response(200, json=self.document)
        return self.issuer.handle(request)


async def test_the_keys_are_fetched_from_the_jwks_uri_of_discovery(issuer: Issuer) -> None:
    url = f"{KEYCLOAK}/protocol/openid-connect/certs"
    provider = Provider(issuer, {"issuer": KEYCLOAK, "jwks_uri": url})
    keys = provider.keys()
    assert await keys.get("one") is not None
    assert provider.requests == [f"{KEYCLOAK}/.well-known/openid-configuration", url]
    assert await keys.get("one") is not None
    assert len(provider.requests) == 2, "the keys must be cached"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"issuer": f"{KEYCLOAK}/", "jwks_uri": "https://x.example.com/"}, "must be the same"),
        ({"jwks_uri": "https://x.example.com/"}, "must be the same"),
        (["issuer"], "must be the same"),
        ({"issuer": KEYCLOAK}, "no https URL"),
        ({"issuer": KEYCLOAK, "jwks_uri": "http://x.example.com/"}, "no https URL"),
        ({"issuer": KEYCLOAK, "jwks_uri": "file:///etc/passwd"}, "no https URL"),
        ({"issuer": KEYCLOAK, "jwks_uri": ["https://x.example.com/"]}, "no https URL"),
    ],
    ids=str,
)
async def test_no_keys_are_fetched_with_a_wrong_discovery_document(issuer: Issuer, document: object, why: str) -> None:
    provider = Provider(issuer, document)
    with pytest.raises(KeysUnavailable, match=why):
        await provider.keys().get("one")
    assert len(provider.requests) == 1


async def test_the_jwks_url_can_be_configured() -> None:
    discovered = tenant_keys(oidc_settings(KEYCLOAK, RESOURCE, "keycloak"))
    assert discovered.url == f"{KEYCLOAK}/.well-known/openid-configuration"
    url = "https://keys.example.com/jwks"
    assert tenant_keys(oidc_settings(KEYCLOAK, RESOURCE, "keycloak", AUTH0_JWKS_URL=url)).url == url


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"OIDC_ISSUER": KEYCLOAK, "AUTH0_DOMAIN": "x.example.com"}, "OIDC_ISSUER is set, and so is AUTH0_DOMAIN"),
        ({"OIDC_ISSUER": "http://login.example.com/"}, "https:// is needed"),
        ({"OIDC_ISSUER": "login.example.com"}, "a URL"),
        ({"OIDC_ISSUER": KEYCLOAK, "OIDC_PROFILE": "google"}, "valid are auth0, keycloak, entra, okta"),
        ({"OIDC_ISSUER": KEYCLOAK, "SCOPE_PREFIX": "api:// x"}, "the beginning of a scope"),
        ({"OIDC_ISSUER": KEYCLOAK, "JWT_ALGORITHM": "HS256"}, "valid are RS256"),
        ({"OIDC_ISSUER": KEYCLOAK, "OIDC_AUDIENCE": "a", "AUTH0_AUDIENCE": "b"}, "AUTH0_AUDIENCE"),
        ({"OIDC_ISSUER": KEYCLOAK, "GRANT_CLAIM": "a..b"}, "names of claims are valid"),
    ],
    ids=str,
)
async def test_a_wrong_combination_of_variables_is_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=why):
        load_settings()
