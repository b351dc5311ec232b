"""The doctor, errors and explanations in the words of the provider: no text speaks of Auth0 to people without it."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

import gatehouse_client
from gatehouse_client.causes.catalogue import ENTRIES
from gatehouse_client.causes.providers import (
    AUTH0,
    AUTH0_CHECKS,
    OTHERS_CHECKS,
    PLACES,
    TITLES,
    entry_for,
    in_words_of,
)
from gatehouse_client.cli.doctor import page
from gatehouse_client.doctor.findings import Finding, Mark, wrong
from gatehouse_client.profiles import PROFILES
from gatehouse_client.signin.protocol.challenge import Challenge
from gatehouse_client.signin.refusals import forbidden
from gatehouse_client.storage.grant import Grant
from tests.client.doctor.web import API, METADATA, Web, redirected, signed
from tests.client.run_command import Command

pytestmark = pytest.mark.anyio

OTHERS = sorted(set(TITLES) - {AUTH0})
ISSUERS = {
    "keycloak": "https://login.example/realms/tools",
    "entra": "https://login.microsoftonline.com/1/v2.0",
    "okta": "https://dev-1.okta.com/oauth2/aus1",
    "cognito": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
    "zitadel": "https://tools-1.zitadel.cloud",
    "authkit": "https://tools-1.authkit.app",
    "rfc9068": "https://as.example",
    "oidc": "https://id.example",
}
# Rooms for Auth0 alone: its Management API.
ONLY_AUTH0 = {"tenant", "objects.py", "configuration.py", "catalogue.py"}


def speaks_of_auth0(text: str) -> bool:
    return "auth0" in text.casefold()


def texts_of(finding: Finding) -> Iterator[str]:
    """Everything that the doctor can show of a finding."""
    entry = finding.entry
    yield from (finding.seen, finding.advice, *finding.fixes().values())
    yield from (entry.title, entry.cause, entry.advice, entry.unsure, entry.dashboard, entry.command, entry.environment)
    yield from entry.symptoms


def test_there_are_words_for_each_profile() -> None:
    assert set(TITLES) == set(PROFILES) == {AUTH0, *ISSUERS}
    assert set(PLACES) == set(PROFILES) - {AUTH0, "rfc9068", "oidc"}
    assert {check for places in PLACES.values() for check in places} <= set(ENTRIES) - AUTH0_CHECKS


@pytest.mark.parametrize("profile", OTHERS)
@pytest.mark.parametrize("check", sorted(set(ENTRIES) - AUTH0_CHECKS))
def test_no_text_of_a_check_speaks_of_auth0(profile: str, check: str) -> None:
    finding = Finding(Mark.WRONG, "", check, profile=profile)
    assert [text for text in texts_of(finding) if speaks_of_auth0(text)] == []
    assert not speaks_of_auth0(page(profile))


def strings_of(file: Path) -> Iterator[str]:
    """The texts in a module, without docstrings and names."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if is_text and not node.value.isidentifier():  # type: ignore[attr-defined, union-attr]
            yield str(node.value)  # type: ignore[attr-defined]


def test_no_message_of_the_client_speaks_of_auth0_to_people_with_another_provider() -> None:
    root = Path(gatehouse_client.__file__).parent
    files = [file for file in root.rglob("*.py") if not ONLY_AUTH0.intersection((file.name, file.parent.name))]
    assert len(files) > 60
    # The forms of issuers, the titles, the command for Auth0's tenant, and the check for its Management API.
    allowed = {"profiles.py", "providers.py", "tenant.py"}
    spoken = {
        file.name: text
        for file in files
        if file.name not in allowed
        for text in strings_of(file)
        if speaks_of_auth0(in_words_of("oidc", text))
    }
    assert spoken == {}


