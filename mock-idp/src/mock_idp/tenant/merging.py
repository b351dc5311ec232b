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
    member = KEYS[section][0]
    if key.get(member) != entry.get(member):
        renamed(section, key[member], entry[member], tenant, offline)
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
    if section in ("users", "roles", "clients", "resourceServers", "databases"):
        renamed(section, entry[KEYS[section][0]], None, tenant, offline)
    if section == "clients":
        name = entry["name"]
        tenant["clientGrants"] = [g for g in tenant.get("clientGrants", []) if g.get("client_id") != name]
        offline.get("clients", {}).pop(name, None)
        for database in tenant.get("databases", []):
            database["enabled_clients"] = [c for c in database.get("enabled_clients", []) if c != name]
    if section == "databases" and not tenant["databases"]:
        for user in offline.get("users", []):
            renamed("users", user["email"], None, tenant, offline)
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


def renamed(section: str, old: str, new: str | None, tenant: Document, offline: Document) -> None:
    """Let the claims and the organizations follow an entry that gets another name, or none because it is deleted."""
    if kind := {"users": "users", "clients": "clients", "resourceServers": "apis"}.get(section):
        claims = offline.get("claims", {})
        if kind in claims:
            claims[kind] = _renamed_keys(claims[kind], old, new)
    for issued in offline.get("organizations", {}).values():
        members = issued.get("members", [])
        stated = members if isinstance(members, dict) else {email: [] for email in members}
        if section == "users":
            stated = _renamed_keys(stated, old, new)
        if section == "roles":
            stated = {email: list(_renamed_keys(dict.fromkeys(roles), old, new)) for email, roles in stated.items()}
        issued["members"] = stated if isinstance(members, dict) else list(stated)
    part = {"clients": ("client_grants", "client_id"), "databases": ("connections", "name")}.get(section)
    for organization in tenant.get("organizations", []) if part else ():
        assert part is not None
        place, key = part
        kept = _renamed_keys({entry[key]: entry for entry in organization.get(place, [])}, old, new)
        organization[place] = [{**entry, key: name} for name, entry in kept.items()]


def _renamed_keys(entries: Document, old: str, new: str | None) -> Document:
    """Names of users are emails, whose case does not matter. Other names that differ only in case do not occur."""
    wanted = old.strip().casefold()
    names = {name: new if name.strip().casefold() == wanted else name for name in entries}
    return {name: entries[known] for known, name in names.items() if name is not None}
