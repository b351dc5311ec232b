"""References between the two files: names that are not defined, and names that are defined twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from .keywords import has_keyword
from .model import is_management
from .offline_schema import OfflineFile
from .tenant_schema import TenantFile

# The Deploy CLI exports the id of an application that the file leaves out.
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{32,}")
Finding = tuple[type[TenantFile] | type[OfflineFile], str, str]


def dangling_references(tenant: TenantFile, offline: OfflineFile) -> list[Finding]:
    """The mistakes: the file, the path in it, and what is wrong."""
    apis = {api.identifier: {scope.value for scope in api.scopes} for api in tenant.resourceServers}
    clients = {client.name for client in tenant.clients}
    roles = {role.name for role in tenant.roles}
    found = [
        *_tenant_duplicates(tenant),
        *_in_settings(tenant, apis),
        *_in_grants(tenant, apis, clients),
        *_in_roles(tenant, apis),
        *_in_databases(tenant, clients),
        *_in_organizations(tenant, clients),
        *_in_triggers(tenant),
    ]
    return [
        *((TenantFile, where, what) for where, what in found),
        *((OfflineFile, where, what) for where, what in _in_offline(offline, clients, roles)),
        *((OfflineFile, where, what) for where, what in _in_memberships(tenant, offline, roles)),
        *((OfflineFile, where, what) for where, what in _in_claims(offline, set(apis), clients)),
    ]


def _tenant_duplicates(tenant: TenantFile) -> Iterator[tuple[str, str]]:
    yield from _duplicates("resourceServers", "identifier", (api.identifier for api in tenant.resourceServers))
    yield from _duplicates("clients", "name", (client.name for client in tenant.clients))
    yield from _duplicates("roles", "name", (role.name for role in tenant.roles))
    yield from _duplicates("databases", "name", (database.name for database in tenant.databases))
    yield from _duplicates("organizations", "name", (each.name for each in tenant.organizations))
    yield from _duplicates("actions", "name", (action.name for action in tenant.actions))


def _duplicates(section: str, key: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    for value, count in Counter(values).items():
        if count > 1:
            yield section, f"{key} {value!r} is there {count} times; it must be unique"


def _in_settings(tenant: TenantFile, apis: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    default = tenant.tenant.default_audience
    if default and default not in apis and not is_management(default) and not has_keyword(default):
        yield "tenant.default_audience", _missing("resource server", default, apis)


def _in_grants(tenant: TenantFile, apis: dict[str, set[str]], clients: set[str]) -> Iterator[tuple[str, str]]:
    for index, grant in enumerate(tenant.clientGrants):
        where = f"clientGrants[{index}]"
        if grant.client_id is not None and grant.client_id not in clients and not _is_elsewhere(grant.client_id):
            yield f"{where}.client_id", _missing("client", grant.client_id, clients)
        # The Management API is not among the resource servers of a file.
        if is_management(grant.audience) or has_keyword(grant.audience):
            continue
        if grant.audience not in apis:
            yield f"{where}.audience", _missing("resource server", grant.audience, apis)
            continue
        for scope in grant.scope:
            if scope not in apis[grant.audience] and not has_keyword(scope):
                yield f"{where}.scope", f"the API {grant.audience!r} has no scope {scope!r}"


def _in_roles(tenant: TenantFile, apis: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for index, role in enumerate(tenant.roles):
        for position, entry in enumerate(role.permissions):
            where = f"roles[{index}].permissions[{position}]"
            api = entry.resource_server_identifier
            if is_management(api) or has_keyword(api) or has_keyword(entry.permission_name):
                continue
            if api not in apis:
                yield f"{where}.resource_server_identifier", _missing("resource server", api, apis)
            if api in apis and entry.permission_name not in apis[api]:
                yield f"{where}.permission_name", f"the API {api!r} has no scope {entry.permission_name!r}"


def _in_databases(tenant: TenantFile, clients: set[str]) -> Iterator[tuple[str, str]]:
    for index, database in enumerate(tenant.databases):
        for name in database.enabled_clients:
            if name not in clients and not has_keyword(name) and get_close_matches(name, clients, n=1):
                yield f"databases[{index}].enabled_clients", _missing("client", name, clients)


def _in_offline(offline: OfflineFile, clients: set[str], roles: set[str]) -> Iterator[tuple[str, str]]:
    yield from _duplicates("users", "email", (user.email.casefold() for user in offline.users))
    yield from _duplicates("users", "user_id", (user.user_id for user in offline.users))
    issued = [client.client_id for client in offline.clients.values()]
    issued += [client.client_id for client in offline.management_clients]
    yield from _duplicates("clients", "client_id", issued)
    for name in offline.clients:
        if name not in clients:
            yield f"clients.{name}", _missing("client", name, clients)
    for index, user in enumerate(offline.users):
        for role in user.roles:
            if role not in roles:
                yield f"users[{index}].roles", _missing("role", role, roles)


def _in_organizations(tenant: TenantFile, clients: set[str]) -> Iterator[tuple[str, str]]:
    """Connections that are no databases are not in the model, so an organization may name one."""
    for index, organization in enumerate(tenant.organizations):
        for grant in organization.client_grants:
            if grant.client_id not in clients and not _is_elsewhere(grant.client_id):
                yield f"organizations[{index}].client_grants", _missing("client", grant.client_id, clients)


def _in_triggers(tenant: TenantFile) -> Iterator[tuple[str, str]]:
    actions = {action.name for action in tenant.actions}
    for trigger, bindings in tenant.triggers.items():
        for index, binding in enumerate(bindings or ()):
            if binding.action_name not in actions:
                where = f"triggers.{trigger}[{index}].action_name"
                yield where, _missing("action", binding.action_name, actions)


def _in_memberships(tenant: TenantFile, offline: OfflineFile, roles: set[str]) -> Iterator[tuple[str, str]]:
    organizations = {each.name for each in tenant.organizations}
    users = {user.email.casefold() for user in offline.users}
    yield from _duplicates("organizations", "id", (each.id for each in offline.organizations.values() if each.id))
    for name, issued in offline.organizations.items():
        if name not in organizations:
            yield f"organizations.{name}", _missing("organization", name, organizations)
        for email in issued.members:
            if email.strip().casefold() not in users:
                yield f"organizations.{name}.members", _missing("user", email, users)
        held = issued.members.values() if isinstance(issued.members, dict) else ()
        for role in (role for each in held for role in each):
            if role not in roles:
                yield f"organizations.{name}.members", _missing("role", role, roles)


def _in_claims(offline: OfflineFile, apis: set[str], clients: set[str]) -> Iterator[tuple[str, str]]:
    users = {user.email.casefold() for user in offline.users}
    for email in offline.claims.users:
        if email.strip().casefold() not in users:
            yield f"claims.users.{email}", _missing("user", email, users)
    for name in offline.claims.clients:
        if name not in clients:
            yield f"claims.clients.{name}", _missing("client", name, clients)
    for identifier in offline.claims.apis:
        if identifier not in apis:
            yield f"claims.apis.{identifier}", _missing("resource server", identifier, apis)


def _is_elsewhere(client: str) -> bool:
    """Whether a reference to an application is an id in the place of a name, or a keyword without a value."""
    return CLIENT_ID.fullmatch(client) is not None or has_keyword(client)


def _missing(kind: str, name: str, known: Iterable[str]) -> str:
    return f"there is no {kind} {name!r}; there are: {', '.join(map(repr, sorted(known))) or 'none'}"
