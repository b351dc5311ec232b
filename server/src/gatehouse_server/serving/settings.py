"""The server's configuration, read once from the environment and `.env`."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..auth.permission_table import PermissionTable, TableError
from ..auth.permissions import is_permission
from ..auth.provider.keys import KeyLimits
from ..auth.provider.outgoing import proxy_for
from ..auth.verify.profiles import PROFILES, Profile
from .production import faults

ASYMMETRIC_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
DEFAULT_PORT = 5555
ENV_FILE = ".env"

_MISSING = {
    "AUTH0_DOMAIN": "no tenant is set. Set it to the tenant's domain, such as dev-xxxx.us.auth0.com; or set OIDC_ISSUER"
    " for another provider. For the offline tenant, which `make up` runs, a server that is started without `make` needs"
    " AUTH0_ISSUER=http://localhost:9000/",
}
_CLAIM_PATHS = re.compile(r"[^\s,.]+(\.[^\s,.]+)*(,[^\s,.]+(\.[^\s,.]+)*)*")
_DOMAIN = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?")

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class SettingsError(ValueError):
    """The configuration is wrong. The message names each wrong variable, its value and what is valid."""


class Settings(BaseSettings):
    """The configuration of the protected MCP server. It is read from the variables; an empty one counts as not set.

    Every field has its final value: those that are not set follow from others. For tests and several configurations
    in one process: `Settings(_env_file=None, AUTH0_DOMAIN="dev-xxxx.us.auth0.com", ...)`.

    Attributes:
        environment: in `production` the settings are refused if one of them is only safe for development.
        domain: the tenant's domain, such as `dev-xxxx.us.auth0.com`. Needed, if no issuer is set.
        oidc_issuer: the issuer of another provider than Auth0, byte for byte.
        profile: the provider's token profile (`auth0`, `keycloak`, `entra`, `okta`, `cognito`, `zitadel`, `authkit`,
            `rfc9068`, `oidc`); `oidc` if `OIDC_ISSUER` is set.
        issuer: the required `iss` of tokens; by default `https://AUTH0_DOMAIN/`.
        jwks_url: the URL of the signing keys (RFC 7517); by default that of Auth0, else from the discovery document.
        audience: the required `aud` of tokens; by default `MCP_PUBLIC_URL`.
        algorithm: the only accepted signature algorithm (RFC 7518 section 3.1).
        host: the address to listen on, for `gatehouse-server`.
        port: the TCP port to listen on, for `gatehouse-server`.
        public_url: the URL that clients use for the MCP endpoint; by default `http://localhost:5555/mcp`.
        allowed_hosts: accepted Host headers, separated by commas; by default those of `MCP_PUBLIC_URL`.
        allowed_origins: accepted Origin headers, separated by commas; by default those of `MCP_PUBLIC_URL`.
        ca_file: a PEM file with more certificate authorities for the server's own TLS connections.
        required_permission: every call needs it.
        permissions_file: a YAML file with a `PermissionTable`.
        grant_claim: the claims with the permissions of a token, separated by commas; by default the profile's.
        scope_prefix: the text before a permission in the scope that clients request; by default the profile's.
        oidc_ca_file: another name of `AUTH0_CA_FILE`.
        oidc_audience: another name of `AUTH0_AUDIENCE`, with `OIDC_ISSUER`.
        tls_cert_file: the server's certificate in PEM, for `gatehouse-server`; without it, plain HTTP.
        tls_key_file: the key of the certificate in PEM.
        key_set_seconds: how long a fetched key set is used before it is fetched again, even if the provider states a
            shorter time: 15 to 3600; by default 900, and 15 with a tenant on this machine.
        offline_tenant: whether the tenant is the offline one, whose keys may come over plain HTTP.
        metrics_host: the address to serve metrics on.
        metrics_port: the TCP port to serve metrics on; None for no metrics.
        trusted_proxies: addresses of proxies whose `X-Forwarded-*` headers are trusted, separated by commas.
        introspection_client_id: a client that may introspect opaque tokens at the provider (RFC 7662).
        introspection_client_secret: its secret.
        introspection_client_secret_file: the path of a file with the secret.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8-sig", extra="ignore", frozen=True, validate_default=False
    )

    environment: Literal["development", "production"] = Field(default="development", validation_alias="GATEHOUSE_ENV")
    domain: str = Field(validation_alias="AUTH0_DOMAIN")
    oidc_issuer: str = Field(default="", validation_alias="OIDC_ISSUER")
    profile: str = Field(default="auth0", validation_alias="OIDC_PROFILE")
    issuer: str = Field(default="", validation_alias="AUTH0_ISSUER")
    jwks_url: str = Field(default="", validation_alias="AUTH0_JWKS_URL")
    audience: str = Field(default="", validation_alias="AUTH0_AUDIENCE")
    algorithm: str = Field(default="RS256", validation_alias="JWT_ALGORITHM")
    host: str = Field(default="localhost", validation_alias="MCP_HOST")
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535, validation_alias="MCP_PORT")
    public_url: str = Field(default="", validation_alias="MCP_PUBLIC_URL")
    allowed_hosts: CommaSeparated = Field(default=(), validation_alias="MCP_ALLOWED_HOSTS")
    allowed_origins: CommaSeparated = Field(default=(), validation_alias="MCP_ALLOWED_ORIGINS")
    ca_file: str = Field(default="", validation_alias="AUTH0_CA_FILE")
    required_permission: str = Field(default="access:mcp", validation_alias="REQUIRED_PERMISSION")
    permissions_file: str = Field(default="", validation_alias="PERMISSIONS_FILE")
    grant_claim: str = Field(default="", validation_alias="GRANT_CLAIM")
    scope_prefix: str = Field(default="", validation_alias="SCOPE_PREFIX")
    oidc_ca_file: str = Field(default="", validation_alias="OIDC_CA_FILE")
    oidc_audience: str = Field(default="", validation_alias="OIDC_AUDIENCE")
    tls_cert_file: str = Field(default="", validation_alias="MCP_TLS_CERT_FILE")
    tls_key_file: str = Field(default="", validation_alias="MCP_TLS_KEY_FILE")
    key_set_seconds: int | None = Field(default=None, ge=15, le=3600, validation_alias="KEY_SET_SECONDS")
    offline_tenant: bool = Field(default=False, validation_alias="OFFLINE_TENANT")
    metrics_host: str = Field(default="localhost", validation_alias="METRICS_HOST")
    metrics_port: int | None = Field(default=None, ge=1, le=65535, validation_alias="METRICS_PORT")
    trusted_proxies: CommaSeparated = Field(default=(), validation_alias="TRUSTED_PROXIES")
    introspection_client_id: str = Field(default="", validation_alias="INTROSPECTION_CLIENT_ID")
    introspection_client_secret: SecretStr | None = Field(default=None, validation_alias="INTROSPECTION_CLIENT_SECRET")
    # Read before validation. It is a field because only fields are read from the environment.
    introspection_client_secret_file: str | None = Field(
        default=None, validation_alias="INTROSPECTION_CLIENT_SECRET_FILE"
    )

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic passes any value
        """Fill in values that follow from other variables, so that every field has its final value."""
        if not isinstance(values, dict):
            return values
        # Empty means not set. An empty variable of the environment overrides the line in .env.
        filled = {name: value for name, value in values.items() if value != ""}
        _read_secret_files(filled, _secrets_of(cls))
        _use_oidc_names(filled)
        # No issuer is a default, not even the offline tenant's: `make` names it.
        domain = str(filled.get("AUTH0_DOMAIN", ""))
        # Nothing is derived from a wrong value, so that each mistake is reported only once.
        if _DOMAIN.fullmatch(domain):
            filled.setdefault("AUTH0_ISSUER", f"https://{domain}/")
        elif "AUTH0_ISSUER" in filled and not domain:
            filled["AUTH0_DOMAIN"] = urlsplit(str(filled["AUTH0_ISSUER"])).netloc
        if "AUTH0_ISSUER" in filled and "OIDC_ISSUER" not in filled:
            filled.setdefault("AUTH0_JWKS_URL", f"{str(filled['AUTH0_ISSUER']).rstrip('/')}/.well-known/jwks.json")
        _place(filled)
        if "MCP_PUBLIC_URL" in filled:
            filled.setdefault("AUTH0_AUDIENCE", filled["MCP_PUBLIC_URL"])
        return filled

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("domain")
    @classmethod
    def _bare_domain(cls, value: str) -> str:
        if not _DOMAIN.fullmatch(value):
            raise ValueError("a host name without https:// and without a path is valid, such as dev-xxxx.us.auth0.com")
        return value

    @field_validator("algorithm")
    @classmethod
    def _asymmetric(cls, value: str) -> str:
        if value not in ASYMMETRIC_ALGORITHMS:
            raise ValueError(f"valid are {', '.join(ASYMMETRIC_ALGORITHMS)}")
        return value

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"valid are {', '.join(PROFILES)}")
        return value

    @field_validator("grant_claim")
    @classmethod
    def _claim_paths(cls, value: str) -> str:
        if not _CLAIM_PATHS.fullmatch(value):
            raise ValueError("names of claims are valid, such as scope, permissions, or realm_access.roles,scope")
        return value

    @field_validator("scope_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value and not is_permission(value):
            raise ValueError("the beginning of a scope is valid, without spaces and quotes, such as api://gatehouse/")
        return value

    @field_validator("required_permission")
    @classmethod
    def _scope_token(cls, value: str) -> str:
        if not is_permission(value):
            raise ValueError("one permission without spaces, quotes and backslashes is valid, such as access:mcp")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _named_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("the addresses of the proxies are valid, not *: with * any client could fake its address")
        return value

    @field_validator("issuer", "public_url")
    @classmethod
    def _secure_url(cls, value: str) -> str:
        _require_secure_url(value)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _no_wildcard_origin(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("the names of the origins are valid, not *: with * any web page could call the server")
        return value

    @model_validator(mode="after")
    def _require_one_tenant(self) -> Settings:
        if self.offline_tenant and self.domain != urlsplit(self.issuer).netloc:
            raise ValueError(
                f"AUTH0_DOMAIN is {self.domain!r}, but the offline tenant is on (OFFLINE_TENANT), with the issuer"
                f" {self.issuer}: leave AUTH0_DOMAIN empty, or OFFLINE_TENANT (without `make`: COMPOSE_PROFILES)"
            )
        return self

    @model_validator(mode="after")
    def _require_certificate_with_key(self) -> Settings:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("MCP_TLS_CERT_FILE and MCP_TLS_KEY_FILE belong together: set both or neither")
        if self.tls_cert_file:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.tls_cert_file, self.tls_key_file)
            except OSError as error:
                raise ValueError(
                    f"MCP_TLS_CERT_FILE is {self.tls_cert_file!r} and MCP_TLS_KEY_FILE is {self.tls_key_file!r}: a"
                    f" certificate and its key in PEM are needed ({error.strerror or error})"
                ) from error
        return self

    @model_validator(mode="after")
    def _require_secure_jwks_url(self) -> Settings:
        if not self.jwks_url:
            return self  # the URL comes from the issuer's discovery document
        parts = _split_url(self.jwks_url)
        if parts.scheme != "https" and not (is_loopback(self.issuer) or self.offline_tenant):
            raise ValueError(
                f"AUTH0_JWKS_URL is {self.jwks_url!r}: https:// is needed, so that nobody can replace the keys"
            )
        return self

    @model_validator(mode="after")
    def _require_id_and_secret_for_introspection(self) -> Settings:
        if bool(self.introspection_client_id) != bool(self.introspection_client_secret):
            raise ValueError(
                "INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET belong together: set both or neither"
            )
        return self

    @model_validator(mode="after")
    def _require_usable_proxies(self) -> Settings:
        urls = [self.jwks_url or self.discovery_url]
        if self.introspection_client_id:
            urls.append(self.discovery_url)
        for url in filter(None, urls):
            proxy_for(url)
        return self

    @model_validator(mode="after")
    def _require_fit_for_production(self) -> Settings:
        if self.environment == "production" and (found := self.unfit_for_production()):
            raise ValueError("\n  - ".join(found))
        return self

    def unfit_for_production(self) -> list[str]:
        """What must be changed before these settings can be used in production (GATEHOUSE_ENV), a sentence each.

        A subclass adds what its own variables need.
        """
        return faults(self)

    def token_profile(self, audience: str = "") -> Profile:
        """The profile of the provider's tokens for this server, or for the API with the identifier `audience`."""
        profile = PROFILES[self.profile]
        if self.grant_claim:
            profile = profile.with_grant_claims(self.grant_claim)
        if self.scope_prefix:
            profile = replace(profile, scope_prefix=self.scope_prefix)
        return profile.for_audience(audience or self.audience)

    def at(self, public_url: str, *, audience: str = "", required_permission: str = "") -> Settings:
        """The settings of another server of this process, with the same tenant.

        Args:
            public_url: the URL of its MCP endpoint.
            audience: the `aud` of its tokens; by default its URL.
            required_permission: what every call needs; by default that of these settings.

        Raises:
            SettingsError: a value is not valid.
        """
        required = required_permission or self.required_permission
        if not is_permission(required):
            raise SettingsError(f"{required!r} is no permission: one without spaces, such as access:mcp, is valid.")
        try:
            _require_secure_url(public_url)
        except ValueError as error:
            raise SettingsError(f"{public_url!r} cannot be the URL of a server: {error}.") from error
        changed = {"public_url": public_url, "audience": audience or public_url, "required_permission": required}
        return self.model_copy(update=changed)

    def permission_table(self) -> PermissionTable | None:
        """The table in PERMISSIONS_FILE; None if it is not set.

        Raises:
            SettingsError: the file cannot be read, or its content is not valid.
        """
        try:
            return PermissionTable.read(self.permissions_file) if self.permissions_file else None
        except TableError as error:
            raise SettingsError(f"PERMISSIONS_FILE: {error}") from error

    @property
    def has_local_tenant(self) -> bool:
        """Whether the tenant is on this machine or is the offline one: then no provider limits the requests."""
        return self.offline_tenant or is_loopback(self.issuer)

    @property
    def key_set_age(self) -> float:
        """Seconds for which a key set is used at least. A withdrawn key is accepted for so long."""
        return float(self.key_set_seconds or (15 if self.has_local_tenant else KeyLimits.min_age))

    @property
    def discovery_url(self) -> str:
        """The issuer's discovery document (OpenID Connect Discovery section 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"

    @property
    def tenant_metadata_url(self) -> str:
        """Where this server fetches the issuer's discovery document: beside the keys, if these have a URL of their own.

        In containers the offline tenant has another address than its issuer.
        """
        origin, found, _ = self.jwks_url.partition("/.well-known/jwks.json")
        return f"{origin}/.well-known/openid-configuration" if found else self.discovery_url

    @property
    def mcp_path(self) -> str:
        """The path of the MCP endpoint, such as `/mcp`."""
        return urlsplit(self.public_url).path or "/"

    def authorities(self) -> ssl.SSLContext:
        """The certificate authorities for the server's own TLS connections: those of the system, or of SSL_CERT_FILE if
        that is set, and those of AUTH0_CA_FILE.

        Raises:
            SettingsError: a file has no certificates.
        """
        try:
            context = httpx2.create_ssl_context()
        except OSError as error:
            raise SettingsError(_no_certificates("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE"), error)) from error
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except OSError as error:
                raise SettingsError(_no_certificates("AUTH0_CA_FILE", self.ca_file, error)) from error
        return context

    def hosts(self) -> list[str]:
        """Accepted Host headers: the configured ones, else those of the public URL."""
        return list(self.allowed_hosts) or _values_for(self.public_url, "")

    def origins(self) -> list[str]:
        """Accepted Origin headers: the configured ones, else those of the public URL."""
        return list(self.allowed_origins) or _values_for(self.public_url, f"{urlsplit(self.public_url).scheme}://")


@overload
def load_settings() -> Settings: ...
@overload
def load_settings(kind: type[SettingsT]) -> SettingsT: ...
def load_settings(kind: type[Any] = Settings) -> Any:
    """Read the settings from the environment and from `.env` in the current folder. The environment counts more.

    Args:
        kind: a subclass of `Settings` that has the variables of your own server also.

    Raises:
        SettingsError: a variable is missing or wrong; the message names all of them.
    """
    return load(kind)


def load(kind: type[SettingsT], **given: str) -> SettingsT:
    """Read settings of that kind.

    Args:
        given: values by the variables' names, which count more than the environment.

    Raises:
        SettingsError: a variable is missing or wrong; the message names all of them.
    """
    try:
        _require_utf8(Path(ENV_FILE))
        return kind(**given)  # type: ignore[arg-type]  # the other fields come from the environment
    except ValidationError as error:
        raise SettingsError(_explain(error, _secrets_of(kind))) from error


def _require_utf8(path: Path) -> None:
    """
    Raises:
        SettingsError: the file is not UTF-8 text.
    """
    try:
        path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
            seen = "it is UTF-16 text (PowerShell's > writes it)"
        else:
            seen = f"line {error.object[: error.start].count(10) + 1} has the byte 0x{error.object[error.start]:02x}"
        raise SettingsError(f"{path} is not UTF-8 text: {seen}. Save the file as UTF-8.") from error
    except (FileNotFoundError, IsADirectoryError):
        return  # the environment alone counts
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine."""
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def _split_url(value: str) -> Any:  # noqa: ANN401 - SplitResult is generic over str and bytes
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"a URL is valid ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL with https:// (or http:// on this machine) is valid")
    return parts


