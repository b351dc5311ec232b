"""The `event` of an Action (Auth0: Actions Triggers, Event Object)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..tenant.model import Api, Client, Organization, Tenant, User, connection_id

TENANT_ID = "offline"
# Parameters that prove who the sender is. Auth0 also keeps them out of `event.request`.
SECRET = frozenset(
    {
        *("assertion", "client_assertion", "client_secret", "code", "code_verifier", "device_code", "password"),
        *("refresh_token", "subject_token"),
    }
)


@dataclass(frozen=True)
class RequestFacts:
    """The HTTP request that made the Actions run."""

    ip: str
    method: str
    hostname: str
    user_agent: str
    language: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "query": _without_secrets(self.query),
            "body": _without_secrets(self.body),
            "geoip": {},
        }


@dataclass(frozen=True)
class SignInFacts:
    """A user's sign-in, silent sign-in or refresh. `protocol` is Auth0's name of it; times are Unix seconds.

    `connection` is the name of the database that the request asked for.
    """

    user: User
    now: float
    auth_time: float
    session_id: str
    logins_count: int
    protocol: str
    connection: str | None = None
    transaction: Mapping[str, Any] = field(default_factory=dict)


def post_login_event(
    tenant: Tenant,
    client: Client,
    api: Api | None,
    organization: Organization | None,
    request: RequestFacts,
    sign_in: SignInFacts,
) -> dict[str, Any]:
    """The event of the trigger post-login."""
    user = sign_in.user
    usable = [connection.name for connection in tenant.usable_connections(client)]
    name = sign_in.connection or next(iter(usable), "")
    timestamp = _iso(sign_in.auth_time)
    return _stated(
        {
            "authentication": {"methods": [{"name": "pwd", "timestamp": timestamp}]},
            "authorization": {"roles": list(tenant.role_names(user, organization))},
            "client": _client(client),
            "connection": {"id": connection_id(name), "name": name, "strategy": "auth0", "metadata": {}},
            "organization": _organization(organization),
            "request": request.as_dict(),
            "resource_server": {"identifier": api.identifier} if api else None,
            "session": {"id": sign_in.session_id, "authenticated_at": timestamp} if sign_in.session_id else None,
            "stats": {"logins_count": sign_in.logins_count},
            "tenant": {"id": TENANT_ID},
            "transaction": {**_stated(sign_in.transaction), "protocol": sign_in.protocol, "metadata": {}},
            "user": _user(user, name, sign_in.now),
        }
    )


def credentials_exchange_event(
    client: Client,
    api: Api,
    organization: Organization | None,
    request: RequestFacts,
    scopes: tuple[str, ...],
    requested: tuple[str, ...],
) -> dict[str, Any]:
    """The event of the trigger credentials-exchange."""
    return _stated(
        {
            "accessToken": {"customClaims": {}, "scope": list(scopes)},
            "client": _client(client),
            "organization": _organization(organization),
            "request": request.as_dict(),
            "resource_server": {"identifier": api.identifier},
            "tenant": {"id": TENANT_ID},
            "transaction": {"requested_scopes": list(requested), "metadata": {}},
        }
    )


def _user(user: User, connection: str, now: float) -> dict[str, Any]:
    """The model has no times of a user, so both are the present one."""
    identity = {"connection": connection, "isSocial": False, "provider": "auth0"}
    return {
        **user.profile,
        **user.model_dump(mode="json", exclude={"password", "roles"}, exclude_none=True),
        "app_metadata": user.app_metadata or {},
        "user_metadata": user.user_metadata or {},
        "created_at": _iso(now),
        "updated_at": _iso(now),
        "identities": [{**identity, "user_id": user.user_id.partition("|")[2]}],
    }


def _client(client: Client) -> dict[str, Any]:
    policies = [{"audience": api, "scope": sorted(scopes)} for api, scopes in client.refresh_apis.items()]
    return _stated(
        {
            "client_id": client.client_id,
            "name": client.name,
            "metadata": dict(client.metadata),
            "refresh_token": {"policies": policies} if policies else None,
        }
    )


def _organization(organization: Organization | None) -> dict[str, Any] | None:
    if organization is None:
        return None
    return {
        "id": organization.org_id,
        "name": organization.name,
        "display_name": organization.display_name,
        "metadata": dict(organization.metadata),
    }


def _without_secrets(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in SECRET}


def _stated(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
