"""The tenant file (tenant.yaml) in the format of Auth0's Deploy CLI: the sections that `gatehouse tenant` handles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml

from ..errors import ConfigurationError
from ..foreign_text import foreign
from ..settings import not_utf8
from .keywords import LOADER, commented_keywords, has_keyword, is_json_keyword, remaining_keywords, with_keywords

Document = dict[str, Any]

# The member that names an entry, by section. Source: the schema of auth0-deploy-cli 8.44.
SECTIONS: Final[Mapping[str, str]] = {
    "resourceServers": "identifier",
    "clients": "name",
    "databases": "name",
    "clientGrants": "audience",
    "roles": "name",
}
_HANDLED: Final = ("tenant", *SECTIONS)
_PERMISSION: Final = ("permission_name", "resource_server_identifier")
# auth0-deploy-cli 8.44 writes this into the export of a grant that has `default_for`.
UNDEFINED_CLIENT: Final = "undefined_clientId"
# The Deploy CLI exports the id of an application that the file leaves out.
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{32,}")
_MANAGEMENT: Final = "/api/v2/"


@dataclass(frozen=True)
class TenantFile:
    """The contents of the file.

    Attributes:
        ignored: the sections that are not handled here: other sections of the Deploy CLI, and unknown names.
        users: people to create, with `email`, `password` and `roles`; from a file of their own.
        notes: what else is not taken as it stands, in sentences.
        missing: the keywords without a value in the sections that are handled. They are plain text there.
    """

    settings: Document
    apis: list[Document]
    clients: list[Document]
    databases: list[Document]
    grants: list[Document]
    roles: list[Document]
    ignored: list[str]
    users: list[Document]
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def load_tenant_file(path: Path, keywords: Mapping[str, Any], users: Path | None = None) -> TenantFile:
    """Read the tenant file, and the users from another file.

    Args:
        keywords: values for ##KEY## and @@KEY@@, which are replaced as the Deploy CLI replaces them.
        users: a file with a list `users`, such as auth0/offline.yaml.

    Raises:
        ConfigurationError: a file cannot be read or has mistakes; the message names every mistake.
    """
    text = with_keywords(_text(path), keywords)
    document = _mapping(path, text)
    missing = remaining_keywords({name: document[name] for name in _HANDLED if name in document})
    notes = [*_commented(path, text)]
    document = _without_json_keywords(document)
    problems = [*_wrong_shapes(document)] or [*_wrong_names(document)] or [*_dangling(document)]
    if problems:
        lines = [f"{path}: {problem}." for problem in problems] + notes
        raise ConfigurationError("\n".join([*lines, *_without_value(path, missing)]))
    notes += _without_value(path, missing)
    sections = {name: [_without_nulls(entry) for entry in document.get(name) or []] for name in SECTIONS}
    for grant in sections["clientGrants"]:
        if grant.get("default_for") and grant.get("client_id") == UNDEFINED_CLIENT:
            del grant["client_id"]
    notes += _without_unknown_clients(path, sections)
    for role in sections["roles"]:
        if "permissions" in role:
            role["permissions"] = [{name: entry[name] for name in _PERMISSION} for entry in role["permissions"]]
    return TenantFile(
        settings=_without_nulls(document.get("tenant") or {}),
        apis=sections["resourceServers"],
        clients=sections["clients"],
        databases=sections["databases"],
        grants=sections["clientGrants"],
        roles=sections["roles"],
        ignored=[name for name in document if name not in _HANDLED],
        users=_users(users, sections["roles"]) if users is not None else [],
        notes=notes,
        missing=[*missing],
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}). Name the tenant file with --file."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: {not_utf8(error)}") from None


def _mapping(path: Path, text: str) -> Document:
    try:
        document = yaml.load(text, LOADER)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {foreign(str(error))}.") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} must be a mapping of sections: {', '.join(_HANDLED)}.")
    return document


def _without_value(path: Path, keywords: Iterable[str]) -> Iterator[str]:
    if names := ", ".join(keywords):
        variables = "an environment variable of that name, or AUTH0_KEYWORD_REPLACE_MAPPINGS"
        yield f"{path} has no value for {names}, which therefore stays as text. Set {variables}."


def _commented(path: Path, text: str) -> Iterator[str]:
    for where, keyword in commented_keywords(text).items():
        if where.partition(".")[0].partition("[")[0] in _HANDLED:
            advice = f"Put it in quotes, or set {keyword.strip('#')}."
            yield f"{path}: {where} is empty: {keyword} has no value, and without quotes it is a YAML comment. {advice}"


def _without_json_keywords(document: Document) -> Document:
    """The document without the sections, and the members of their entries, that are `@@KEY@@` without a value."""
    result = {name: value for name, value in document.items() if not is_json_keyword(value)}
    for section in SECTIONS:
        if isinstance(entries := result.get(section), list):
            result[section] = [
                {name: value for name, value in entry.items() if not is_json_keyword(value)}
                if isinstance(entry, dict)
                else entry
                for entry in entries
            ]
    return result


def _wrong_shapes(document: Document) -> Iterator[str]:
    if not isinstance(document.get("tenant") or {}, dict):
        yield "tenant must be a mapping of settings"
    for section, key in SECTIONS.items():
        entries = document.get(section) or []
        if not isinstance(entries, list):
            yield f"{section} must be a list"
            continue
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict) or not isinstance(entry.get(key), str) or not entry[key]:
                yield f"{section}[{index}] must be a mapping with {key}"


def _wrong_names(document: Document) -> Iterator[str]:
    for section, key in SECTIONS.items():
        if section == "clientGrants":
            continue
        for name, count in Counter(entry[key] for entry in document.get(section) or []).items():
            if count > 1:
                yield f"{section}: {key} {name!r} occurs {count} times"


def _dangling(document: Document) -> Iterator[str]:
    clients = {entry["name"] for entry in document.get("clients") or []}
    scopes = {api["identifier"]: _scopes(api) for api in document.get("resourceServers") or []}
    yield from _dangling_grants(document, clients, scopes)
    for index, database in enumerate(document.get("databases") or []):
        for name in database.get("enabled_clients") or []:
            if name not in clients and not has_keyword(name) and get_close_matches(name, clients, n=1):
                yield f"databases[{index}].enabled_clients: there is no client {name!r} in the file"
    for index, role in enumerate(document.get("roles") or []):
        for entry in role.get("permissions") or []:
            if not isinstance(entry, dict) or set(_PERMISSION) - set(entry):
                yield f"roles[{index}].permissions: each needs permission_name and resource_server_identifier"
                continue
            name, api = entry["permission_name"], entry["resource_server_identifier"]
            yield from _unknown_scopes(f"roles[{index}].permissions", api, [name], scopes)


def _dangling_grants(document: Document, clients: set[str], scopes: Mapping[str, set[str]]) -> Iterator[str]:
    for index, grant in enumerate(document.get("clientGrants") or []):
        where = f"clientGrants[{index}]"
        holder = grant.get("client_id") if grant.get("client_id") != UNDEFINED_CLIENT else None
        if (holder is None) == (grant.get("default_for") is None):
            yield f"{where} needs one of client_id (a client's name) and default_for"
        elif holder is not None and holder not in clients and not _is_elsewhere(holder):
            yield f"{where}.client_id: there is no client {holder!r} in the file"
        yield from _unknown_scopes(where, grant["audience"], grant.get("scope") or [], scopes)


def _is_elsewhere(client: str) -> bool:
    """Whether a reference to an application is an id in the place of a name, or a keyword without a value."""
    return _CLIENT_ID.fullmatch(client) is not None or has_keyword(client)


def _unknown_scopes(where: str, api: str, names: list[str], scopes: Mapping[str, set[str]]) -> Iterator[str]:
    """Scopes that the file's API does not have. The Management API is not among the APIs of a file."""
    if api.endswith(_MANAGEMENT) or has_keyword(api):
        return
    if api not in scopes:
        yield f"{where}: there is no resource server {api!r} in the file"
        return
    for name in names:
        if name not in scopes[api] and not has_keyword(name):
            yield f"{where}: the API {api!r} has no scope {name!r}"


