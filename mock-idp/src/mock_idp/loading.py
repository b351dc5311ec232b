from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from . import tenantfile
from .behaviours import Behaviours
from .offlinefile import IssuedClient, OfflineFile, SeededUser
from .references import dangling_references
from .tenant import Api, Client, ClientGrant, Connection, Role, Tenant, TenantSettings, User
from .tenantfile import TenantFile

Model = TypeVar("Model", bound=BaseModel)


class TenantFileError(Exception):
    """The tenant's files cannot be used. `lines` has one line for each mistake: file, path in it, what is wrong."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Seed:
    """What the two files say."""

    tenant_file: TenantFile
    offline_file: OfflineFile

    @property
    def behaviours(self) -> Behaviours:
        return self.offline_file.behaviours.model_copy()

    def tenant(self) -> Tenant:
        """A fresh tenant as the files describe it."""
        issued = self.offline_file.clients
        clients = [_client(section, issued.get(section.name)) for section in self.tenant_file.clients]
        ids = {client.name: client.client_id for client in clients}
        return Tenant(
            settings=_settings(self.tenant_file.tenant),
            apis={section.identifier: _api(section) for section in self.tenant_file.resourceServers},
            clients={client.client_id: client for client in clients},
            client_grants=[_client_grant(section, ids) for section in self.tenant_file.clientGrants],
            roles={section.name: _role(section) for section in self.tenant_file.roles},
            connections={section.name: _connection(section) for section in self.tenant_file.databases},
            users={user.user_id: _user(user) for user in self.offline_file.users},
        )


def load_seed(tenant_path: Path, offline_path: Path) -> Seed:
    """Read and check both files. TenantFileError names every mistake."""
    seed = Seed(_read(tenant_path, TenantFile), _read(offline_path, OfflineFile))
    found = dangling_references(seed.tenant_file, seed.offline_file)
    paths = {TenantFile: tenant_path, OfflineFile: offline_path}
    if found:
        raise TenantFileError([f"{paths[file]}: {where}: {what}" for file, where, what in found])
    return seed


def _read(path: Path, model: type[Model]) -> Model:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TenantFileError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise TenantFileError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    try:
        return model.model_validate(document if document is not None else {})
    except ValidationError as error:
        raise TenantFileError([f"{path}: {_problem(item)}" for item in error.errors()]) from error


def _problem(item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        return f"{where}: unknown key"
    message = item["msg"].removeprefix("Value error, ")
    seen = item["input"]
    if item["type"] in ("missing", "value_error") or isinstance(seen, dict | list) or "secret" in where:
        return f"{where}: {message}"
    if where.endswith("password"):
        return f"{where}: {message}"
    return f"{where}: {message} (seen: {seen!r})"


def _settings(section: tenantfile.TenantSection) -> TenantSettings:
    return TenantSettings(
        friendly_name=section.friendly_name,
        resource_parameter_profile=section.resource_parameter_profile,
        default_audience=section.default_audience or None,
        authorization_response_iss_parameter_supported=section.authorization_response_iss_parameter_supported,
        skip_non_verifiable_callback_uri_confirmation_prompt=bool(
            section.skip_non_verifiable_callback_uri_confirmation_prompt
        ),
        use_scope_descriptions_for_consent=section.flags.use_scope_descriptions_for_consent,
        rp_logout_end_session_endpoint_discovery=section.oidc_logout.rp_logout_end_session_endpoint_discovery,
        allowed_logout_urls=tuple(section.allowed_logout_urls),
        session_lifetime=section.session_lifetime,
    )


def _api(section: tenantfile.ResourceServerSection) -> Api:
    return Api(
        identifier=section.identifier,
        name=section.name,
        signing_alg=section.signing_alg,
        signing_secret=section.signing_secret or _derived("signing secret", section.identifier, 32),
        token_dialect=section.token_dialect,
        token_lifetime=section.token_lifetime,
        enforce_policies=section.enforce_policies,
        allow_offline_access=section.allow_offline_access,
        skip_consent=section.skip_consent_for_verifiable_first_party_clients,
        user_policy=section.subject_type_authorization.user.policy,
        client_policy=section.subject_type_authorization.client.policy,
        scopes={scope.value: scope.description for scope in section.scopes},
    )


def _client(section: tenantfile.ClientSection, issued: IssuedClient | None) -> Client:
    public = section.app_type in tenantfile.PUBLIC_APP_TYPES
    grants = section.grant_types or tenantfile.APP_TYPE_GRANTS.get(section.app_type, ("authorization_code",))
    protected = "allow_always" if section.is_first_party else "open_redirect_protection"
    return Client(
        client_id=issued.client_id if issued else _derived("client id", section.name, 32),
        name=section.name,
        secret=issued.client_secret if issued else _derived("client secret", section.name, 64),
        app_type=section.app_type,
        first_party=section.is_first_party,
        strict=not section.is_first_party and section.third_party_security_mode == "strict",
        callbacks=tuple(section.callbacks),
        logout_urls=tuple(section.allowed_logout_urls),
        grant_types=frozenset(grants),
        auth_method=section.token_endpoint_auth_method or ("none" if public else "client_secret_post"),
        redirection_policy=section.redirection_policy or protected,  # type: ignore[arg-type]
        id_token_alg=section.jwt_configuration.alg,
        id_token_lifetime=section.jwt_configuration.lifetime_in_seconds,
    )


def _client_grant(section: tenantfile.ClientGrantSection, ids: dict[str, str]) -> ClientGrant:
    return ClientGrant(
        client_id=None if section.client_id is None else ids.get(section.client_id, section.client_id),
        audience=section.audience,
        subject_type=section.subject_type,
        scopes=tuple(section.scope),
        all_scopes=section.allow_all_scopes,
    )


def _role(section: tenantfile.RoleSection) -> Role:
    permissions: dict[str, set[str]] = {}
    for entry in section.permissions:
        permissions.setdefault(entry.resource_server_identifier, set()).add(entry.permission_name)
    return Role(section.name, {api: frozenset(names) for api, names in permissions.items()})


def _connection(section: tenantfile.DatabaseSection) -> Connection:
    return Connection(section.name, section.is_domain_connection, frozenset(section.enabled_clients))


def _user(user: SeededUser) -> User:
    fields = ("name", "given_name", "family_name", "nickname", "picture")
    profile = {name: value for name in fields if (value := getattr(user, name)) is not None}
    return User(user.user_id, user.email, user.password, user.email_verified, tuple(user.roles), profile)


def _derived(purpose: str, name: str, length: int) -> str:
    """An id for what offline.yaml does not name. It is the same at every start, so that it can be configured."""
    return hashlib.sha256(f"offline tenant, {purpose}, {name}".encode()).hexdigest()[:length]
