"""Settings: where they come from, and what is said of wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from gatehouse_client.errors import ConfigurationError
from gatehouse_client.settings import Settings, load_settings
from gatehouse_client.tenant.settings import load_tenant_settings
from tests.client.run_command import clean_environment


@pytest.fixture(autouse=True)
def empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in {"AUTH0_CLIENT_ID": "id", **variables}.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_the_defaults_are_the_offline_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = settings(monkeypatch)
    assert loaded.mcp_public_url == "http://localhost:5555/mcp"
    assert loaded.oauth_callback_uri == "http://localhost:8642/callback"
    assert (loaded.callback_port, loaded.oauth_callback_host) == (8642, None)
    assert (loaded.model, loaded.auth0_audience, loaded.issuer) == ("offline", None, None)
    assert loaded.auth0_client_secret is None
    assert loaded.gatehouse_home.is_absolute()


def test_every_wrong_variable_is_named_with_its_value_and_what_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_PUBLIC_URL", "http://mcp.example/mcp")
    monkeypatch.setenv("AUTH0_CLIENT_ID", "a b")
    monkeypatch.setenv("OAUTH_CALLBACK_PORT", "70000")
    monkeypatch.setenv("MODEL", "gemini")
    monkeypatch.setenv("AUTH0_CLIENT_SECRET_FILE", "missing-file")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert str(raised.value).splitlines() == [
        "5 settings are wrong:",
        "  MCP_PUBLIC_URL is 'http://mcp.example/mcp':"
        " it must be the MCP server's URL, an https URL (http only on localhost).",
        "  AUTH0_CLIENT_ID is 'a b': it must be the Client ID of the application in the tenant.",
        "  AUTH0_CLIENT_SECRET: its file missing-file cannot be read (No such file or directory).",
        "  OAUTH_CALLBACK_PORT is '70000': it must be a port number from 1 to 65535.",
        "  MODEL is 'gemini': it must be `offline`, or `provider:model`.",
    ]
    assert raised.value.exit_code == 2


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = settings(monkeypatch, AUTH0_AUDIENCE="", AUTH0_CLIENT_SECRET="", OAUTH_CALLBACK_PORT="", MODEL="")
    assert (loaded.auth0_audience, loaded.auth0_client_secret, loaded.model) == (None, None, "offline")
    assert settings(monkeypatch, AUTH0_CLIENT_ID="").auth0_client_id is None


def test_the_environment_goes_before_the_env_file(empty_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_environment / ".env").write_text(
        "AUTH0_CLIENT_ID=from-file\nMODEL='openai:gpt#5' # a comment\nAUTH0_AUDIENCE=\nUNKNOWN=1\n", encoding="utf-8"
    )
    assert (load_settings().auth0_client_id, load_settings().model) == ("from-file", "openai:gpt#5")
    loaded = settings(monkeypatch, AUTH0_CLIENT_ID="from-environment", MODEL="offline")
    assert (loaded.auth0_client_id, loaded.auth0_audience) == ("from-environment", None)


def test_an_empty_variable_of_the_environment_takes_the_line_in_the_env_file_away(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_environment / "mounted").write_text("s3cret\n", encoding="utf-8")
    (empty_environment / ".env").write_text(
        "AUTH0_CLIENT_ID=demo\nAUTH0_CLIENT_SECRET=demo\nGEMINI_API_KEY_FILE=mounted\nMODEL=openai:x\n",
        encoding="utf-8",
    )
    empty = dict.fromkeys(("AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "GEMINI_API_KEY", "MODEL"), "")
    loaded = settings(monkeypatch, **empty)
    assert (loaded.auth0_client_id, loaded.auth0_client_secret, loaded.gemini_api_key) == (None, None, None)
    assert loaded.model == "offline"


def test_an_empty_secret_does_not_hide_the_file_that_is_named_beside_it(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_environment / "mounted").write_text("s3cret\n", encoding="utf-8")
    loaded = settings(monkeypatch, AUTH0_CLIENT_SECRET="", AUTH0_CLIENT_SECRET_FILE="mounted").auth0_client_secret
    assert loaded is not None
    assert loaded.get_secret_value() == "s3cret"


def test_secrets_come_from_files_too(empty_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_environment / "mounted").write_text("s3cret\n", encoding="utf-8")
    (empty_environment / ".env").write_text("AUTH0_CLIENT_SECRET=demo\n", encoding="utf-8")
    loaded = settings(monkeypatch, AUTH0_CLIENT_SECRET_FILE="mounted", GEMINI_API_KEY_FILE="mounted")
    for secret in (loaded.auth0_client_secret, loaded.gemini_api_key):
        assert secret is not None
        assert secret.get_secret_value() == "s3cret", "a mounted file goes before .env"
    assert "s3cret" not in repr(loaded)
    again = settings(monkeypatch, AUTH0_CLIENT_SECRET="direct").auth0_client_secret
    assert again is not None
    assert again.get_secret_value() == "direct"


def test_a_secret_that_is_wrong_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings(monkeypatch, AUTH0_CLIENT_SECRET="s3cret", OAUTH_CALLBACK_PORT="x")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "issuer"),
    [
        ({"AUTH0_DOMAIN": "dev-1.us.auth0.com"}, "https://dev-1.us.auth0.com/"),
        ({"AUTH0_DOMAIN": "localhost:9000", "AUTH0_ISSUER": "http://localhost:9000/"}, "http://localhost:9000/"),
        ({}, None),
    ],
)
def test_the_issuer_is_the_domains_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], issuer: str | None
) -> None:
    assert settings(monkeypatch, **variables).issuer == issuer


def test_the_callback_port_is_the_uris_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, OAUTH_CALLBACK_URI="http://localhost:7777/cb").callback_port == 7777
    assert settings(monkeypatch, OAUTH_CALLBACK_PORT="8888").callback_port == 8888


def test_an_env_file_that_is_no_text_is_named(empty_environment: Path) -> None:
    (empty_environment / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env is not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEHOUSE_SIGN_IN", "magic", "one of auto, browser, paste, device, machine, assertion, token"),
        ("OAUTH_TOKEN_ENDPOINT_AUTH_METHOD", "md5", "one of none, client_secret_post, client_secret_basic"),
        ("OAUTH_CLIENT_METADATA_URL", "http://localhost/client.json", "an https URL with a path"),
        ("OAUTH_CLIENT_METADATA_URL", "https://agent.example/", "an https URL with a path"),
        ("AUTH0_CLIENT_PRIVATE_KEY", "s3cret", "AUTH0_CLIENT_PRIVATE_KEY: it must be a private key in PEM"),
        ("AUTH0_CLIENT_PRIVATE_KEY_FILE", "missing", "AUTH0_CLIENT_PRIVATE_KEY: its file missing cannot be read"),
    ],
)
def test_a_wrong_setting_of_the_sign_in_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings(monkeypatch, **{name: value})
    assert said in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_private_key_comes_from_a_file_or_from_one_line(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = ECKey.generate_key("P-256").as_pem(private=True).decode()
    (empty_environment / "key.pem").write_text(pem, encoding="utf-8")
    from_file = settings(monkeypatch, AUTH0_CLIENT_PRIVATE_KEY_FILE="key.pem")
    in_a_line = settings(monkeypatch, AUTH0_CLIENT_PRIVATE_KEY=pem.replace("\n", "\\n"))
    for loaded in (from_file, in_a_line):
        assert loaded.auth0_client_private_key is not None
        assert loaded.auth0_client_private_key.algorithm == "ES256"
        assert "PRIVATE KEY" not in repr(loaded)


def test_what_the_command_line_chooses_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_SIGN_IN", "machine")
    assert load_settings(gatehouse_sign_in="device").gatehouse_sign_in == "device"


def test_a_secrets_file_that_is_not_utf8_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes("größe".encode("latin-1"))
    monkeypatch.setenv("AUTH0_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match=r"its file \S+secret cannot be read .it is not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "url", "callback", "issuer"),
    [
        ({}, "http://localhost:5555/mcp", "http://localhost:8642/callback", None),
        ({"MCP_PORT": "6000", "MCP_HOST": "127.0.0.1"}, "http://127.0.0.1:6000/mcp", None, None),
        ({"MCP_PORT": "6000", "MCP_HOST": "0.0.0.0"}, "http://localhost:6000/mcp", None, None),
        ({"PUBLIC_HOST": "::1"}, "http://[::1]:5555/mcp", None, None),
        ({"PUBLIC_HOST": "box.lan"}, "https://box.lan:5555/mcp", None, None),
        ({"OAUTH_CALLBACK_PORT": "5000"}, None, "http://localhost:5000/callback", None),
        ({"AUTH0_DOMAIN": "dev-1.us.auth0.com"}, None, None, "https://dev-1.us.auth0.com/"),
    ],
)
def test_urls_follow_from_ports_and_hosts(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    url: str | None,
    callback: str | None,
    issuer: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    loaded = load_settings()
    assert loaded.mcp_public_url == (url or "http://localhost:5555/mcp")
    assert loaded.oauth_callback_uri == (callback or "http://localhost:8642/callback")
    assert loaded.issuer == issuer


ELSEWHERE = "http://localhost:15211/"
KEY_OF_OPENAI = {"OPENAI_API_KEY": "s3cret", "MODEL": "openai:x"}
KEY_OF_ANTHROPIC = {"ANTHROPIC_API_KEY": "s3cret", "MODEL": "anthropic:x"}
FROM_ENVIRONMENT_TO_DOTENV = [
    ({"GATEHOUSE_TOKEN": "s3cret"}, {"MCP_PUBLIC_URL": f"{ELSEWHERE}mcp"}, {}),
    ({"GATEHOUSE_TOKEN": "s3cret"}, {"MCP_PORT": "15211"}, {}),
    ({"GATEHOUSE_TOKEN": "s3cret"}, {"PUBLIC_HOST": "evil.example"}, {}),
    ({"GATEHOUSE_ASSERTION": "s3cret"}, {"AUTH0_ISSUER": ELSEWHERE}, {}),
    ({"AUTH0_CLIENT_SECRET": "s3cret"}, {"AUTH0_ISSUER": ELSEWHERE}, {}),
    ({"AUTH0_CLIENT_SECRET": "s3cret"}, {"AUTH0_ISSUER": ELSEWHERE}, {"AUTH0_DOMAIN": "real.example"}),
    ({"AUTH0_CLIENT_SECRET": "s3cret"}, {"AUTH0_DOMAIN": "evil.example"}, {}),
    ({"AUTH0_CLIENT_SECRET": "s3cret"}, {"MCP_PUBLIC_URL": "https://evil.example/mcp"}, {}),
    ({"AUTH0_MGMT_TOKEN": "s3cret"}, {"AUTH0_ISSUER": ELSEWHERE}, {}),
    ({"AUTH0_MGMT_TOKEN": "s3cret"}, {"AUTH0_MGMT_DOMAIN": "evil.example"}, {"AUTH0_ISSUER": ELSEWHERE}),
    ({"AUTH0_MGMT_CLIENT_SECRET": "s3cret"}, {"AUTH0_DOMAIN": "evil.example"}, {}),
    ({"OAUTH_IDP_ID_TOKEN": "s3cret"}, {"OAUTH_IDP_TOKEN_ENDPOINT": ELSEWHERE}, {}),
    (KEY_OF_OPENAI, {"OPENAI_BASE_URL": ELSEWHERE}, {}),
    (KEY_OF_ANTHROPIC, {"ANTHROPIC_BASE_URL": ELSEWHERE}, {}),
]


def dotenv(folder: Path, *parts: dict[str, str]) -> None:
    lines = [f"{name}={value}\n" for part in parts for name, value in part.items()]
    (folder / ".env").write_text("".join(lines), encoding="utf-8")


@pytest.mark.parametrize(("secret", "target", "others"), FROM_ENVIRONMENT_TO_DOTENV)
def test_a_secret_of_the_environment_does_not_go_where_only_the_folder_says(
    empty_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    secret: dict[str, str],
    target: dict[str, str],
    others: dict[str, str],
) -> None:
    dotenv(empty_environment, target)
    for name, value in {**secret, **others}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_tenant_settings()
    message = str(raised.value)
    assert message.startswith(
        f"{next(iter(secret))} is in the environment, but only {empty_environment / '.env'} names"
    )
    assert f"set {next(iter(target))} in the environment also" in message
    assert "s3cret" not in message
    for name, value in target.items():  # the person names the same address
        monkeypatch.setenv(name, value)
    load_tenant_settings()


@pytest.mark.parametrize(("secret", "target", "others"), FROM_ENVIRONMENT_TO_DOTENV)
def test_a_secret_in_a_file_of_the_environment_does_not_go_where_only_the_folder_says(
    empty_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    secret: dict[str, str],
    target: dict[str, str],
    others: dict[str, str],
) -> None:
    name, value = next(iter(secret.items()))
    file = empty_environment.parent / f"{empty_environment.name}-secret"
    file.write_text(value, encoding="utf-8")
    rest = {each: value for each, value in {**secret, **others}.items() if each != name}
    for variable, content in {f"{name}_FILE": str(file), **rest}.items():
        monkeypatch.setenv(variable, content)
    for lines in ({}, {f"{name}_FILE": str(file)}, {name: ""}):  # a guess of the file's path proves nothing
        dotenv(empty_environment, target, lines)
        with pytest.raises(ConfigurationError, match="is in the environment, but only"):
            load_tenant_settings()


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret", "link", "folder/link"])
def test_a_folder_names_no_file_outside_of_it(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (empty_environment / "work" / "folder").mkdir(parents=True)
    (empty_environment / "secret").write_text("s3cret", encoding="utf-8")
    (empty_environment / "work" / "link").symlink_to(empty_environment / "secret")
    (empty_environment / "work" / "folder" / "link").symlink_to("/etc/hostname")
    monkeypatch.chdir(empty_environment / "work")
    dotenv(empty_environment / "work", {"GATEHOUSE_TOKEN_FILE": name, "MCP_PUBLIC_URL": "https://evil.example/mcp"})
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert str(raised.value).splitlines()[1:] == [
        f"  GATEHOUSE_TOKEN: its file {name} cannot be read (.env may only name files in its folder or in /run/secrets;"
        " set GATEHOUSE_TOKEN_FILE in the environment instead)."
    ]
    monkeypatch.setenv("GATEHOUSE_TOKEN_FILE", name)  # now the person names it, but not the address
    with pytest.raises(ConfigurationError, match="is in the environment, but only"):
        load_settings()


def test_a_folder_may_name_files_of_its_own_and_the_secrets_of_a_container(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_environment / "folder").mkdir()
    (empty_environment / "folder" / "token").write_text("t0ken", encoding="utf-8")
    for name in ("folder/token", str(empty_environment / "folder" / "token")):
        dotenv(empty_environment, {"GATEHOUSE_TOKEN_FILE": name, "MCP_PUBLIC_URL": f"{ELSEWHERE}mcp"})
        loaded = load_settings().gatehouse_token
        assert loaded is not None
        assert loaded.get_secret_value() == "t0ken"
    dotenv(empty_environment, {"GATEHOUSE_TOKEN_FILE": "/run/secrets/of-no-container"})
    with pytest.raises(ConfigurationError, match=r"of-no-container cannot be read \(No such file"):
        load_settings()


@pytest.mark.parametrize(("secret", "target", "others"), FROM_ENVIRONMENT_TO_DOTENV)
def test_a_secret_of_the_folder_goes_where_the_folder_or_the_environment_says(
    empty_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    secret: dict[str, str],
    target: dict[str, str],
    others: dict[str, str],
) -> None:
    dotenv(empty_environment, secret, target, others)
    load_tenant_settings()
    for name, value in {**secret, **target, **others}.items():  # as `make` passes a whole .env through the environment
        monkeypatch.setenv(name, value)
        load_tenant_settings()


def test_a_secret_of_the_environment_goes_where_the_program_says_or_to_the_default(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_TOKEN", "s3cret")
    dotenv(empty_environment, {"MCP_PUBLIC_URL": "https://evil.example/mcp"})
    assert load_settings(mcp_public_url=f"{ELSEWHERE}mcp").mcp_public_url == f"{ELSEWHERE}mcp"
    dotenv(empty_environment, {"MCP_PORT": "5555"})
    assert load_settings().mcp_public_url == "http://localhost:5555/mcp"


@pytest.mark.parametrize(
    ("variables", "model", "key"),
    [
        ({}, "offline", None),
        ({"GEMINI_API_KEY": "k"}, "google_genai:gemini-2.5-flash", "GEMINI_API_KEY"),
        ({"GOOGLE_API_KEY": "k", "OPENAI_API_KEY": "k"}, "google_genai:gemini-2.5-flash", "GOOGLE_API_KEY"),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "MODEL": ""}, "openai:gpt-5", "OPENAI_API_KEY"),
        ({"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": ""}, "anthropic:claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://localhost:11434/v1"}, "offline", None),
        ({"GEMINI_API_KEY": "k", "MODEL": "offline"}, "offline", None),
        ({"GEMINI_API_KEY": "k", "MODEL": "google_genai:gemini-2.5-flash"}, "google_genai:gemini-2.5-flash", None),
    ],
)
def test_a_key_chooses_its_provider_if_no_model_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], model: str, key: str | None
) -> None:
    loaded = settings(monkeypatch, **variables)
    assert (loaded.model, loaded.model_key) == (model, key)


def test_a_key_of_a_model_that_is_not_used_stops_nothing(
    empty_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    dotenv(empty_environment, {"OPENAI_BASE_URL": ELSEWHERE})
    assert load_settings().model == "offline"


def test_the_names_for_other_providers_replace_auth0s(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "AUTH0_DOMAIN": "dev-1.us.auth0.com",
        "AUTH0_CLIENT_ID": "auth0s",
        "AUTH0_CLIENT_SECRET": "of-auth0",
        "OIDC_ISSUER": "https://id.example",
        "OIDC_AUDIENCE": "api",
        "OIDC_CLIENT_ID": "theirs",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.issuer, settings.auth0_audience, settings.auth0_client_id) == (
        "https://id.example",
        "api",
        "theirs",
    )
    assert settings.auth0_client_secret is None, "the secret of another application"
    assert settings.profile.at(settings.issuer).name == "oidc"


def test_a_secret_of_another_provider_goes_to_no_issuer_that_only_a_file_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("OIDC_ISSUER=https://evil.example\n", encoding="utf-8")
    monkeypatch.setenv("OIDC_CLIENT_ID", "theirs")
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "s3cret")
    with pytest.raises(ConfigurationError, match=r"OIDC_CLIENT_SECRET is in the environment.*OIDC_ISSUER") as refused:
        load_settings()
    assert "s3cret" not in str(refused.value)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="one of auth0, keycloak, entra, okta"):
        load_settings(oidc_profile="google")
