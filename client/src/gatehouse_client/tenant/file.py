"""The tenant file (tenant.yaml) in the format of Auth0's Deploy CLI: the sections that `gatehouse tenant` handles."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from ..errors import ConfigurationError
from ..foreign_text import foreign
from ..settings import not_utf8

Document = dict[str, Any]

# The member that names an entry, by section. Source: the schema of auth0-deploy-cli 8.44.
SECTIONS: Final[Mapping[str, str]] = {
    "resourceServers": "identifier",
    "clients": "name",
    "databases": "name",
    "clientGrants": "audience",
    "roles": "name",
}
# auth0-deploy-cli 8.44 writes this into the export of a grant that has `default_for`.
UNDEFINED_CLIENT: Final = "undefined_clientId"
_KEYWORD: Final = re.compile(r"##([A-Za-z0-9_]+)##|(['\"]?)@@([A-Za-z0-9_]+)@@\2")


@dataclass(frozen=True)
class TenantFile:
    """The contents of the file.

    Attributes:
        ignored: the sections that are not handled here: other sections of the Deploy CLI, and unknown names.
        users: people to create, with `email`, `password` and `roles`; from a file of their own.
    """

    settings: Document
    apis: list[Document]
    clients: list[Document]
    databases: list[Document]
    grants: list[Document]
    roles: list[Document]
    ignored: list[str]
    users: list[Document]


def load_tenant_file(path: Path, keywords: Mapping[str, Any], users: Path | None = None) -> TenantFile:
    """Read the tenant file, and the users from another file.

    Args:
        keywords: values for ##KEY## and @@KEY@@, which are replaced as the Deploy CLI replaces them.
        users: a file with a list `users`, such as auth0/offline.yaml.

    Raises:
        ConfigurationError: a file cannot be read or has mistakes; the message names every mistake.
    """
    document = _mapping(path, keywords)
    problems = [*_wrong_shapes(document)] or [*_wrong_names(document)] or [*_dangling(document)]
    if problems:
        raise ConfigurationError("\n".join(f"{path}: {problem}." for problem in problems))
    sections = {name: [_without_nulls(entry) for entry in document.get(name) or []] for name in SECTIONS}
    for grant in sections["clientGrants"]:
        if grant.get("default_for") and grant.get("client_id") == UNDEFINED_CLIENT:
            del grant["client_id"]
    return TenantFile(
        settings=_without_nulls(document.get("tenant") or {}),
        apis=sections["resourceServers"],
        clients=sections["clients"],
        databases=sections["databases"],
        grants=sections["clientGrants"],
        roles=sections["roles"],
        ignored=[name for name in document if name not in SECTIONS and name != "tenant"],
        users=_users(users, sections["roles"]) if users is not None else [],
    )


def _mapping(path: Path, keywords: Mapping[str, Any]) -> Document:
    try:
        text = _with_keywords(path.read_text(encoding="utf-8-sig"), keywords)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}). Name the tenant file with --file."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text: {not_utf8(error)}") from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # @@KEY@@ outside of quotes is no YAML.
        _require_no_keywords(path, text)
        raise ConfigurationError(f"{path} is not YAML: {foreign(str(error))}.") from None
    _require_no_keywords(path, document)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} must be a mapping of sections: {', '.join(('tenant', *SECTIONS))}.")
    return document


def _require_no_keywords(path: Path, document: object) -> None:
    if unknown := _remaining_keywords(document):
        variables = "an environment variable of that name, or AUTH0_KEYWORD_REPLACE_MAPPINGS"
        raise ConfigurationError(f"{path} has no value for {', '.join(unknown)}. Set {variables}.")


def _with_keywords(text: str, values: Mapping[str, Any]) -> str:
    """The text with its keywords replaced. A keyword without a value stays, as in the Deploy CLI."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name not in values:
            return match[0]
        return str(values[name]) if match[1] else json.dumps(values[name])

    return _KEYWORD.sub(replaced, text)


def _remaining_keywords(document: object) -> dict[str, None]:
    """The keywords without a value, in their order. YAML comments do not count."""
    found: dict[str, None] = {}
    pending, seen = [document], set()  # an anchor may refer to itself
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            found |= {match[0]: None for match in _KEYWORD.finditer(part)}
        elif isinstance(part, dict | list) and id(part) not in seen:
            seen.add(id(part))
            pending += reversed([*part, *part.values()] if isinstance(part, dict) else part)
    return found


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
    for index, grant in enumerate(document.get("clientGrants") or []):
        holder = grant.get("client_id") if grant.get("client_id") != UNDEFINED_CLIENT else None
        if (holder is None) == (grant.get("default_for") is None):
            yield f"clientGrants[{index}] needs one of client_id (a client's name) and default_for"
        elif holder is not None and holder not in clients:
            yield f"clientGrants[{index}].client_id: there is no client {holder!r} in the file"
    for index, database in enumerate(document.get("databases") or []):
        for name in database.get("enabled_clients") or []:
            if name not in clients:
                yield f"databases[{index}].enabled_clients: there is no client {name!r} in the file"
    for index, role in enumerate(document.get("roles") or []):
        for entry in role.get("permissions") or []:
            if not isinstance(entry, dict) or set(entry) != {"permission_name", "resource_server_identifier"}:
                yield f"roles[{index}].permissions: each needs permission_name and resource_server_identifier"


def _users(path: Path, roles: list[Document]) -> list[Document]:
    users = _mapping(path, {}).get("users") or []
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
