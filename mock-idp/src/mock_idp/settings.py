from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from .actions.node import Mode
from .formats.parsing import not_utf8, parse_json
from .formats.urls import is_loopback_name
from .http.fetching import Fetcher
from .http.middleware import host_name
from .http.tls import CA_FILE
from .tenant.example import EXAMPLE
from .tenant.keywords import keyword_values
from .tenant.presets import PRESETS

ISSUER_SLASH = "must end in a slash, as Auth0's issuer does: clients compare it byte by byte"
CA_FILE_NEEDED = (
    "MOCK_IDP_TLS_PORT needs MOCK_IDP_CA_FILE: the file to write the authority's certificate to "
    "(or MOCK_IDP_STATE_DIR; the file is then ca.pem in that directory)"
)
ISSUER_HTTP = "may be http only on localhost, 127.0.0.1 or [::1]; use https elsewhere"
ISSUER_SHAPE = "must be an absolute http(s) URL of the form https://host[:port]/ without a path, query or fragment"

DEFAULT_PORT = 9000
TENANT_FILE = Path("auth0/tenant.yaml")
# The tenant's name in the Compose file, under which the other containers reach it.
COMPOSE_SERVICE = "mock-idp"
ENV_FILE = ".env"

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(Exception):
    """One or more environment variables are wrong. `lines` has one sentence for each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(BaseModel):
    """The offline tenant's configuration, by the names of its environment variables.

    Attributes:
        host: the address to listen on.
        port: the TCP port to listen on; 0 selects a free port.
        allowed_hosts: more names under which the tenant answers, separated by commas.
        issuer: the `iss` of tokens; by default `http://localhost:<port>/`.
        tenant_file: the tenant file; by default `auth0/tenant.yaml`, else the built-in example.
        offline_file: client ids, secrets and users; by default `offline.yaml` beside the tenant file.
        state_dir: the directory that keeps keys and the certificate authority between runs; without it, they are new.
        control: whether the control API for tests is on.
        control_token: the control API then requires it, also from this machine.
        control_token_file: the path of a file with that token.
        keywords: a JSON object with values for `##KEY##` and `@@KEY@@` in the tenant file.
        tls_cert_file: the certificate in PEM for `MOCK_IDP_PORT`; without it, plain HTTP.
        tls_key_file: the key of that certificate in PEM.
        tls_port: the TCP port on which the tenant also serves https, under a second issuer.
        tls_issuer: that second issuer; by default `https://localhost:<port>/`.
        ca_file: where to write the certificate that clients must trust; by default `ca.pem` in the state directory.
        console: who sees the activity: `auto`: this machine, `on`: everybody, `off`: there is no console.
        actions: `auto`: Actions run if node is installed, `require`: no start without node, `off`: they never run.
        preset: misconfigurations to start with, separated by commas.
        cimd_fetch: whether client metadata documents are fetched from the internet.
        cimd_allow_private: whether they are also fetched from private addresses.
        cimd_ca_file: a PEM file with a further authority for these documents.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    host: str = Field(default="localhost", validation_alias="MOCK_IDP_HOST")
    port: Port = Field(default=DEFAULT_PORT, validation_alias="MOCK_IDP_PORT")
    allowed_hosts: list[str] = Field(
        default_factory=lambda: [COMPOSE_SERVICE], validation_alias="MOCK_IDP_ALLOWED_HOSTS"
    )
    issuer: str | None = Field(default=None, validation_alias="AUTH0_ISSUER")
    tenant_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_TENANT")
    offline_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_OFFLINE")
    state_dir: Path | None = Field(default=None, validation_alias="MOCK_IDP_STATE_DIR")
    control: bool = Field(default=False, validation_alias="MOCK_IDP_CONTROL")
    control_token: SecretStr | None = Field(default=None, validation_alias="MOCK_IDP_CONTROL_TOKEN")
    control_token_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_CONTROL_TOKEN_FILE")

    keywords: dict[str, Any] = Field(default_factory=dict, validation_alias="AUTH0_KEYWORD_REPLACE_MAPPINGS")
    tls_cert_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_TLS_CERT_FILE")
    tls_key_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_TLS_KEY_FILE")

    tls_port: Port | None = Field(default=None, validation_alias="MOCK_IDP_TLS_PORT")
    tls_issuer: str | None = Field(default=None, validation_alias="MOCK_IDP_TLS_ISSUER")
    ca_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_CA_FILE")
    console: Literal["auto", "on", "off"] = Field(default="auto", validation_alias="MOCK_IDP_CONSOLE")
    actions: Mode = Field(default="auto", validation_alias="MOCK_IDP_ACTIONS")
    preset: str = Field(default="", validation_alias="MOCK_IDP_PRESET")
    cimd_fetch: bool = Field(default=False, validation_alias="MOCK_IDP_CIMD_FETCH")
    cimd_allow_private: bool = Field(default=False, validation_alias="MOCK_IDP_CIMD_ALLOW_PRIVATE")
    cimd_ca_file: Path | None = Field(default=None, validation_alias="MOCK_IDP_CIMD_CA_FILE")

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An empty environment variable cancels the line in `.env`. The port follows from the issuer."""
        filled = {name: value for name, value in values.items() if value not in ("", None)}
        port = _loopback_port(str(filled.get("AUTH0_ISSUER", "")))
        if port is not None:
            filled.setdefault("MOCK_IDP_PORT", port)
        return filled

    @field_validator("issuer", "tls_issuer")
    @classmethod
    def _issuer_is_usable(cls, value: str | None) -> str | None:
        return None if value is None else checked_issuer(value)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts_are_names(cls, value: str | list[str]) -> list[str]:
        names = _listed(value) if isinstance(value, str) else value
        wrong = [name for name in names if host_name(name) != name.lower()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not a host name; give names without scheme and port, comma-separated")
        return [COMPOSE_SERVICE, *names]

    @field_validator("keywords", mode="before")
    @classmethod
    def _keywords_are_json(cls, value: str | dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
        if isinstance(value, dict):
            return value
        try:
            return parse_json(value.encode())
        except ValueError as error:
            raise ValueError("must be a JSON object") from error

    @field_validator("preset")
    @classmethod
    def _presets_exist(cls, value: str) -> str:
        unknown = [name for name in _listed(value) if name not in PRESETS]
        if unknown:
            raise ValueError(f"there is no preset {unknown[0]!r}; there are: {', '.join(PRESETS)}")
        return value

    @field_validator("cimd_ca_file")
    @classmethod
    def _ca_file_is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @model_validator(mode="after")
    def _fetching_is_on_if_it_is_configured(self) -> Settings:
        options = {
            "MOCK_IDP_CIMD_ALLOW_PRIVATE": self.cimd_allow_private,
            "MOCK_IDP_CIMD_CA_FILE": self.cimd_ca_file is not None,
        }
        used = [name for name, is_used in options.items() if is_used]
        if used and not self.cimd_fetch:
            raise ValueError(f"{used[0]} needs MOCK_IDP_CIMD_FETCH=true: without it no document is fetched")
        return self

    @model_validator(mode="after")
    def _read_control_token(self) -> Settings:
        if self.control_token is None and self.control_token_file is not None:
            self.control_token = SecretStr(_read_secret(self.control_token_file))
        return self

    @model_validator(mode="after")
    def _tls_is_complete(self) -> Settings:
        if self.tls_port is not None and self.ca_file is None and self.state_dir is None:
            raise ValueError(CA_FILE_NEEDED)
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("MOCK_IDP_TLS_CERT_FILE and MOCK_IDP_TLS_KEY_FILE belong together: set both or neither")
        if self.tls_issuer is not None and not self.tls_issuer.startswith("https:"):
            raise ValueError("MOCK_IDP_TLS_ISSUER must be an https URL")
        return self

    def files(self) -> tuple[Path, Path | None]:
        """The tenant file and the offline file, for `load_configuration`.

        Without a setting the tenant file is auth0/tenant.yaml. If that does not exist, it is the example.
        """
        if self.tenant_file is None and self.offline_file is None and not TENANT_FILE.exists():
            return EXAMPLE
        return self.tenant_file or TENANT_FILE, self.offline_file

    def keyword_values(self) -> dict[str, Any]:
        """Values for ##KEY## and @@KEY@@ in the tenant file: from the environment and `.env`, else from
        AUTH0_KEYWORD_REPLACE_MAPPINGS."""
        return keyword_values(_environment(), self.keywords)

    @property
    def ca_path(self) -> Path:
        """The file for the certificate of the tenant's authority."""
        return self.ca_file or (self.state_dir or Path()) / CA_FILE

    def tls_issuer_at(self, port: int) -> str:
        """The https issuer of a tenant that listens on `port`."""
        return self.tls_issuer or f"https://localhost:{port}/"

    @property
    def presets(self) -> list[str]:
        """The names of the misconfigurations to start with."""
        return _listed(self.preset)

    def fetcher(self) -> Fetcher | None:
        """What fetches client metadata documents; None if the tenant may not use the network for them."""
        return Fetcher(self.cimd_allow_private, self.cimd_ca_file) if self.cimd_fetch else None

    def issuer_at(self, port: int) -> str:
        """The issuer of a tenant that listens on `port`."""
        return self.issuer or f"http://localhost:{port}/"


