"""Common misconfigurations, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .loading import Configuration, checked_configuration
from .merging import documents

Change = Callable[[dict[str, Any], dict[str, Any]], None]

OTHER_API = "https://other.example/api"


@dataclass(frozen=True)
class Preset:
    """A change of the documents of tenant.yaml and offline.yaml, and a description of its effect."""

    description: str
    change: Change


PRESETS: dict[str, Preset] = {}


def with_preset(configuration: Configuration, name: str) -> Configuration:
    """The configuration with the mistake in it. KeyError if there is no such preset."""
    tenant, offline = documents(configuration)
    PRESETS[name].change(tenant, offline)
    return checked_configuration(tenant, offline)


def with_presets(configuration: Configuration, names: Iterable[str]) -> Configuration:
    for name in names:
        configuration = with_preset(configuration, name)
    return configuration


def _settings(tenant: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = tenant.setdefault("tenant", {})
    return settings


def _rename_api(tenant: dict[str, Any], old: str, new: str) -> None:
    for api in tenant.get("resourceServers", []):
        api["identifier"] = new if api["identifier"] == old else api["identifier"]
    for grant in tenant.get("clientGrants", []):
        grant["audience"] = new if grant["audience"] == old else grant["audience"]
    for role in tenant.get("roles", []):
        for entry in role.get("permissions", []):
            known = entry["resource_server_identifier"]
            entry["resource_server_identifier"] = new if known == old else known
    settings = _settings(tenant)
    if settings.get("default_audience") == old:
        settings["default_audience"] = new
    for client in tenant.get("clients", []):
        if client.get("resource_server_identifier") == old:
            client["resource_server_identifier"] = new


def _other_slash(identifier: str) -> str:
    return identifier.removesuffix("/") if identifier.endswith("/") else f"{identifier}/"


def _preset(name: str) -> Callable[[Change], Change]:
    """Register a preset. The docstring of the function is the description."""

    def register(change: Change) -> Change:
        PRESETS[name] = Preset(" ".join((change.__doc__ or "").split()), change)
        return change

    return register


@_preset("opaque-token")
def _opaque_token(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """Neither the resource parameter nor a default audience selects an API. A client that sends only `resource`, as
    MCP clients do, gets an access token that no server can read."""
    _settings(tenant).update(resource_parameter_profile="audience", default_audience="")


@_preset("resource-profile-off")
def _resource_profile_off(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """The tenant ignores `resource` (resource_parameter_profile: audience); only `audience` selects an API."""
    _settings(tenant).update(resource_parameter_profile="audience")


@_preset("default-audience")
def _default_audience(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """The tenant ignores `resource` and its default audience is another API: tokens are JWTs for the wrong API."""
    tenant.setdefault("resourceServers", []).append({"name": "Another API", "identifier": OTHER_API})
    _settings(tenant).update(resource_parameter_profile="audience", default_audience=OTHER_API)


@_preset("slash-mismatch")
def _slash_mismatch(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """The API's identifier differs from the server's URL in the trailing slash: `Service not found`."""
    for api in tenant.get("resourceServers", []):
        _rename_api(tenant, api["identifier"], _other_slash(api["identifier"]))


@_preset("no-domain-connection")
def _no_domain_connection(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """No connection is domain-level: third-party clients get `no connections enabled for the client`."""
    for database in tenant.get("databases", []):
        database["is_domain_connection"] = False


@_preset("no-client-grant")
def _no_client_grant(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """The API requires a client grant and there is none: `Client is not authorized to access resource server`."""
    tenant["clientGrants"] = []
    for api in tenant.get("resourceServers", []):
        policies = api.setdefault("subject_type_authorization", {})
        policies["user"] = {"policy": "require_client_grant"}


@_preset("dcr-off")
def _dcr_off(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """Dynamic client registration is off, though discovery lists its endpoint: clients get an error from it."""
    _settings(tenant).setdefault("flags", {})["enable_dynamic_client_registration"] = False


@_preset("role-missing")
def _role_missing(_tenant: dict[str, Any], offline: dict[str, Any]) -> None:
    """No user has a role: sign-in works, but the token has no permission."""
    for user in offline.get("users", []):
        user["roles"] = []


@_preset("hs256-api")
def _hs256_api(tenant: dict[str, Any], _offline: dict[str, Any]) -> None:
    """The API signs with HS256: a server cannot verify its tokens with the JWKS."""
    for api in tenant.get("resourceServers", []):
        api["signing_alg"] = "HS256"
