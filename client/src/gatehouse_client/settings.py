"""Settings from the environment and from `.env` in the working directory. `.env.example` explains them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import platformdirs
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigurationError
from .foreign_text import foreign
from .profiles import PROFILES, ProfileChoice
from .signin.http.urls import is_secure
from .signin.protocol.client import SigningKey
from .storage.grant import ClientAuthentication

ENV_FILE: Final = ".env"
DOMAIN: Final = r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d+)?$"
_DEFAULT_MCP_PORT: Final = 5555
_DEFAULT_CALLBACK_PORT: Final = 8642
_DEFAULT_SERVER: Final = f"http://localhost:{_DEFAULT_MCP_PORT}/mcp"
OFFLINE: Final = "offline"
MODEL_OF_KEY: Final = {
    "gemini_api_key": "google_genai:gemini-2.5-flash",
    "google_api_key": "google_genai:gemini-2.5-flash",
    "openai_api_key": "openai:gpt-5",
    "anthropic_api_key": "anthropic:claude-sonnet-4-5",
}
"""The model that a key chooses if MODEL is not set; the first key decides."""
_LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def _secure_url(value: str) -> str:
    if not is_secure(value) or "#" in value:
        raise ValueError
    return value


def _metadata_url(value: str) -> str:
    parts = urlsplit(_secure_url(value))
    if parts.scheme != "https" or parts.path in ("", "/") or parts.query:
        raise ValueError
    return value


def _private_key(value: object) -> object:
    return value if isinstance(value, SigningKey) else SigningKey.from_pem(str(_readable(value)).replace("\\n", "\n"))


def _readable(value: object) -> object:
    """The value, unless it is the error of reading a secret's file (see `_SecretFiles`)."""
    if isinstance(value, OSError):
        raise ValueError(f"its file {value.filename} cannot be read ({value.strerror})")
    return value


SecureUrl = Annotated[str, AfterValidator(_secure_url)]
MetadataUrl = Annotated[str, AfterValidator(_metadata_url)]


