"""The tenant's configuration as the console shows it, with its keys in tenant.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ..pages.models import PublishedUser, published_users
from ..state.idp import Idp
from ..tenant.model import Api, Client, Tenant, TenantSettings
from ..tenant.not_played import not_played
from .view import Facts, Listing, View, listing

# On one page.
MAX_SHOWN = 50
# By name in TenantSettings: the parent key in tenant.yaml, if it is not `tenant` itself.
NESTED = {
    "use_scope_descriptions_for_consent": "flags.",
    "revoke_refresh_token_grant": "flags.",
    "enable_dynamic_client_registration": "flags.",
    "enable_public_signup_user_exists_error": "flags.",
    "require_pushed_authorization_requests": "flags.",
    "rp_logout_end_session_endpoint_discovery": "oidc_logout.",
}


@dataclass(frozen=True)
class Setting:
    """`setting.<name>` is the key of its text. `changed` means that the value is not Auth0's default."""

    name: str
    key: str
    value: str
    changed: bool


@dataclass(frozen=True)
class UserView:
    """`password` is empty if offline.yaml does not publish it."""

    email: str
    user_id: str
    password: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]


@dataclass(frozen=True)
class ApiView:
    api: Api
    third_party_grant: bool


@dataclass(frozen=True)
class ClientView:
    client: Client
    connections: tuple[str, ...]
    apis: tuple[str, ...]


class ConnectionView(NamedTuple):
    name: str
    domain_level: bool
    enabled_clients: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A requirement of clients that register themselves. `key` is its key in tenant.yaml."""

    name: str
    passed: bool
    key: str


def user_list(idp: Idp, view: View) -> Listing[UserView]:
    published = {user.email: user for user in published_users(idp)}
    users = [_user(idp.tenant, user_id, published) for user_id in idp.tenant.users]
    return listing(view, users, _facts_of_user, MAX_SHOWN)


def client_list(idp: Idp, view: View) -> Listing[ClientView]:
    clients = [_client(idp.tenant, client) for client in idp.tenant.clients.values()]
    return listing(view, clients, _facts_of_client, MAX_SHOWN)


def api_list(idp: Idp, view: View) -> Listing[ApiView]:
    apis = [ApiView(api, _has_default_grant(idp.tenant, api)) for api in idp.tenant.apis.values()]
    return listing(view, apis, _facts_of_api, MAX_SHOWN)


def connection_list(idp: Idp, view: View) -> Listing[ConnectionView]:
    connections = [
        ConnectionView(one.name, one.domain_level, tuple(sorted(one.enabled_clients)))
        for one in idp.tenant.connections.values()
    ]
    return listing(view, connections, lambda one: Facts(), MAX_SHOWN)


def check_list(idp: Idp, view: View) -> Listing[Check]:
    return listing(view, _checks(idp.tenant), lambda one: Facts(), MAX_SHOWN)


def setting_list(idp: Idp, view: View) -> Listing[Setting]:
    settings = _settings(idp.tenant.settings)
    return listing(view, settings, lambda one: Facts(texts=(one.key, one.value)), MAX_SHOWN)


def not_played_list(idp: Idp, view: View) -> Listing[tuple[str, list[str]]]:
    """By section of tenant.yaml: what it has and the tenant ignores. Whole sections come first, under an empty name."""
    sections: dict[str, list[str]] = {"": []}
    for name in names_not_played(idp):
        section = re.split(r"[\[.:]", name)[0]
        sections.setdefault("" if section == name else section, []).append(name)
    if not sections[""]:
        del sections[""]
    return listing(view, list(sections.items()), lambda one: Facts(), MAX_SHOWN)


def names_not_played(idp: Idp) -> list[str]:
    return [*_idle_actions(idp), *not_played(idp.configuration.tenant_file)]


def _facts_of_user(user: UserView) -> Facts:
    return Facts(texts=(user.email, user.user_id, *user.roles, *user.permissions))


def _facts_of_client(view: ClientView) -> Facts:
    client = view.client
    return Facts(texts=(client.name, client.client_id, *client.callbacks, *client.grant_types, *view.apis))


def _facts_of_api(view: ApiView) -> Facts:
    scopes = (text for scope in view.api.scopes.items() for text in scope)
    return Facts(texts=(view.api.name, view.api.identifier, *scopes))


def _idle_actions(idp: Idp) -> list[str]:
    """The Actions that do not run because of this machine or its settings."""
    if not idp.tenant.action_names or not idp.node.problem:
        return []
    return [f"actions: {name} ({idp.node.problem})" for name in idp.tenant.action_names]


def _user(tenant: Tenant, user_id: str, published: dict[str, PublishedUser]) -> UserView:
    user = tenant.users[user_id]
    password = published[user.email].password if user.email in published else ""
    held = [permission for api in tenant.apis.values() for permission in tenant.permissions(user, api)]
    return UserView(user.email, user_id, password, tuple(user.roles), tuple(held))


def _client(tenant: Tenant, client: Client) -> ClientView:
    apis = tenant.apis.values()
    granted = [api.name for api in apis if any(tenant.client_grant(client, api, kind) for kind in ("user", "client"))]
    return ClientView(client, tuple(one.name for one in tenant.usable_connections(client)), tuple(granted))


def _has_default_grant(tenant: Tenant, api: Api) -> bool:
    grants = (one for one in tenant.client_grants if one.audience == api.identifier)
    return any(one.client_id is None and one.subject_type == "user" for one in grants)


def _settings(settings: TenantSettings) -> list[Setting]:
    default = TenantSettings()
    return [
        Setting(name, f"tenant.{NESTED.get(name, '')}{name}", _as_yaml(value), value != getattr(default, name))
        for name, value in vars(settings).items()
    ]


def _as_yaml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value) or "[]"
    return "" if value is None else str(value)


def _checks(tenant: Tenant) -> list[Check]:
    settings, apis = tenant.settings, tenant.apis.values()
    selects = settings.resource_parameter_profile == "compatibility" or bool(settings.default_audience)
    metadata = settings.client_id_metadata_document_dynamic_registration_supported
    registers = settings.enable_dynamic_client_registration or metadata
    domain = any(connection.domain_level for connection in tenant.connections.values())
    return [
        Check("resource", selects, "tenant.resource_parameter_profile"),
        Check("registration", registers, "tenant.flags.enable_dynamic_client_registration"),
        Check("connection", domain, "databases[].is_domain_connection"),
        Check("grant", any(_has_default_grant(tenant, api) for api in apis), "clientGrants[].default_for"),
        Check("signature", all(api.signing_alg != "HS256" for api in apis), "resourceServers[].signing_alg"),
    ]
