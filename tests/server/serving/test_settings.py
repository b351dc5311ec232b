"""Settings: derived values, and one message for all mistakes."""

from __future__ import annotations

import os
import re
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from pydantic import Field

from gatehouse_example.settings import ExampleSettings
from gatehouse_server.serving.settings import LOOPBACK_HOSTS, Settings, SettingsError, load_settings
from tests.server.token_issuer import settings
from tests.support.documents import blocks
from tests.support.processes import ROOT, environment_without_settings
from tests.support.quick_python import run


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_domain_alone_is_enough() -> None:
    config = settings(AUTH0_DOMAIN="dev-1.us.auth0.com")
    assert config.issuer == "https://dev-1.us.auth0.com/"
    assert config.jwks_url == "https://dev-1.us.auth0.com/.well-known/jwks.json"
    assert config.public_url == config.audience == "http://localhost:5555/mcp"


def test_the_lines_of_the_page_about_providers_are_settings() -> None:
    lines = {
        name: value
        for section in ("Other identity providers", "Opaque tokens")
        for name, value in blocks("docs/providers.md", section)[0].variables.items()
    }
    config = settings(AUTH0_DOMAIN="", **lines)
    assert (config.issuer, config.audience) == (lines["OIDC_ISSUER"], lines["OIDC_AUDIENCE"])
    assert config.introspection_client_id == lines["INTROSPECTION_CLIENT_ID"]


def test_an_empty_variable_counts_as_not_set() -> None:
    config = settings(AUTH0_ISSUER="", AUTH0_AUDIENCE="", MCP_PUBLIC_URL="", MCP_ALLOWED_HOSTS="")
    assert config.issuer == "https://tenant.example.com/"
    assert config.hosts() == ["localhost:*", "127.0.0.1:*", "[::1]:*"]


def test_hosts_and_origins_follow_from_the_public_url() -> None:
    config = settings(MCP_PUBLIC_URL="https://mcp.example.com/mcp")
    assert config.hosts() == ["mcp.example.com"]
    assert config.origins() == ["https://mcp.example.com"]


def test_lists_are_separated_by_commas() -> None:
    config = settings(MCP_ALLOWED_HOSTS=" a.example.com, b.example.com:8443 ,")
    assert config.hosts() == ["a.example.com", "b.example.com:8443"]


def test_the_error_names_each_wrong_variable_its_value_and_what_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "https://dev-1.us.auth0.com/")
    monkeypatch.setenv("JWT_ALGORITHM", "HS256")
    monkeypatch.setenv("MCP_PORT", "high")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    lines = str(raised.value).splitlines()
    assert len(lines) == 4, lines
    assert "AUTH0_DOMAIN is 'https://dev-1.us.auth0.com/'" in lines[1]
    assert "RS256" in lines[2]
    assert "MCP_PORT is 'high'" in lines[3]


def test_a_missing_domain_is_named_with_an_example() -> None:
    with pytest.raises(SettingsError, match=r"AUTH0_DOMAIN is missing: .*dev-xxxx\.us\.auth0\.com"):
        load_settings()


def test_without_make_the_message_says_what_the_offline_tenant_needs_and_that_is_enough(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, "-m", "gatehouse_server", "--permissions"]
    refused = run(command, cwd=tmp_path, env=environment_without_settings(), timeout=30)
    assert refused.returncode == 2
    (found,) = re.findall(r"without `make` needs (\w+)=(\S+)$", refused.stderr, re.MULTILINE)
    started = run(command, cwd=tmp_path, env={**environment_without_settings(), found[0]: found[1]}, timeout=30)
    assert started.returncode == 0, started.stderr


@pytest.mark.requirement("S24")
@pytest.mark.parametrize(
    "unsafe",
    [
        {"AUTH0_ISSUER": "http://tenant.example.com/"},
        {"MCP_PUBLIC_URL": "http://mcp.example.com/mcp"},
        {"MCP_ALLOWED_ORIGINS": "*"},
        {"AUTH0_JWKS_URL": "http://tenant.example.com/keys"},
        {"JWT_ALGORITHM": "none"},
        {"REQUIRED_PERMISSION": "two words"},
        {"REQUIRED_PERMISSION": 'quo"te'},
        {"AUTH0_ISSUER": "https://tenant.example.com/?x=1"},
    ],
    ids=str,
)
def test_the_server_does_not_start_with_unsafe_settings(
    monkeypatch: pytest.MonkeyPatch, unsafe: dict[str, str]
) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    for name, value in unsafe.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=next(iter(unsafe))):
        load_settings()