def _loopback_port(url: str) -> int | None:
    """The port of an http URL on this machine; None for any other URL."""
    try:
        parts = urlsplit(url)
        return (parts.port or 80) if parts.scheme == "http" and is_loopback_name(parts.hostname or "") else None
    except ValueError:
        return None


def _listed(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def checked_issuer(value: str) -> str:
    """`value` if it can be an issuer in Auth0's form; ValueError with the reason otherwise."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(ISSUER_SHAPE) from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise ValueError(ISSUER_SHAPE)
    if not value.endswith("/"):
        raise ValueError(ISSUER_SLASH)
    if parts.path != "/" or parts.query or parts.fragment:
        raise ValueError(ISSUER_SHAPE)
    if parts.scheme == "http" and not is_loopback_name(host):
        raise ValueError(ISSUER_HTTP)
    return value


def load_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """The settings from the environment and `.env` in the working directory; SettingsError names every wrong variable.

    Args:
        options: values of the command line, by the names of the variables. They go before the environment.
    """
    try:
        return Settings.model_validate({**_environment(), **(options or {})})
    except OSError as error:
        raise SettingsError([f"{ENV_FILE} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{ENV_FILE} {not_utf8(error)}"]) from error
    except ValidationError as error:
        raise SettingsError([_line(item["loc"], item["msg"]) for item in error.errors()]) from error


def _environment() -> dict[str, str | None]:
    """The variables of the environment, and before them in `.env`, where a line without `=` has no value."""
    return {**dotenv_values(ENV_FILE, encoding="utf-8-sig"), **os.environ}


def _line(location: tuple[int | str, ...], message: str) -> str:
    return f"{location[0] if location else 'settings'}: {message.removeprefix('Value error, ')}"


def _read_secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"MOCK_IDP_CONTROL_TOKEN_FILE: {path} {not_utf8(error)}") from error
    except OSError as error:
        raise ValueError(f"MOCK_IDP_CONTROL_TOKEN_FILE cannot be read: {path}: {error.strerror}") from error
    if not secret:
        raise ValueError(f"MOCK_IDP_CONTROL_TOKEN_FILE is empty: {path}")
    return secret