def _scopes(api: Document) -> set[str]:
    return {scope.get("value", "") for scope in api.get("scopes") or [] if isinstance(scope, dict)}


def _without_unknown_clients(path: Path, sections: dict[str, list[Document]]) -> Iterator[str]:
    """Leave out what refers to applications of other files, as an export of some applications does."""
    clients = {entry["name"] for entry in sections["clients"]}
    grants = [grant for grant in sections["clientGrants"] if grant.get("client_id", None) not in (None, *clients)]
    unknown = dict.fromkeys(grant["client_id"] for grant in grants)
    sections["clientGrants"] = [grant for grant in sections["clientGrants"] if grant not in grants]
    for database in sections["databases"]:
        enabled = database.get("enabled_clients") or []
        unknown |= dict.fromkeys(name for name in enabled if name not in clients)
        if enabled:
            database["enabled_clients"] = [name for name in enabled if name in clients]
    if unknown:
        yield f"{path} refers to applications that it does not contain: {', '.join(unknown)}. That is left out."


def _users(path: Path, roles: list[Document]) -> list[Document]:
    users = _mapping(path, _text(path)).get("users") or []
    known = {role["name"] for role in roles}
    problems = []
    for index, user in enumerate(users if isinstance(users, list) else [None]):
        if not isinstance(user, dict) or not {"email", "password"} <= set(user):
            problems.append(f"users[{index}] must be a mapping with email and password")
            continue
        problems += [
            f"users[{index}]: there is no role {name!r}" for name in user.get("roles") or [] if name not in known
        ]
    if problems:
        raise ConfigurationError("\n".join(f"{path}: {problem}." for problem in problems))
    return [_without_nulls(user) for user in users]


def without(document: Document, *members: str) -> Document:
    """A copy without these members."""
    return {name: value for name, value in document.items() if name not in members}


def _without_nulls(entry: Document) -> Document:
    return {name: value for name, value in entry.items() if value is not None}