def _require_secure_url(value: str) -> None:
    """https, or http on this machine (OAuth 2.1 section 1.5).

    Raises:
        ValueError: the URL is another one.
    """
    parts = _split_url(value)
    if parts.scheme != "https" and not is_loopback(value):
        raise ValueError("https:// is needed for another machine: http:// would send tokens unencrypted")
    if parts.query or parts.fragment:
        raise ValueError("a URL without query and fragment is valid")


def _secrets_of(kind: type[BaseSettings]) -> list[str]:
    """The variables whose values are secrets."""
    return [str(field.validation_alias) for field in kind.model_fields.values() if "SecretStr" in str(field.annotation)]


def _read_secret_files(values: dict[str, Any], secrets: list[str]) -> None:
    """Docker and Kubernetes pass secrets as files: NAME_FILE is the path of the file with the value of NAME."""
    for name in secrets:
        path = values.get(f"{name}_FILE")
        if path and name not in values:
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{name}_FILE is {path!r}: the file cannot be read ({error})") from error


def _place(values: dict[str, Any]) -> None:
    """Where the server listens and its public URL, each from the other."""
    if (port := _loopback_port(str(values.get("MCP_PUBLIC_URL", "")))) is not None:
        values.setdefault("MCP_PORT", port)
    port_text = str(values.get("MCP_PORT", DEFAULT_PORT))
    if not port_text.isdecimal():
        return
    host = str(values.get("MCP_HOST", "localhost"))
    host = "[::1]" if host == "::1" else host if host in LOOPBACK_HOSTS else "localhost"
    values.setdefault("MCP_PUBLIC_URL", f"http://{host}:{port_text}/mcp")