def test_the_offline_tenant_may_serve_its_keys_inside_the_container_network() -> None:
    config = settings(
        AUTH0_ISSUER="http://localhost:9000/", AUTH0_JWKS_URL="http://mock-idp:9000/.well-known/jwks.json"
    )
    assert config.jwks_url == "http://mock-idp:9000/.well-known/jwks.json"


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTH0_DOMAIN=from-file.example.com\nUNKNOWN=1\n", encoding="utf-8")
    assert load_settings().issuer == "https://from-file.example.com/"


def test_an_empty_variable_of_the_environment_overrides_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "AUTH0_DOMAIN=x.example.com\nAUTH0_ISSUER=https://y.example.com/\nMCP_ALLOWED_HOSTS=z\nMETRICS_PORT=9100\n",
        encoding="utf-8",
    )
    assert (load_settings().issuer, load_settings().metrics_port) == ("https://y.example.com/", 9100)
    for name in ("AUTH0_ISSUER", "MCP_ALLOWED_HOSTS", "METRICS_PORT"):
        monkeypatch.setenv(name, "")
    config = load_settings()
    assert (config.issuer, config.metrics_port) == ("https://x.example.com/", None)
    assert config.hosts() == ["localhost:*", "127.0.0.1:*", "[::1]:*"]


def test_auth0_ca_file_adds_an_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / ".env").write_text("AUTH0_DOMAIN=x.example.com\nAUTH0_CA_FILE=ca.pem\n", encoding="utf-8")
    usual = set(settings().authorities().get_ca_certs(binary_form=True))
    with_it = set(load_settings().authorities().get_ca_certs(binary_form=True))
    assert [ssl.DER_cert_to_PEM_cert(der) for der in with_it - usual] == [authority.cert_pem.bytes().decode()]
    assert with_it > usual


@pytest.mark.parametrize("name", ["AUTH0_CA_FILE", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (None, "No such file or directory"),
        ("", "the file has no certificate"),
        ("x", "the file has no certificate"),
    ],
    ids=["no file", "empty", "something else"],
)
def test_a_ca_file_without_certificates_stops_the_start_with_one_line(
    tmp_path: Path, name: str, content: str | None, seen: str
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content, encoding="utf-8")
    variables = {**os.environ, "AUTH0_DOMAIN": "x.example.com", "MCP_PORT": "0", name: "ca.pem"}
    started = run([sys.executable, "-m", "gatehouse_server"], cwd=tmp_path, env=variables, timeout=30)
    message = f"gatehouse-server: {name} is 'ca.pem': a file with certificates in PEM is valid ({seen})\n"
    assert (started.returncode, started.stdout, started.stderr) == (2, "", message)


SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def introspecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables beside the secret."""
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setenv("INTROSPECTION_CLIENT_ID", "server")


def secret_of(config: Settings) -> str | None:
    secret = config.introspection_client_secret
    return secret.get_secret_value() if secret else None


@pytest.mark.usefixtures("introspecting")
def test_a_secret_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("INTROSPECTION_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    assert secret_of(load_settings()) == SECRET


@pytest.mark.parametrize("kind", [Settings, ExampleSettings])
def test_every_secret_has_a_file_variable(kind: type[Settings]) -> None:
    aliases = {str(field.validation_alias): field for field in kind.model_fields.values()}
    secrets = [name for name, field in aliases.items() if "SecretStr" in str(field.annotation)]
    assert secrets
    assert [name for name in secrets if f"{name}_FILE" not in aliases] == []


@pytest.mark.usefixtures("introspecting")
def test_the_file_of_a_secret_can_be_set_in_dotenv(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    (tmp_path / ".env").write_text("INTROSPECTION_CLIENT_SECRET_FILE=secret\n", encoding="utf-8")
    assert secret_of(load_settings()) == SECRET


@pytest.mark.usefixtures("introspecting")
def test_the_secret_overrides_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTROSPECTION_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("INTROSPECTION_CLIENT_SECRET_FILE", "not-there")
    assert secret_of(load_settings()) == SECRET


@pytest.mark.usefixtures("introspecting")
def test_the_error_names_an_unreadable_secret_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTROSPECTION_CLIENT_SECRET_FILE", "not-there")
    with pytest.raises(SettingsError, match="INTROSPECTION_CLIENT_SECRET_FILE is 'not-there'"):
        load_settings()


@pytest.mark.requirement("S25")
def test_the_settings_do_not_show_their_secret() -> None:
    shown = settings(INTROSPECTION_CLIENT_ID="server", INTROSPECTION_CLIENT_SECRET=SECRET)
    assert SECRET not in repr(shown)


def test_the_settings_can_have_variables_of_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    class ShopSettings(Settings):
        shelves: int = Field(default=1, ge=1, validation_alias="SHOP_SHELVES")

    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setenv("SHOP_SHELVES", "7")
    assert load_settings(ShopSettings).shelves == 7
    monkeypatch.setenv("SHOP_SHELVES", "0")
    with pytest.raises(SettingsError, match="SHOP_SHELVES is '0'"):
        load_settings(ShopSettings)


def test_nothing_of_the_example_is_in_the_settings_of_the_library() -> None:
    own = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert not [name for name in own if name.startswith(("CALENDAR", "EXCHANGE", "REQUEST_STATE", "AUTH0_TOKEN"))]


def test_a_wildcard_is_not_a_trusted_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1, *")
    with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
        load_settings()


@pytest.mark.requirement("S22")
def test_the_server_listens_only_on_this_machine_by_default() -> None:
    assert settings().host in LOOPBACK_HOSTS
    assert settings().metrics_host in LOOPBACK_HOSTS


def test_the_offline_tenant_is_not_trusted_beside_a_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFLINE_TENANT", "1")
    monkeypatch.setenv("AUTH0_ISSUER", "http://localhost:9000/")
    assert load_settings().issuer == "http://localhost:9000/"
    monkeypatch.setenv("AUTH0_DOMAIN", "dev-1.us.auth0.com")
    with pytest.raises(SettingsError, match=r"AUTH0_DOMAIN is 'dev-1\.us\.auth0\.com', but the offline tenant is on"):
        load_settings()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("AUTH0_DOMAIN=x.example.com\n".encode("utf-16"), "it is UTF-16 text (PowerShell's > writes it)"),
        (b"AUTH0_DOMAIN=x.example.com\n# caf\xe9\n", "line 2 has the byte 0xe9"),
    ],
    ids=["UTF-16", "Latin-1"],
)
def test_a_dotenv_file_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path, content: bytes, seen: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == f".env is not UTF-8 text: {seen}. Save the file as UTF-8."


def test_a_dotenv_file_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gatehouse_server.serving.settings.ENV_FILE", "a-file/.env")
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^a-file/\.env cannot be read: Not a directory\.$"):
        load_settings()


@pytest.mark.parametrize("name", ["MCP_TLS_CERT_FILE", "MCP_TLS_KEY_FILE"])
def test_a_certificate_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    monkeypatch.setenv(name, "some.pem")
    with pytest.raises(SettingsError, match="MCP_TLS_CERT_FILE and MCP_TLS_KEY_FILE belong together: set both or nei"):
        load_settings()


@pytest.mark.parametrize("certificate", ["missing", "no PEM", "of another key"])
def test_a_certificate_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: str
) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    authority = trustme.CA()
    issued, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    if certificate == "no PEM":
        (tmp_path / "certificate.pem").write_text("hello", encoding="utf-8")
    elif certificate == "of another key":
        other.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    monkeypatch.setenv("MCP_TLS_CERT_FILE", "certificate.pem")
    monkeypatch.setenv("MCP_TLS_KEY_FILE", "key.pem")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    expected = "MCP_TLS_CERT_FILE is 'certificate.pem' and MCP_TLS_KEY_FILE is 'key.pem': a certificate and its key in"
    assert expected in str(refused.value)
    assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MCP_PUBLIC_URL": "http://localhost:99999/mcp"}, "a URL is valid (Port out of range 0-65535)"),
        ({"MCP_PUBLIC_URL": "https://[::1/mcp"}, "a URL is valid (Invalid IPv6 URL)"),
        ({"MCP_PUBLIC_URL": "mcp.example.com/mcp"}, "a URL with https:// (or http:// on this machine) is valid"),
        ({"MCP_PUBLIC_URL": "ftp://mcp.example.com/mcp"}, "a URL with https:// (or http:// on this machine) is valid"),
        ({"MCP_PUBLIC_URL": "https:///mcp"}, "a URL with https:// (or http:// on this machine) is valid"),
        ({"MCP_PUBLIC_URL": "https://mcp.example.com/mcp?tenant=a"}, "a URL without query and fragment is valid"),
        ({"MCP_PUBLIC_URL": "https://mcp.example.com/mcp#a"}, "a URL without query and fragment is valid"),
    ],
    ids=str,
)
def test_what_is_no_url_is_refused_with_what_is_valid(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.example.com")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert message in str(refused.value)
    assert "MCP_PUBLIC_URL" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "permission", "message"),
    [
        ("https://b.example.com/mcp", "two words", "'two words' is no permission: one without spaces"),
        (
            "http://b.example.com/mcp",
            "",
            "'http://b.example.com/mcp' cannot be the URL of a server: https:// is needed",
        ),
        ("b.example.com", "", "'b.example.com' cannot be the URL of a server: a URL with https://"),
    ],
)
def test_another_server_of_the_process_needs_a_safe_url_and_a_permission(
    url: str, permission: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        settings().at(url, required_permission=permission)
    assert str(refused.value).startswith(message)
