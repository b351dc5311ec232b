"""Whole exports of the Deploy CLI load. What the tenant does not play is listed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mock_idp.oauth.token.endpoint import GRANTS
from mock_idp.tenant.loading import Configuration, ConfigurationError, load_configuration
from mock_idp.tenant.not_played import not_played
from mock_idp.tenant.tenant_schema import PLAYED_GRANTS

EXPORTS = Path(__file__).parents[2] / "support/exports"


def load(path: Path, folder: Path, keywords: dict[str, Any] | None = None) -> Configuration:
    (folder / "offline.yaml").write_text("", encoding="utf-8")
    return load_configuration(path, folder / "offline.yaml", keywords or {})


def export(name: str) -> Path:
    return EXPORTS / "loads" / f"{name}.yaml"


@pytest.mark.parametrize("path", sorted(EXPORTS.glob("loads/*.yaml")), ids=lambda path: path.stem)
def test_what_the_deploy_cli_accepts_loads(path: Path, tmp_path: Path) -> None:
    assert load(path, tmp_path).tenant().settings.friendly_name in ("Orchard", "Offline tenant")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "role_with_a_permission_that_its_api_lacks",
            "roles[0].permissions[0].permission_name: "
            "the API 'https://api.orchard.example/' has no scope 'write:trees'",
        ),
        (
            "grant_for_an_api_that_is_not_there",
            "clientGrants[0].audience: there is no resource server 'https://api.orchard.example'; "
            "there are: 'https://api.orchard.example/'",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_one_line(name: str, sentence: str, tmp_path: Path) -> None:
    path = EXPORTS / "refused" / f"{name}.yaml"
    with pytest.raises(ConfigurationError) as raised:
        load(path, tmp_path)
    assert raised.value.lines == [f"{path}: {sentence}"]


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("universal_login", ["tenant.universal_login"]),
        ("migrations", []),
        ("dropped_flags", ["tenant.flags.enable_sso", "tenant.flags.include_email_in_verify_email_redirect"]),
    ],
)
def test_what_is_not_played_is_listed(name: str, listed: list[str], tmp_path: Path) -> None:
    assert not_played(load(export(name), tmp_path).tenant_file) == listed


def test_the_list_names_what_says_something_and_nothing_that_is_off_or_usual(tmp_path: Path) -> None:
    listed = not_played(load(export("older_full_export"), tmp_path).tenant_file)
    assert {"rules", "hooks", "pages", "branding", "clients[].addons", "clients[].grant_types: implicit (2)"} <= set(
        listed
    )
    assert {"databases[].enabled_clients: not in the file", "clientGrants[].client_id: not in the file"} <= set(listed)
    for quiet in ("guardian", "actions", "migrations", "sso_disabled", "custom_login_page_on", "support_email"):
        assert not any(quiet in line for line in listed), listed
    assert len(listed) == len(set(listed)) < 30


def test_a_key_that_nobody_knows_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("tenant:\n  quantum_login: true\nroles:\n- {name: r, level: 3}\n- {name: s, level: 4}\n")
    assert not_played(load(path, tmp_path).tenant_file) == ["tenant.quantum_login", "roles[].level (2)"]


def test_an_old_third_party_client_keeps_only_the_grants_that_a_strict_one_may_have(tmp_path: Path) -> None:
    tenant = load(export("older_full_export"), tmp_path).tenant()
    partner = next(client for client in tenant.clients.values() if client.name == "Orchard partner")
    assert partner.strict
    assert partner.grant_types == {"authorization_code", "refresh_token"}


def test_all_missing_keywords_of_what_is_played_are_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = load(export("keywords_without_a_value"), tmp_path)
    empty, missing = [record.getMessage() for record in caplog.records if record.name == "mock_idp.tenant.loading"]
    assert "tenant.friendly_name is empty: ##FRIENDLY## has no value, and without quotes it is a YAML comment" in empty
    named = re.findall("[#@]{2}[A-Z_]+[#@]{2}", missing)
    texts = ["##API_URL##", "##JOB##", "##OTHER_API_URL##", "##SHOP_ORIGIN##"]
    values = ["@@ACTION_SECRETS@@", "@@SHOP_CALLBACKS@@", "@@SHOP_LOGOUTS@@"]
    assert sorted(named) == [*texts, *values]
    assert configuration.tenant().apis.keys() == {"##API_URL##"}
    assert configuration.tenant_file.clients[0].callbacks == []
    for quiet in ("SMTP", "SHARED"):
        assert quiet not in missing + empty


def test_a_file_that_cannot_be_used_without_a_keyword_names_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text('resourceServers:\n- name: "##NAME##"\n  identifier: ##URL##\nclients: @@CLIENTS@@\n')
    with pytest.raises(ConfigurationError) as raised:
        load(path, tmp_path)
    assert [line.removeprefix(f"{path}: ") for line in raised.value.lines] == [
        "resourceServers[0].identifier: Field required",
        "resourceServers[0].identifier is empty: ##URL## has no value, and without quotes it is a YAML comment: "
        "put it in quotes, or set URL",
        "no value for ##NAME##, @@CLIENTS@@, which therefore stays as text: set an environment variable of that name, "
        "or AUTH0_KEYWORD_REPLACE_MAPPINGS",
    ]


def test_the_value_of_a_json_keyword_may_contain_a_text_keyword(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("resourceServers: @@APIS@@\n")
    values = {"APIS": [{"name": "A", "identifier": "##API-URL##"}], "API-URL": "https://a.example/"}
    assert load(path, tmp_path, values).tenant().apis.keys() == {"https://a.example/"}


def test_a_text_keyword_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("resourceServers:\n- name: A\n  identifier: a\n  token_lifetime: ##LIFETIME##\n")
    assert load(path, tmp_path, {"LIFETIME": 60}).tenant().apis["a"].token_lifetime == 60


def test_the_grants_that_count_as_played_are_those_of_the_token_endpoint() -> None:
    assert set(PLAYED_GRANTS) == set(GRANTS)


def test_an_export_without_its_folder_of_actions_says_so_in_two_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("actions:\n" + "".join(f"- name: a{n}\n  code: ./actions/a{n}/code.js\n" for n in range(12)))
    load(path, tmp_path)
    first, others = [record.getMessage() for record in caplog.records]
    assert "actions[0].code: ./actions/a0/code.js cannot be read" in first
    assert others == f"{path}: actions: the code of 11 more cannot be read; they do not run"