class ProviderWeb(Web):
    """A web whose tenant is another provider."""

    issuer = ""

    def metadata(self) -> dict[str, object]:
        base = "https://tenant.example/"
        return {**super().metadata(), "issuer": self.issuer, "jwks_uri": f"{base}jwks", **self.tenant}

    def usual(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if "/.well-known/" in path and "protected-resource" not in path:
            return httpx2.Response(200, json=self.metadata())
        if path.startswith("/.well-known/oauth-protected-resource"):
            return httpx2.Response(200, json={"resource": API, "authorization_servers": [self.issuer]})
        return super().usual(request)


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderWeb:
    return ProviderWeb(monkeypatch, tmp_path)


def settings_for(web: ProviderWeb, profile: str, **more: object) -> dict[str, object]:
    web.issuer = ISSUERS[profile]
    settings = {"auth0_issuer": None, "auth0_client_id": None, "oidc_issuer": web.issuer, "oidc_profile": profile}
    return {**settings, "oidc_client_id": "agent", **more}


def forbidding(permission: str, scope: str = "") -> httpx2.Response:
    scopes = f'scope="{scope}", ' if scope else ""
    value = f'Bearer error="insufficient_scope", {scopes}permission="{permission}", resource_metadata="{METADATA}"'
    return httpx2.Response(403, headers={"WWW-Authenticate": value})


FAULTS = {
    "none": {},
    "the server is down": {"/mcp": httpx2.Response(503)},
    "no challenge": {"/mcp": httpx2.Response(401)},
    "no metadata": {"/.well-known/oauth-protected-resource/mcp": httpx2.Response(404)},
    "no keys": {"/jwks": httpx2.Response(200, json={"keys": []})},
    "unknown client": {"/authorize": httpx2.Response(400, text="Unknown client: agent")},
    "callback mismatch": {"/authorize": httpx2.Response(400, text="Invalid parameter: redirect_uri")},
    "invalid scope": {"/authorize": redirected("invalid_scope", "Invalid scopes: access:mcp")},
    "unknown api": {"/authorize": redirected("access_denied", "Service not found: x")},
    "grant type": {"/authorize": redirected("unauthorized_client", "Grant type not allowed for the client")},
    "bad secret": {"/oauth/token": httpx2.Response(401, json={"error": "invalid_client"})},
    "no registration": {"/oidc/register": httpx2.Response(403)},
}


@pytest.mark.parametrize("profile", OTHERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_doctors_output_never_speaks_of_auth0(provider: ProviderWeb, profile: str, fault: str) -> None:
    provider.answers = {path: (lambda _, answer=answer: answer) for path, answer in FAULTS[fault].items()}  # type: ignore[misc]
    tokens = [None, signed({"iss": "x", "aud": "y", "sub": "z"}), "opaque"]
    pkce: list[dict[str, object]] = [{}, {"code_challenge_methods_supported": None, "registration_endpoint": None}]
    for token, provider.tenant in itertools.product(tokens, pkce):
        found = await provider.found(**settings_for(provider, profile, gatehouse_token=token))
        assert AUTH0_CHECKS.isdisjoint(found)
        assert [text for each in found.values() for text in texts_of(each) if speaks_of_auth0(text)] == []


async def test_a_scope_that_the_provider_does_not_know_leads_to_the_profile(provider: ProviderWeb) -> None:
    provider.answers["/authorize"] = lambda _: redirected("invalid_scope", "Invalid scopes: access:mcp")
    found = await provider.found(**settings_for(provider, "keycloak"))
    assert found["scopes"].mark is Mark.WRONG
    assert "OIDC_PROFILE of the server" in found["scopes"].entry.advice
    assert "Client scopes" in found["scopes"].fixes()["dashboard"]


@pytest.mark.parametrize(
    ("status", "page", "mark"),
    [
        (200, '<form><INPUT name=p type="password"></form>', Mark.OK),
        (400, '<form><input type="password"></form>', Mark.UNKNOWN),
        (200, '<form><input type="text" title="password"></form>', Mark.UNKNOWN),
    ],
)
async def test_a_sign_in_page_in_place_of_a_silent_answer_shows_that_the_client_is_known(
    provider: ProviderWeb, status: int, page: str, mark: Mark
) -> None:
    provider.answers["/authorize"] = lambda _: httpx2.Response(status, text=page)
    found = await provider.found(**settings_for(provider, "oidc"))
    assert found["application"].mark is mark
    if mark is Mark.OK:
        assert found["callback"].mark is found["scopes"].mark is Mark.OK


async def test_the_doctor_requests_the_scopes_of_the_challenge(provider: ProviderWeb) -> None:
    value = f'Bearer scope="openid", permission="access:mcp", resource_metadata="{METADATA}"'
    provider.answers["/mcp"] = lambda _: httpx2.Response(401, headers={"WWW-Authenticate": value})
    for profile, named in (("keycloak", True), ("entra", False)):
        provider.sent.clear()
        found = await provider.found(**settings_for(provider, profile))
        asked = [dict(request.url.params) for request in provider.sent if request.url.path == "/authorize"]
        assert asked[0]["scope"] == "openid"
        assert all(("audience" in query) is named for query in asked)
        assert (found["scopes"].mark, found["scopes"].seen) == (Mark.OK, "openid")


async def test_a_provider_that_only_the_server_names_has_its_own_words(provider: ProviderWeb) -> None:
    provider.issuer = ISSUERS["keycloak"]
    provider.answers["/authorize"] = lambda _: httpx2.Response(400, text="Invalid parameter: redirect_uri")
    found = await provider.found(auth0_issuer=None)
    assert found["callback"].fixes()["dashboard"] == "Clients > the client > Settings > Valid redirect URIs"
    assert AUTH0_CHECKS.isdisjoint(found)


KEYCLOAK = {"iss": ISSUERS["keycloak"], "aud": ["gatehouse"], "sub": "1", "typ": "Bearer", "azp": "agent"}


def keycloak_token(*roles: str, **claims: object) -> str:
    return signed({**KEYCLOAK, "resource_access": {"gatehouse": {"roles": list(roles)}}, **claims})


async def test_the_role_is_read_from_the_claims_of_the_provider(provider: ProviderWeb) -> None:
    settings = settings_for(provider, "keycloak", oidc_audience="gatehouse")
    found = await provider.found(**settings, gatehouse_token=keycloak_token("access:mcp", scope="openid"))
    assert (found["role"].mark, found["role"].seen) == (Mark.OK, "1: access:mcp")
    provider.answers["/mcp"] = lambda request: (
        forbidding("access:mcp") if "authorization" in request.headers else Web.usual(provider, request)
    )
    lacking = await provider.found(**settings, gatehouse_token=keycloak_token(scope="openid access:mcp"))
    assert (lacking["role"].mark, lacking["role"].seen) == (Mark.WRONG, "1 lacks access:mcp; granted: nothing.")
    assert "Role mapping" in lacking["role"].fixes()["dashboard"]


async def test_the_permission_of_a_challenge_without_scopes_is_compared(provider: ProviderWeb) -> None:
    value = f'Bearer scope="openid", permission="access:mcp", resource_metadata="{METADATA}"'
    provider.answers["/mcp"] = lambda _: httpx2.Response(401, headers={"WWW-Authenticate": value})
    found = await provider.found(**settings_for(provider, "keycloak"))
    assert (found["required-permission"].mark, found["required-permission"].seen) == (Mark.OK, "access:mcp")


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
async def test_a_signature_of_any_algorithm_with_public_keys_is_checked(provider: ProviderWeb, algorithm: str) -> None:
    made = {"ES256": lambda: ECKey.generate_key("P-256"), "Ed25519": lambda: OKPKey.generate_key("Ed25519")}
    used = made[algorithm]() if algorithm in made else RSAKey.generate_key(2048)
    published = {**used.as_dict(private=False), "kid": "one", "alg": algorithm, "use": "sig"}
    provider.answers["/jwks"] = lambda _: httpx2.Response(200, json={"keys": [published]})
    claims = {**KEYCLOAK, "iss": ISSUERS["oidc"], "aud": API, "scope": "access:mcp"}
    token = jwt.encode({"alg": algorithm, "kid": "one", "typ": "JWT"}, claims, used, algorithms=[algorithm])
    settings = settings_for(provider, "oidc", jwt_algorithm=algorithm)
    found = await provider.found(**settings, gatehouse_token=token)
    for check in ("keys", "token-algorithm", "token-signature", "accepted"):
        assert found[check].mark is Mark.OK, found[check]
    forged = await provider.found(**settings, gatehouse_token=f"{token[:-8]}AAAAAAAA")
    assert forged["token-signature"].mark is Mark.WRONG


async def test_an_algorithm_that_the_server_refuses_is_a_fault_of_the_setting(provider: ProviderWeb) -> None:
    said = 'Bearer error="invalid_token", error_description="Only ES256 signatures are accepted.", scope="x"'
    provider.answers["/mcp"] = lambda request: httpx2.Response(
        401, headers={"WWW-Authenticate": f'{said}, resource_metadata="{METADATA}"'}
    )
    found = await provider.found(
        **settings_for(provider, "oidc"), gatehouse_token=signed({**KEYCLOAK, "iss": ISSUERS["oidc"], "aud": API})
    )
    assert found["token-algorithm"].mark is Mark.WRONG
    assert "JWT_ALGORITHM of the server to RS256" in found["token-algorithm"].advice


async def test_a_token_of_entras_old_version_leads_to_the_manifest(provider: ProviderWeb) -> None:
    claims = {**KEYCLOAK, "iss": "https://sts.windows.net/1/", "aud": "api://1", "ver": "1.0"}
    found = await provider.found(**settings_for(provider, "entra"), gatehouse_token=signed(claims))
    assert found["token-audience"].mark is Mark.WRONG
    assert "requestedAccessTokenVersion" in found["token-audience"].advice


async def test_a_servers_answer_that_names_the_setting_has_no_other_advice(provider: ProviderWeb) -> None:
    said = "The token lacks the claims: sub: in Keycloak, give the client the client scope `basic`."
    value = f'Bearer error="invalid_token", error_description="{said}", resource_metadata="{METADATA}"'
    provider.answers["/mcp"] = lambda _: httpx2.Response(401, headers={"WWW-Authenticate": value})
    settings = settings_for(provider, "keycloak", oidc_audience="gatehouse")
    found = await provider.found(**settings, gatehouse_token=keycloak_token("access:mcp"))
    assert "client scope `basic`" in found["accepted"].seen
    assert found["accepted"].advice == "The answer names the setting at the provider."


async def test_an_opaque_token_is_the_servers_to_judge(provider: ProviderWeb) -> None:
    found = await provider.found(**settings_for(provider, "oidc"), gatehouse_token="ory_at_1")
    assert [check for check, finding in found.items() if finding.mark is Mark.WRONG] == []
    assert found["accepted"].mark is Mark.OK


async def test_pkce_that_is_not_announced_needs_the_persons_word(provider: ProviderWeb) -> None:
    provider.tenant = {"code_challenge_methods_supported": None}
    found = await provider.found(**settings_for(provider, "entra"))
    assert found["pkce"].mark is Mark.WRONG
    assert "OAUTH_PKCE_UNANNOUNCED=1" in found["pkce"].entry.advice
    trusted = await provider.found(**settings_for(provider, "entra", oauth_pkce_unannounced=True))
    assert trusted["pkce"].mark is Mark.OK
    provider.tenant = {"code_challenge_methods_supported": ["plain"]}
    plain = await provider.found(**settings_for(provider, "entra", oauth_pkce_unannounced=True))
    assert plain["pkce"].mark is Mark.WRONG


@pytest.mark.parametrize("profile", OTHERS)
def test_a_missing_permission_is_told_in_the_words_of_the_provider(profile: str) -> None:
    grant = Grant.model_validate(
        {
            **dict.fromkeys(("server", "resource", "client_id", "token_endpoint"), API),
            "issuer": ISSUERS[profile],
            "token_endpoint_auth_method": "none",
            "access_token": signed({"sub": "1"}),
            "scope": "api://x/time:read",
            "obtained_at": 1.0,
        }
    )
    challenge = Challenge("bearer", {"scope": "api://x/time:read", "permission": "time:read"})
    told = str(forbidden(API, grant, challenge, "access:mcp"))
    assert "The permission time:read is missing" in told
    assert not speaks_of_auth0(told)
    assert PLACES.get(ISSUERS[profile] and profile, {}).get("role", "") in told


def test_errors_and_explanations_of_the_command_line_name_the_variables_of_the_provider(command: Command) -> None:
    oidc = {"OIDC_ISSUER": "https://id.example", "AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": ""}
    failed = command("login", GATEHOUSE_SIGN_IN="machine", **oidc)
    assert "OIDC_CLIENT_ID is not set" in failed.stderr
    assert not speaks_of_auth0(failed.stderr)
    explained = command("doctor", "--explain", "callback", OIDC_PROFILE="okta", **oidc)
    assert "In Okta's dashboard: Applications > the application > General > Sign-in redirect URIs" in explained.stdout
    assert not speaks_of_auth0(explained.stdout)
    assert not speaks_of_auth0(command("doctor", "--explain", "all", **oidc).stdout)
    as_json = command("login", "--json", GATEHOUSE_SIGN_IN="machine", **oidc)
    assert "OIDC_CLIENT_ID" in json.loads(as_json.stderr)["message"]


def test_the_page_for_auth0_leaves_out_what_only_others_do() -> None:
    for check in OTHERS_CHECKS:
        assert f"### {check}\n" not in page()
        assert f"### {check}\n" in page("oidc")


def test_the_words_for_auth0_stay_as_they_are() -> None:
    for check, entry in ENTRIES.items():
        assert entry_for(check, AUTH0) is entry
    assert in_words_of(AUTH0, "Set AUTH0_DOMAIN.") == "Set AUTH0_DOMAIN."
    assert wrong("AUTH0_AUDIENCE").about(AUTH0).seen == "AUTH0_AUDIENCE"
