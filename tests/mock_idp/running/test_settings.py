"""The tenant's settings: what is refused with which message, and what follows from another variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from mock_idp.settings import ISSUER_HTTP, ISSUER_SHAPE, ISSUER_SLASH, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(**variables: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(variables)
    (line,) = refused.value.lines
    return line


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        ("http://[::1/", ISSUER_SHAPE),
        ("https://tenant.example.com:99999/", ISSUER_SHAPE),
        ("https://user@tenant.example.com/", ISSUER_SHAPE),
        ("https:///", ISSUER_SHAPE),
        ("ftp://localhost/", ISSUER_SHAPE),
        ("https://tenant.example.com/path/", ISSUER_SHAPE),
        ("https://tenant.example.com/?a=/", ISSUER_SHAPE),
        ("https://tenant.example.com/#/", ISSUER_SHAPE),
        ("https://tenant.example.com", ISSUER_SLASH),
        ("http://localhost.example.com/", ISSUER_HTTP),
    ],
)
@pytest.mark.parametrize("name", ["AUTH0_ISSUER", "MOCK_IDP_TLS_ISSUER"])
def test_an_issuer_that_auth0_cannot_have_is_refused(name: str, issuer: str, reason: str) -> None:
    assert refusal(**{name: issuer}) == f"{name}: {reason}"


@pytest.mark.parametrize(
    ("issuer", "port"),
    [("http://localhost:9100/", 9100), ("http://127.0.0.1/", 80), ("https://tenant.example.com:9100/", 9000)],
)
def test_the_port_follows_from_an_issuer_on_this_machine(issuer: str, port: int) -> None:
    found = load_settings({"AUTH0_ISSUER": issuer})
    assert (found.issuer, found.port) == (issuer, port)
    assert load_settings({"AUTH0_ISSUER": issuer, "MOCK_IDP_PORT": "9200"}).port == 9200


@pytest.mark.parametrize("name", ["MOCK_IDP_TLS_CERT_FILE", "MOCK_IDP_TLS_KEY_FILE"])
def test_a_certificate_without_its_key_is_refused(name: str) -> None:
    assert "MOCK_IDP_TLS_CERT_FILE and MOCK_IDP_TLS_KEY_FILE belong together" in refusal(**{name: "some.pem"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", "MOCK_IDP_CONTROL_TOKEN_FILE is empty: token"),
        (b"sesame-\xff", "MOCK_IDP_CONTROL_TOKEN_FILE: token is not UTF-8 text: line 1 has the byte 0xff"),
        ("sesame".encode("utf-16"), "MOCK_IDP_CONTROL_TOKEN_FILE: token is not UTF-8 text: it is UTF-16 text"),
    ],
    ids=["empty", "a wrong byte", "UTF-16"],
)
def test_a_file_without_a_readable_token_is_refused_and_not_shown(content: bytes, message: str) -> None:
    Path("token").write_bytes(content)
    line = refusal(MOCK_IDP_CONTROL_TOKEN_FILE="token")
    assert message in line
    assert "sesame" not in line


def test_the_control_token_is_read_from_its_file_unless_it_is_set() -> None:
    Path("token").write_bytes(b"\xef\xbb\xbfsesame\r\n")
    found = load_settings({"MOCK_IDP_CONTROL_TOKEN_FILE": "token"})
    assert found.control_token is not None
    assert found.control_token.get_secret_value() == "sesame"
    assert "sesame" not in repr(found)
    both = load_settings({"MOCK_IDP_CONTROL_TOKEN_FILE": "token", "MOCK_IDP_CONTROL_TOKEN": "open"})
    assert both.control_token is not None
    assert both.control_token.get_secret_value() == "open"


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("MOCK_IDP_PORT=9100\n".encode("utf-16"), "it is UTF-16 text (PowerShell's > writes it)"),
        (b"MOCK_IDP_PORT=9100\n# caf\xe9\n", "line 2 has the byte 0xe9"),
    ],
    ids=["UTF-16", "Latin-1"],
)
def test_a_dotenv_file_that_is_not_utf8_is_refused_with_its_place(content: bytes, seen: str) -> None:
    Path(".env").write_bytes(content)
    assert refusal() == f".env is not UTF-8 text: {seen}. Save the file as UTF-8"


def test_hosts_and_presets_are_separated_by_commas() -> None:
    found = load_settings(
        {"MOCK_IDP_ALLOWED_HOSTS": "a.example, B.example,", "MOCK_IDP_PRESET": "dcr-off, role-missing"}
    )
    assert found.allowed_hosts == ["mock-idp", "a.example", "B.example"]
    assert found.presets == ["dcr-off", "role-missing"]


def test_keywords_are_values_for_the_tenant_file() -> None:
    given = {"AUTH0_KEYWORD_REPLACE_MAPPINGS": '{"NAME": "from the object", "HOSTS": ["a", "b"]}'}
    found = load_settings(given).keyword_values()
    assert (found["NAME"], found["HOSTS"]) == ("from the object", ["a", "b"])


def test_without_a_tenant_file_the_example_is_played() -> None:
    tenant, offline = load_settings().files()
    assert tenant.is_file()
    assert offline is not None
    assert offline.is_file()
    Path("auth0").mkdir()
    Path("auth0/tenant.yaml").write_text("", encoding="utf-8")
    assert load_settings().files() == (Path("auth0/tenant.yaml"), None)