def _bearer(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise ValueError
    return value


Secret = Annotated[SecretStr, BeforeValidator(_readable)]
Token = Annotated[Secret, AfterValidator(_bearer)]
PrivateKey = Annotated[SigningKey, BeforeValidator(_private_key)]
SignInChoice = Literal["auto", "browser", "paste", "device", "machine", "assertion", "token"]

_HTTP: Final = r"^https?://\S+$"
_URL: Final = "an https URL (http only on localhost)"


@dataclass(frozen=True)
class SecretTarget:
    """Where a secret is sent.

    Attributes:
        url: the URL; None if the program that gets the secret has an address of its own.
        named_by: the fields that name the URL, in the order of precedence.
        derived_from: the fields from which the URL is derived if none of `named_by` is set.
    """

    url: str | None
    named_by: tuple[str, ...]
    derived_from: tuple[str, ...] = ()


class Settings(BaseSettings):
    """The settings of the client. Each field's description says which values are valid."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
    )

    mcp_public_url: SecureUrl = Field(_DEFAULT_SERVER, description=f"the MCP server's URL, {_URL}")
    mcp_host: str | None = Field(None, description="where the server listens, a host name or an address")
    mcp_port: int | None = Field(None, ge=0, le=65535, description="the server's port, a number up to 65535")
    public_host: str | None = Field(None, description="the host name or address that the stack is reached by")
    mcp_timeout: float = Field(120.0, gt=0, description="seconds, more than 0: how long the server may be silent")
    auth0_domain: str | None = Field(None, pattern=DOMAIN, description="the tenant's host name")
    auth0_issuer: SecureUrl | None = Field(None, description=f"the tenant's issuer, byte for byte, {_URL}")
    auth0_ca_file: Path | None = Field(None, description="a file with the certificate of an authority to trust")
    auth0_client_id: str | None = Field(
        None, description="the Client ID of the application in the tenant", pattern=r"^[\x21-\x7e]+$"
    )
    auth0_client_secret: Secret | None = Field(None, description="the application's Client Secret")
    auth0_audience: str | None = Field(None, description="the Identifier of the API in the tenant")
    oidc_issuer: SecureUrl | None = Field(None, description=f"the provider's issuer, byte for byte, {_URL}")
    oidc_audience: str | None = Field(None, description="the `aud` of the provider's tokens for the server")
    oidc_profile: str | None = Field(
        None, pattern=f"^({'|'.join(PROFILES)})$", description=f"one of {', '.join(PROFILES)}"
    )
    oidc_client_id: str | None = Field(
        None, description="the Client ID of the agent's client at the provider", pattern=r"^[\x21-\x7e]+$"
    )
    oidc_client_secret: Secret | None = Field(None, description="the client's secret")
    oidc_client_private_key: PrivateKey | None = Field(None, description="the client's private key in PEM")
    oidc_ca_file: Path | None = Field(None, description="a file with the certificate of an authority to trust")
    grant_claim: str = Field("", description="the claims with permissions, as at the server")
    scope_prefix: str = Field("", description="what is before a permission in a scope, as at the server")
    jwt_algorithm: str | None = Field(None, description="the signature algorithm that the server accepts")
    required_permission: str = Field("access:mcp", description="a permission of the API")
    oauth_scope: str = Field("", description="scopes to ask for in addition, separated by spaces")
    oauth_callback_uri: SecureUrl = Field(
        f"http://localhost:{_DEFAULT_CALLBACK_PORT}/callback", description=f"a callback URL, {_URL}"
    )
    oauth_callback_port: int | None = Field(None, ge=1, le=65535, description="a port number from 1 to 65535")
    oauth_callback_host: str | None = Field(None, description="an address of this machine to listen on")
    oauth_callback_timeout: float = Field(300.0, gt=0, description="seconds, more than 0: how long a sign-in may take")
    gemini_api_key: Secret | None = Field(None, description="a key of the Gemini API")
    google_api_key: Secret | None = Field(None, description="a key of the Gemini API")
    openai_api_key: Secret | None = Field(None, description="a key of OpenAI, or of the server at OPENAI_BASE_URL")
    openai_base_url: str | None = Field(None, pattern=_HTTP, description="the URL of an OpenAI-compatible API")
    anthropic_api_key: Secret | None = Field(None, description="a key of the Anthropic API")
    anthropic_base_url: str | None = Field(None, pattern=_HTTP, description="the URL of an Anthropic-compatible API")
    model: str = Field(
        default_factory=lambda data: next(_chosen_by_key(data), ("", OFFLINE))[1],
        pattern=r"^(offline|[^:\s]+:\S+)$",
        description="`offline`, or `provider:model`",
    )
    model_timeout: float = Field(60.0, gt=0, description="seconds, more than 0: how long the model may be silent")
    gatehouse_home: Path = Field(
        default_factory=lambda: platformdirs.user_state_path("gatehouse"), description="a directory for the tokens"
    )
    gatehouse_trace: bool = Field(False, description="1 or 0: whether each HTTP exchange is shown as one line")
    gatehouse_sign_in: SignInChoice = Field("auto", description=f"one of {', '.join(get_args(SignInChoice))}")
    gatehouse_private_window: bool = Field(False, description="1 or 0: whether the browser's window is private")
    gatehouse_token: Token | None = Field(None, description="an access token: ASCII characters without a space")
    gatehouse_assertion: Secret | None = Field(None, description="a JWT of a workload that the tenant trusts")
    gatehouse_keyring: bool = Field(
        True, description="1 or 0: whether the system's keyring has the key of stored tokens"
    )
    gatehouse_private_network: bool = Field(
        False, description="1 or 0: whether the server may name a tenant in a private network"
    )
    auth0_client_private_key: PrivateKey | None = Field(None, description="the application's private key in PEM")
    oauth_token_endpoint_auth_method: ClientAuthentication | None = Field(
        None, description=f"one of {', '.join(get_args(ClientAuthentication))}"
    )
    oauth_pkce_unannounced: bool = Field(
        False, description="1 or 0: whether the provider supports PKCE although its metadata does not say so"
    )
    oauth_client_metadata_url: MetadataUrl | None = Field(None, description="an https URL with a path, without a query")
    oauth_dynamic_registration: bool = Field(
        True, description="1 or 0: whether the agent registers itself if it has no Client ID"
    )
    oauth_idp_token_endpoint: SecureUrl | None = Field(None, description=f"the enterprise's token endpoint, {_URL}")
    oauth_idp_client_id: str | None = Field(None, description="the Client ID at the enterprise's identity provider")
    oauth_idp_id_token: Secret | None = Field(None, description="an ID token of the enterprise's identity provider")

    @property
    def model_key(self) -> str | None:
        """The variable of the key that chose the model; None if MODEL is set, or if no key is."""
        if "model" in self.model_fields_set:
            return None
        return next((field.upper() for field, _ in _chosen_by_key(dict(self))), None)

    @property
    def issuer(self) -> str | None:
        """The issuer that the application belongs to; None takes the one that the server names."""
        if self.auth0_issuer is not None:
            return self.auth0_issuer
        return f"https://{self.auth0_domain}/" if self.auth0_domain else None

    @property
    def profile(self) -> ProfileChoice:
        """What a token grants: by the configured provider, else by the issuer's form."""
        configured = self.oidc_profile or ("oidc" if self.oidc_issuer else None)
        if configured is None and self.issuer is not None:
            configured = "auth0"
        audience = self.auth0_audience or (self.oidc_audience if self.oidc_issuer else None)
        return ProfileChoice(configured, audience, self.grant_claim, self.scope_prefix)

    @property
    def callback_port(self) -> int:
        """The port to listen on: the configured one, else the port of the callback URI."""
        parts = urlsplit(self.oauth_callback_uri)
        return self.oauth_callback_port or parts.port or (443 if parts.scheme == "https" else 80)

    def secret_targets(self) -> dict[str, SecretTarget]:
        """Where each secret is sent, by the secret's field. Without an issuer the server names the tenant."""
        server = SecretTarget(self.mcp_public_url, ("mcp_public_url",), ("public_host", "mcp_host", "mcp_port"))
        tenant = self._tenant_target if self.issuer else server
        targets = {
            "gatehouse_token": server,
            "gatehouse_assertion": tenant,
            "auth0_client_secret": tenant,
            "oidc_client_secret": tenant,
            "oauth_idp_id_token": SecretTarget(self.oauth_idp_token_endpoint, ("oauth_idp_token_endpoint",)),
        }
        if self.model.startswith("openai:"):
            targets["openai_api_key"] = SecretTarget(self.openai_base_url, ("openai_base_url",))
        if self.model.startswith("anthropic:"):
            targets["anthropic_api_key"] = SecretTarget(self.anthropic_base_url, ("anthropic_base_url",))
        return targets

    @property
    def _tenant_target(self) -> SecretTarget:
        return SecretTarget(self.issuer, ("oidc_issuer", "auth0_issuer", "auth0_domain"))

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Ignore empty values, and derive values from others. An empty environment variable removes that of `.env`."""
        given = {name: value for name, value in values.items() if value != ""}
        port = _port(given.get("mcp_port"), _DEFAULT_MCP_PORT)
        listens_on = given.get("mcp_host")
        host = given.get("public_host") or (listens_on if listens_on in _LOOPBACK_HOSTS else None)
        given.setdefault("mcp_public_url", f"{_origin(host, port)}/mcp")
        callback_port = _port(given.get("oauth_callback_port"), _DEFAULT_CALLBACK_PORT)
        given.setdefault("oauth_callback_uri", f"http://localhost:{callback_port}/callback")
        return _with_oidc_names(given)

    @field_validator("auth0_ca_file")
    @classmethod
    def _ca_file_is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before `.env`, and in each of them NAME before NAME_FILE."""
        dotenv = dotenv_values(ENV_FILE, encoding="utf-8-sig")
        env_files = _SecretFiles(settings_cls, os.environ)
        dotenv_files = _SecretFiles(settings_cls, dotenv, by_dotenv=True)
        variables = [_Variables(settings_cls, given) for given in (os.environ, dotenv)]
        return init_settings, env_files, variables[0], dotenv_files, variables[1]


def _with_oidc_names(given: dict[str, Any]) -> dict[str, Any]:
    """OIDC_NAME, for providers other than Auth0, replaces AUTH0_NAME. Credentials replace each other as a whole: the
    secret of one application is never sent with the Client ID of another."""
    if "oidc_client_id" in given:
        given = {name: value for name, value in given.items() if not name.startswith("auth0_client_")}
    if "oidc_issuer" in given:
        given.pop("auth0_domain", None)
    names = ("issuer", "audience", "client_id", "client_secret", "client_private_key", "ca_file")
    return given | {f"auth0_{name}": given[f"oidc_{name}"] for name in names if f"oidc_{name}" in given}


def _chosen_by_key(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The models that a key chooses, by the key's field. A server of one's own has other models than the provider."""
    for field, model in MODEL_OF_KEY.items():
        own_server = values.get(field.replace("_api_key", "_base_url"))
        if values.get(field) is not None and own_server is None:
            yield field, model


def _port(given: object, default: int) -> int:
    """The given port; the default if it is none, which is then reported where it is given."""
    text = str(given or "")
    return int(text) if text.isdecimal() and int(text) <= 65535 else default


def _origin(host: object, port: object) -> str:
    """Where a part of the stack is: http on this machine, https under any other name (RFC 9700 section 2.6)."""
    name = str(host or "localhost")
    scheme = "http" if name in _LOOPBACK_HOSTS else "https"
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}"


class _Variables(PydanticBaseSettingsSource):
    """The variables with the names of the fields, in upper or lower case.

    The sources of pydantic-settings look for types that need JSON in all fields each time, which takes 12 ms.
    """

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._variables = {name.lower(): value for name, value in variables.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._variables.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self._variables.get(name) for name in self.settings_cls.model_fields}
        return {name: value for name, value in found.items() if value is not None}


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets from the files that NAME_FILE names, for Docker and Kubernetes secrets.

    Args:
        by_dotenv: whether `.env` names them. Then only files of its folder are read.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None], *, by_dotenv: bool = False
    ) -> None:
        super().__init__(settings_cls)
        self._by_dotenv = by_dotenv
        self._variables = {name.lower(): value for name, value in variables.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self._variables.get(f"{field_name}_file") if field_name in SECRETS else None
        if path is None or field_name in self._variables:
            return None, field_name, False
        if self._by_dotenv and not _may_be_named_by_dotenv(path):
            return OSError(0, _OUTSIDE.format(name=f"{field_name}_file".upper()), path), field_name, False
        try:
            return Path(path).read_text(encoding="utf-8-sig").strip() or None, field_name, False
        except OSError as error:
            return error, field_name, False
        except UnicodeDecodeError:
            return OSError(0, "it is not UTF-8 text", path), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


_SHARED_SECRETS: Final = Path("/run/secrets")  # Docker; Kubernetes with /var/run, which is /run
_OUTSIDE: Final = (
    f"{ENV_FILE} may only name files in its folder or in {_SHARED_SECRETS}; set {{name}} in the environment instead"
)


def _may_be_named_by_dotenv(path: str) -> bool:
    """Whether `.env` may name the file: in its folder, or among the secrets of a container.

    The folder can be another party's, and its `.env` can also name the address that gets the file's content.
    """
    file = Path(path).resolve()
    return any(file.is_relative_to(folder.resolve()) for folder in (Path(ENV_FILE).absolute().parent, _SHARED_SECRETS))


SECRETS: Final = frozenset(
    {"oidc_client_secret", "oidc_client_private_key"}
    | {"anthropic_api_key", "auth0_client_secret", "gemini_api_key", "google_api_key", "openai_api_key"}
    | {"auth0_client_private_key", "gatehouse_token", "gatehouse_assertion", "oauth_idp_id_token"}
    | {"auth0_mgmt_client_secret", "auth0_mgmt_token"}
)
SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(**values: object) -> Settings:
    """The settings of this process.

    Args:
        values: values by the field names of `Settings`, which go before the environment and `.env`.

    Raises:
        ConfigurationError: as `load`.
    """
    return load(Settings, values)


def load(model: type[SettingsT], values: Mapping[str, object]) -> SettingsT:
    """The settings of this process, as `Settings` or a subclass.

    Raises:
        ConfigurationError: names each wrong or missing variable, its value (not of a secret) and the valid values.
    """
    unknown = sorted(set(values) - set(model.model_fields))
    if unknown:
        raise ConfigurationError(f"There is no setting {', '.join(unknown)}.")
    try:
        settings = model(**values)  # type: ignore[arg-type]  # pydantic checks it
    except ValidationError as error:
        problems = [_problem(model, details["loc"], details) for details in error.errors()]
        count = f"{len(problems)} settings are" if len(problems) > 1 else "A setting is"
        raise ConfigurationError("\n".join([f"{count} wrong:", *problems])) from None
    except OSError as error:
        raise ConfigurationError(f"{ENV_FILE} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{ENV_FILE} is not UTF-8 text: {not_utf8(error)}") from None
    _require_known_targets(settings, values)
    return settings


def _require_known_targets(settings: Settings, values: Mapping[str, object]) -> None:
    """A secret of the environment does not go to an address that only `.env` names: the folder with this `.env` can be
    another party's.

    Raises:
        ConfigurationError: names each such secret and the address.
    """
    environment = {name.lower(): value for name, value in os.environ.items()}
    targets = {
        secret: target
        for secret, target in settings.secret_targets().items()
        if getattr(settings, secret) is not None
        and secret not in values
        and (environment.get(secret) or environment.get(f"{secret}_file"))
    }
    if not targets or not Path(ENV_FILE).is_file():
        return
    dotenv = {name.lower(): value for name, value in dotenv_values(ENV_FILE, encoding="utf-8-sig").items() if value}

    def is_set(field: str) -> bool:
        return field in values or bool(environment.get(field)) or only_in_dotenv(field)

    def only_in_dotenv(field: str) -> bool:
        return field not in values and field not in environment and field in dotenv

    def also_in_dotenv(secret: str) -> bool:
        """Whether `.env` has the same secret as the environment. (`make` passes a whole `.env`.)"""
        if environment.get(secret):
            return dotenv.get(secret) == environment[secret]
        file = environment[f"{secret}_file"]
        return dotenv.get(f"{secret}_file") == file and _may_be_named_by_dotenv(file)

    problems = []
    for secret, target in targets.items():
        named_by = [field for field in target.named_by if is_set(field)][:1] or target.derived_from
        named = [field.upper() for field in named_by if only_in_dotenv(field)]
        known = target.url in (None, _DEFAULT_SERVER) or also_in_dotenv(secret)
        if named and not known:
            names, seen = " and ".join(named), foreign(str(target.url))
            problems.append(
                f"{secret.upper()} is in the environment, but only {Path(ENV_FILE).absolute()} names the address that"
                f" would get it ({names}: {seen}), so nothing is sent. If you trust the address, set {names} in the"
                f" environment also; if the secret is for this folder, set {secret.upper()} in its {ENV_FILE} instead."
            )
    if problems:
        raise ConfigurationError("\n".join(problems))


def not_utf8(error: UnicodeDecodeError) -> str:
    """What was seen in a text file that is not UTF-8, and what to do."""
    if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16 text (PowerShell's > writes it). Save the file as UTF-8."
    line = error.object[: error.start].count(b"\n") + 1
    return f"line {line} has the byte 0x{error.object[error.start]:02x}. Save the file as UTF-8."


def _problem(model: type[Settings], loc: tuple[int | str, ...], details: Mapping[str, Any]) -> str:
    field = str(loc[0])
    name, valid = field.upper(), model.model_fields[field].description
    if details["type"] == "missing":
        return f"  {name} is not set: it must be {valid}."
    if field in SECRETS:
        return f"  {name}: {foreign(details['msg'].removeprefix('Value error, '))}."
    return f"  {name} is {foreign(str(details['input']))!r}: it must be {valid}."