def _loopback_port(url: str) -> int | None:
    """The port of an http URL on this machine; None for any other URL."""
    try:
        parts = urlsplit(url)
        return (parts.port or 80) if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS else None
    except ValueError:
        return None


def _use_oidc_names(values: dict[str, Any]) -> None:
    """OIDC_ISSUER, OIDC_AUDIENCE and OIDC_CA_FILE, for providers other than Auth0, replace the AUTH0_ variables."""
    issuer = values.get("OIDC_ISSUER")
    if "OIDC_CA_FILE" in values:
        values.setdefault("AUTH0_CA_FILE", values["OIDC_CA_FILE"])
    if issuer is None:
        return
    conflicting = ("AUTH0_DOMAIN", "AUTH0_ISSUER", *(["AUTH0_AUDIENCE"] if "OIDC_AUDIENCE" in values else []))
    conflicts = " and ".join(name for name in conflicting if name in values)
    if conflicts:
        raise ValueError(f"OIDC_ISSUER is set, and so is {conflicts}: set only one kind, and leave the other empty")
    values.setdefault("OIDC_PROFILE", "oidc")
    values["AUTH0_ISSUER"] = issuer
    values["AUTH0_DOMAIN"] = _split_url(str(issuer)).netloc
    if "OIDC_AUDIENCE" in values:
        values["AUTH0_AUDIENCE"] = values["OIDC_AUDIENCE"]


def _no_certificates(name: str, path: str | None, error: OSError) -> str:
    reason = "the file has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
    return f"{name} is {path!r}: a file with certificates in PEM is valid ({reason})"


def _values_for(public_url: str, prefix: str) -> list[str]:
    if is_loopback(public_url):
        return [f"{prefix}{host}:*" for host in ("localhost", "127.0.0.1", "[::1]")]
    return [f"{prefix}{urlsplit(public_url).netloc}"]


def _explain(error: ValidationError, secrets: list[str]) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else ""
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            lines.append(f"{name} is missing: {_MISSING.get(name, 'it is needed')}")
        elif name in secrets:
            lines.append(f"{name}: {reason}")
        elif name:
            lines.append(f"{name} is {problem['input']!r}: {reason}")
        else:
            lines.append(reason)
    return "\n".join(["The configuration is wrong (environment or .env):", *(f"  - {line}" for line in lines)])
