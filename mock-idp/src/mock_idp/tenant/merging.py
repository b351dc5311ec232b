"""Changing the configuration of a running tenant by pieces of tenant.yaml or offline.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from .loading import Configuration, checked_configuration

# By section: the members that identify an entry.
KEYS: Mapping[str, tuple[str, ...]] = {
    "resourceServers": ("identifier",),
    "clients": ("name",),
    "databases": ("name",),
    "roles": ("name",),
    "clientGrants": ("client_id", "default_for", "audience", "subject_type"),
    "organizations": ("name",),
    "actions": ("name",),
    "users": ("email",),
}
Document = dict[str, Any]


def documents(configuration: Configuration) -> tuple[Document, Document]:
    """The configuration in the form of the two files."""
    return stated(configuration.tenant_file), stated(configuration.offline_file)


def stated(section: BaseModel) -> Document:
    """A section or a file in file form, without its defaults."""
    return section.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def changed(configuration: Configuration, tenant: Document, offline: Document) -> Configuration:
    """The configuration with the pieces merged in. ConfigurationError if the result is wrong."""
    before = documents(configuration)
    return checked_configuration(merged(before[0], tenant), merged(before[1], offline))


def replaced(configuration: Configuration, section: str, key: Document, entry: Document) -> Configuration:
    """The configuration with `entry` instead of the entry with this key. ConfigurationError if the result is wrong."""
    tenant, offline = documents(configuration)
    holder = offline if section == "users" else tenant
    replaced_key = _key(section, key)
    holder[section] = [entry if _key(section, known) == replaced_key else known for known in holder.get(section, [])]
    return checked_configuration(tenant, offline)


def without(configuration: Configuration, section: str, entry: Document) -> Configuration | None:
    """The configuration without an entry and without the references to it; None if there is no such entry."""
    tenant, offline = documents(configuration)
    holder = offline if section == "users" else tenant
    kept = [known for known in holder.get(section, []) if _key(section, known) != _key(section, entry)]
    if len(kept) == len(holder.get(section, [])):
        return None
    holder[section] = kept
    _drop_references(section, entry, tenant, offline)
    return checked_configuration(tenant, offline)


def merged(base: Document, changes: Document) -> Document:
    """`changes` over `base`: objects member by member, entries of sections by their key, anything else replaced."""
    result = dict(base)
    for name, value in changes.items():
        known = result.get(name)
        if name in KEYS and isinstance(value, list) and isinstance(known, list):
            result[name] = _merged_section(name, known, value)
        elif isinstance(value, dict) and isinstance(known, dict):
            result[name] = merged(known, value)
        else:
            result[name] = value
    return result


def _merged_section(section: str, known: list[Any], changes: list[Any]) -> list[Any]:
    result = list(known)
    for change in changes:
        keys = [_key(section, entry) for entry in result]
        if isinstance(change, dict) and _key(section, change) in keys:
            place = keys.index(_key(section, change))
            result[place] = merged(result[place], change)
        else:
            result.append(change)
    return result


def _key(section: str, entry: Any) -> tuple[Any, ...] | None:  # noqa: ANN401 - whatever a document contains
    if not isinstance(entry, dict):
        return None
    values = [entry.get(name) for name in KEYS[section]]
    if section == "clientGrants" and values[-1] is None:
        values[-1] = "client"
    return tuple(value.casefold() if section == "users" and isinstance(value, str) else value for value in values)


def _drop_references(section: str, entry: Document, tenant: Document, offline: Document) -> None:
    """Also delete the grants, permissions, role assignments and users of the entry, as Auth0 does."""
    _drop_claims(section, entry, offline)
    _drop_memberships(section, entry, tenant, offline)
    if section == "clients":
        name = entry["name"]
        tenant["clientGrants"] = [g for g in tenant.get("clientGrants", []) if g.get("client_id") != name]
        offline.get("clients", {}).pop(name, None)
        for database in tenant.get("databases", []):
            database["enabled_clients"] = [c for c in database.get("enabled_clients", []) if c != name]
    if section == "databases" and not tenant["databases"]:
        offline["users"] = []
    if section == "roles":
        offline.get("role_ids", {}).pop(entry["name"], None)
        for user in offline.get("users", []):
            user["roles"] = [role for role in user.get("roles", []) if role != entry["name"]]
    if section == "resourceServers":
        identifier = entry["identifier"]
        tenant["clientGrants"] = [g for g in tenant.get("clientGrants", []) if g["audience"] != identifier]
        for role in tenant.get("roles", []):
            held = role.get("permissions", [])
            role["permissions"] = [p for p in held if p["resource_server_identifier"] != identifier]


def _drop_claims(section: str, entry: Document, offline: Document) -> None:
    holders = {"users": ("users", "email"), "clients": ("clients", "name"), "resourceServers": ("apis", "identifier")}
    if section not in holders:
        return
    kind, member = holders[section]
    claims = offline.get("claims", {}).get(kind, {})
    for name in [name for name in claims if name.strip().casefold() == str(entry[member]).casefold()]:
        if section == "users" or name == entry[member]:
            del claims[name]


def _drop_memberships(section: str, entry: Document, tenant: Document, offline: Document) -> None:
    """Members, their roles and the client grants of organizations go with the user, the role and the client."""
    for issued in offline.get("organizations", {}).values():
        members = issued.get("members", [])
        if section == "users":
            kept = [email for email in members if email.strip().casefold() != str(entry["email"]).casefold()]
            issued["members"] = {email: members[email] for email in kept} if isinstance(members, dict) else kept
        if section == "roles" and isinstance(members, dict):
            issued["members"] = {email: [r for r in roles if r != entry["name"]] for email, roles in members.items()}
    if section == "clients":
        for organization in tenant.get("organizations", []):
            grants = organization.get("client_grants", [])
            organization["client_grants"] = [grant for grant in grants if grant["client_id"] != entry["name"]]
