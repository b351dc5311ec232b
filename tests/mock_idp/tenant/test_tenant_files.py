from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mock_idp.tenant.loading import ConfigurationError, load_configuration

MISTAKES = [
    (
        lambda f: f["tenant"].update(freindly_name="x"),
        "tenant.yaml: tenant.freindly_name: unknown key; did you mean friendly_name?",
    ),
    (lambda f: f.update(user=[]), "tenant.yaml: user: unknown key; did you mean users?"),
    (
        lambda f: f["clients"][0].update(callback=[]),
        "tenant.yaml: clients[0].callback: unknown key; did you mean callbacks?",
    ),
    (
        lambda f: f["resourceServers"][0].update(token_dialect="jwt"),
        "tenant.yaml: resourceServers[0].token_dialect: Input should be 'access_token', 'access_token_authz', "
        "'rfc9068_profile' or 'rfc9068_profile_authz' (seen: 'jwt')",
    ),
    (
        lambda f: f["clientGrants"][0].update(client_id="Gone"),
        "tenant.yaml: clientGrants[0].client_id: there is no client 'Gone'; "
        "there are: 'Gatehouse agent', 'Gatehouse machine'",
    ),
    (
        lambda f: f["clientGrants"][0].update(audience="http://localhost:5555/mcp/"),
        "tenant.yaml: clientGrants[0].audience: there is no resource server 'http://localhost:5555/mcp/'; "
        "there are: 'http://localhost:5555/mcp'",
    ),
    (
        lambda f: f["roles"][0]["permissions"][0].update(permission_name="read"),
        "tenant.yaml: roles[0].permissions[0].permission_name: the API 'http://localhost:5555/mcp' has no scope 'read'",
    ),
    (
        lambda f: f["databases"][0].update(enabled_clients=["Gatehouse agnt"]),
        "tenant.yaml: databases[0].enabled_clients: there is no client 'Gatehouse agnt'; "
        "there are: 'Gatehouse agent', 'Gatehouse machine'",
    ),
    (
        lambda f: f["clientGrants"][0].update(default_for="third_party_clients"),
        "tenant.yaml: clientGrants[0]: needs exactly one of client_id and default_for",
    ),
]


@pytest.mark.parametrize(("change", "line"), MISTAKES)
def test_a_mistake_in_the_tenant_file_is_one_line_with_file_and_path(start: Any, change: Any, line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        start(change)
    assert [seen[seen.index("tenant.yaml") :] for seen in raised.value.lines] == [line]


def test_a_mistake_in_the_offline_file_is_one_line_that_shows_no_password(start: Any) -> None:
    def change(file: dict[str, Any]) -> None:
        file["users"][0]["password"] = 12345678
        file["users"][1]["role"] = []

    with pytest.raises(ConfigurationError) as raised:
        start(offline=change)
    assert len(raised.value.lines) == 2
    assert "12345678" not in str(raised.value)
    assert "users[1].role: unknown key" in str(raised.value)


def test_an_unknown_role_of_a_user_is_named(start: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"users\[1\].roles: there is no role 'admin'; there are: 'mcp-user'"):
        start(offline=lambda file: file["users"][1].update(roles=["admin"]))


def test_unused_keys_of_an_export_are_accepted(start: Any) -> None:
    def exported(file: dict[str, Any]) -> None:
        file.update(rules=None, actions=[], prompts={}, branding={}, guardianFactors=[], attackProtection={})
        file["tenant"].update(session_lifetime=168, sandbox_version="22", enabled_locales=["en"], default_audience="")
        file["tenant"]["flags"] = {"enable_sso": True, "universal_login": True, "disable_impersonation": True}
        file["resourceServers"][0].update(is_system=False, consent_policy=None)
        file["databases"][0].update(realms=["Username-Password-Authentication"], options={"mfa": {"active": True}})
        file["clients"][0].update(
            cross_origin_auth=False, sso_disabled=False, custom_login_page_on=True, refresh_token={"leeway": 0}
        )
        grant = {"default_for": "third_party_clients", "client_id": "undefined_clientId", "subject_type": "user"}
        file["clientGrants"].append({**grant, "audience": "http://localhost:5555/mcp", "scope": ["access:mcp"]})
        system = {"client_id": "Gatehouse machine", "audience": "https://t.eu.auth0.com/api/v2/", "scope": ["read:x"]}
        file["clientGrants"].append(system)

    assert start(exported).tokens()["access_token"]


def test_keywords_are_replaced_as_the_deploy_cli_does(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        'tenant:\n  friendly_name: "##NAME## (test)"\nresourceServers: @@APIS@@\n', encoding="utf-8"
    )
    (tmp_path / "o.yaml").write_text("", encoding="utf-8")
    values = {"NAME": "Acme", "APIS": [{"name": "A", "identifier": "a"}]}
    configuration = load_configuration(tmp_path / "t.yaml", tmp_path / "o.yaml", values)
    assert configuration.tenant_file.tenant.friendly_name == "Acme (test)"
    assert configuration.tenant_file.resourceServers[0].identifier == "a"


def test_a_client_that_the_offline_file_does_not_name_gets_the_same_id_every_time(start: Any) -> None:
    def add(file: dict[str, Any]) -> None:
        file["clients"].append({"name": "Another", "callbacks": ["http://localhost:1/cb"]})

    first, second = start(add), start(add)
    assert first.idp.tenant.clients.keys() == second.idp.tenant.clients.keys()
    assert len(first.idp.tenant.clients) == 3


def test_a_user_without_an_id_has_the_same_one_at_every_start(start: Any) -> None:
    def without_id(file: dict[str, Any]) -> None:
        del file["users"][0]["user_id"]

    ids = [next(u.user_id for u in start(offline=without_id).idp.tenant.users.values() if u.name) for _ in range(2)]
    assert ids[0] == ids[1]
    assert re.fullmatch(r"auth0\|[0-9a-f]{24}", ids[0])
    tenant = start(offline=without_id)
    assert tenant.claims(tenant.tokens()["access_token"])["sub"] == ids[0]
