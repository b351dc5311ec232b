"""The client reads a token in the same way as the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gatehouse_client.profiles import PROFILES, ProfileChoice
from gatehouse_server.auth.verify.profiles import PROFILES as SERVER_PROFILES
from gatehouse_server.auth.verify.profiles import MalformedGrant
from tests.server.auth.verify.recorded_shapes import ACCESS, IDENTITY, REFUSED, Shape

SHAPES = [*ACCESS, *IDENTITY, *REFUSED]


def at_the_server(shape: Shape, claims: Mapping[str, Any], grant_claim: str = "", prefix: str = "") -> frozenset[str]:
    profile = SERVER_PROFILES[shape.profile]
    profile = profile.with_grant_claims(grant_claim) if grant_claim else profile
    profile = replace(profile, scope_prefix=prefix) if prefix else profile
    try:
        return profile.for_audience(shape.audience).granted(claims)
    except MalformedGrant:
        return frozenset()  # the server refuses the token


def test_both_tables_have_the_same_rows() -> None:
    assert {
        name: (profile.grants, profile.narrowed_by, profile.keyed, profile.prefix) for name, profile in PROFILES.items()
    } == {
        name: (row.grants, row.narrowed_by, row.keyed, row.scope_prefix if row.prefixed else "")
        for name, row in SERVER_PROFILES.items()
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("grant_claim", ["", "scope", "scp,roles", "realm_access.roles,scope", "permissions"])
@pytest.mark.parametrize("prefix", ["", "https://tools.example.com/", "api://gatehouse/"])
def test_a_recorded_token_grants_the_same(shape: Shape, grant_claim: str, prefix: str) -> None:
    choice = ProfileChoice(shape.profile, shape.audience, grant_claim, prefix)
    expected = at_the_server(shape, shape.claims, grant_claim, prefix)
    assert choice.at(shape.issuer).granted(shape.claims) == expected


ODD: dict[str, Any] = {"null": None, "number": 1, "text": "a b", "list": ["a"], "mixed": ["a", 1], "object": {"a": {}}}


@pytest.mark.parametrize("shape", ACCESS, ids=str)
@pytest.mark.parametrize("value", ODD)
def test_a_claim_of_another_type_grants_the_same(shape: Shape, value: str) -> None:
    for group in SERVER_PROFILES[shape.profile].for_audience(shape.audience).grants:
        for path in group:
            claims = {**shape.claims, path[0]: ODD[value]}
            read = ProfileChoice(shape.profile, shape.audience).at(shape.issuer).granted(claims)
            assert read == at_the_server(shape, claims)
    narrowed = {**shape.claims, "permissions": ODD[value]}
    read = ProfileChoice(shape.profile, shape.audience).at(shape.issuer).granted(narrowed)
    assert read == at_the_server(shape, narrowed)


@pytest.mark.parametrize("shape", [shape for shape in ACCESS if shape.profile not in ("oidc", "rfc9068")], ids=str)
def test_without_settings_the_issuer_suggests_the_profile(shape: Shape) -> None:
    assert ProfileChoice().at(shape.issuer).name == shape.profile


@pytest.mark.parametrize(
    ("issuer", "name"),
    [
        ("https://id.example.com", "oidc"),
        ("https://id.example.com/application/o/tools/", "oidc"),
        ("https://login.example.com/", "auth0"),
        ("http://localhost:9000/", "auth0"),
        ("https://login.example.com/auth/realms/tools", "keycloak"),
        (None, "auth0"),
    ],
)
def test_a_custom_domain_can_be_auth0s_only_with_its_form(issuer: str | None, name: str) -> None:
    assert ProfileChoice().at(issuer).name == name


def test_a_configured_profile_goes_before_the_issuers_form() -> None:
    assert ProfileChoice("rfc9068").at("https://login.example.com/realms/tools").name == "rfc9068"


def test_the_granted_scope_counts_only_for_an_opaque_token() -> None:
    profile = ProfileChoice("cognito", "https://api.example").at("https://x.example")
    scope = frozenset({"openid", "https://api.example/a", "b"})
    assert profile.permissions("opaque", scope) == {"a"}
    assert profile.permissions("e30.eyJzY29wZSI6Im9wZW5pZCJ9.x", scope) == set()


@pytest.mark.parametrize(
    ("profile", "machine", "scope", "expected"),
    [
        ("entra", True, "api://1/a api://1/b offline_access", "api://1/.default"),
        ("entra", True, "https://api.example/mcp/a", "https://api.example/mcp/.default"),
        ("entra", True, "offline_access", None),
        ("entra", False, "api://1/a openid", "api://1/a openid"),
        ("okta", True, "a b", "a b"),
        ("auth0", True, "access:mcp openid profile email", "access:mcp"),
        ("auth0", True, "openid", None),
        ("auth0", False, "access:mcp openid", "access:mcp openid"),
        ("entra", True, None, None),
    ],
)
def test_a_machine_requests_no_scopes_about_a_person_and_at_entra_all_permissions_of_the_api_at_once(
    profile: str, machine: bool, scope: str | None, expected: str | None
) -> None:
    assert ProfileChoice(profile).at("https://x.example").requested(scope, machine=machine) == expected
