"""The offline tenant and `gatehouse tenant` take the same files: exports of the Deploy CLI, and files with mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gatehouse_client.errors import ConfigurationError
from gatehouse_client.tenant.file import load_tenant_file
from mock_idp.tenant import loading

ROOT = Path(__file__).parents[3]
EXPORTS = ROOT / "tests/support/exports"
KEYWORDS = {"MCP_PUBLIC_URL": "http://localhost:5555/mcp", "OAUTH_CALLBACK_URI": "http://localhost:8642/callback"}
FILES = [*sorted(EXPORTS.glob("*/*.yaml")), ROOT / "auth0/tenant.yaml"]


def is_taken_by_the_offline_tenant(path: Path, folder: Path) -> bool:
    (folder / "offline.yaml").write_text("", encoding="utf-8")
    try:
        loading.load_configuration(path, folder / "offline.yaml", KEYWORDS)
    except loading.ConfigurationError:
        return False
    return True


def is_taken_by_gatehouse_tenant(path: Path) -> bool:
    try:
        load_tenant_file(path, KEYWORDS)
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_take_the_file_or_both_refuse_it(path: Path, tmp_path: Path) -> None:
    wanted = path.parent.name != "refused"
    assert is_taken_by_the_offline_tenant(path, tmp_path) is wanted
    assert is_taken_by_gatehouse_tenant(path) is wanted


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "role_with_a_permission_that_its_api_lacks",
            "roles[0].permissions: the API 'https://api.orchard.example/' has no scope 'write:trees'.",
        ),
        (
            "grant_for_an_api_that_is_not_there",
            "clientGrants[0]: there is no resource server 'https://api.orchard.example' in the file.",
        ),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_one_sentence(name: str, sentence: str) -> None:
    path = EXPORTS / "refused" / f"{name}.yaml"
    with pytest.raises(ConfigurationError) as raised:
        load_tenant_file(path, KEYWORDS)
    assert str(raised.value) == f"{path}: {sentence}"


def test_keywords_without_a_value_are_named_together_and_only_where_they_are_used() -> None:
    path = EXPORTS / "loads/keywords_without_a_value.yaml"
    file = load_tenant_file(path, {})
    assert sorted(file.missing) == [
        *("##API_URL##", "##JOB##", "##OTHER_API_URL##", "##SHOP_ORIGIN##"),
        *("@@SHOP_CALLBACKS@@", "@@SHOP_LOGOUTS@@"),
    ]
    empty, missing, _ = file.notes
    assert empty.startswith(f"{path}: tenant.friendly_name is empty: ##FRIENDLY## has no value")
    assert missing.startswith(f"{path} has no value for ##API_URL##, @@SHOP_CALLBACKS@@, @@SHOP_LOGOUTS@@, ##SHOP_")
    assert file.settings == {"default_audience": "##API_URL##"}
    assert "callbacks" not in file.clients[0]


def test_the_value_of_a_json_keyword_may_contain_a_text_keyword(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.write_text("resourceServers: @@APIS@@\n", encoding="utf-8")
    values = {"APIS": [{"name": "A", "identifier": "##API-URL##"}], "API-URL": "https://a.example/"}
    assert load_tenant_file(path, values).apis == [{"name": "A", "identifier": "https://a.example/"}]


def test_what_refers_to_applications_of_other_files_is_left_out() -> None:
    file = load_tenant_file(EXPORTS / "loads/older_full_export.yaml", {})
    assert [grant["client_id"] for grant in file.grants] == ["Default App"]
    assert file.databases[0]["enabled_clients"] == ["Default App"]
    assert "Mobile application of another file" in file.notes[0]


def test_a_misspelled_application_is_refused(tmp_path: Path) -> None:
    document = {"clients": [{"name": "Shop"}], "databases": [{"name": "d", "enabled_clients": ["Shopp"]}]}
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="there is no client 'Shopp' in the file"):
        load_tenant_file(path, {})
    assert not is_taken_by_the_offline_tenant(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory). Name the tenant file with --file."),
        (b"name: \xff", "is not UTF-8 text: "),
        (b"clients: [", "is not YAML: "),
        (b"- clients", "must be a mapping of sections: "),
    ],
)
def test_a_file_that_is_no_tenant_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "tenant.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        load_tenant_file(path, {})
    assert str(raised.value).startswith(f"{path} {said}")


def test_an_empty_tenant_file_has_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "tenant.yaml"
    path.touch()
    file = load_tenant_file(path, {})
    assert not any((file.clients, file.apis, file.roles, file.grants, file.databases))


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ("a text", "users[0] must be a mapping with email and password"),
        ([{"email": "a@example.com"}], "users[0] must be a mapping with email and password"),
        ([{"email": "a@example.com", "password": "p", "roles": ["mcp-usr"]}], "users[0]: there is no role 'mcp-usr'"),
    ],
)
def test_a_wrong_user_is_named_and_no_password_is_shown(tmp_path: Path, users: object, said: str) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(yaml.safe_dump({"users": users}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_tenant_file(ROOT / "auth0/tenant.yaml", KEYWORDS, path)
    assert str(raised.value) == f"{path}: {said}."
