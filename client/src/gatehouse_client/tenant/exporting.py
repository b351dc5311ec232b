"""The tenant file for other tools: Auth0's CLI, Terraform, Auth0's Deploy CLI."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from .file import Document, TenantFile, without


def as_deploy_cli(file: TenantFile) -> str:
    """A tenant.yaml for `a0deploy import`, with the keywords replaced. AUTH0_ALLOW_DELETE must be off there."""
    return yaml.safe_dump(file.document(), sort_keys=False, allow_unicode=True, width=120)


def as_auth0_cli(file: TenantFile) -> str:
    """A shell script that calls the Auth0 CLI, for a tenant that has none of these objects except connections."""
    return "\n".join(_script(file))


def as_terraform(file: TenantFile) -> str:
    """Resources of the Terraform provider auth0/auth0."""
    return "\n".join(_resources(file))


def _script(file: TenantFile) -> Iterator[str]:
    yield "#!/bin/sh"
    yield "# Needs the Auth0 CLI, signed in to the tenant (auth0 login), and jq."
    yield "set -eu"
    for api in file.apis:
        yield f"\nauth0 api post resource-servers --data {_quoted(api)}"
    clients = {client["name"]: f"client_{number}" for number, client in enumerate(file.clients, 1)}
    for client in file.clients:
        yield f"\n# {' '.join(client['name'].split())}"
        yield f"{clients[client['name']]}=$(auth0 api post clients --data {_quoted(client)} | jq -r .client_id)"
    for database in file.databases:
        yield from _connection_script(database, clients)
    for grant in file.grants:
        body = {"subject_type": "client", "scope": [], **grant}
        holder = body.pop("client_id", None)
        data = _quoted(body) if holder is None else _with_id(body, clients[holder])
        yield f"\nauth0 api post client-grants --data {data}"
    for number, role in enumerate(file.roles, 1):
        body = without(role, "permissions")
        yield f"\nrole_{number}=$(auth0 api post roles --data {_quoted(body)} | jq -r .id)"
        if role.get("permissions"):
            permissions = _quoted({"permissions": role["permissions"]})
            yield f'auth0 api post "roles/$role_{number}/permissions" --data {permissions}'
    if file.settings:
        yield f"\nauth0 api patch tenants/settings --data {_quoted(file.settings)}"


def _connection_script(database: Document, clients: Mapping[str, str]) -> Iterator[str]:
    """Commands that create the connection if the tenant does not have it. Every new tenant has one."""
    body = {"strategy": "auth0", **without(database, "enabled_clients")}
    changes = without(body, "name", "strategy")
    name = shlex.quote(database["name"])
    yield f"\nconnection=$(auth0 api get connections | jq -r --arg name {name} '.[] | select(.name == $name) | .id')"
    yield 'if [ -z "$connection" ]; then'
    yield f"  connection=$(auth0 api post connections --data {_quoted(body)} | jq -r .id)"
    if changes:
        yield "else"
        yield f'  auth0 api patch "connections/$connection" --data {_quoted(changes)}'
    yield "fi"
    for client in database.get("enabled_clients") or []:
        enabled = f"$(jq -cn --arg id \"${clients[client]}\" '[{{client_id: $id, status: true}}]')"
        yield f'auth0 api patch "connections/$connection/clients" --data "{enabled}"'


def _with_id(body: Document, variable: str) -> str:
    program = shlex.quote(f"{{client_id: $id}} + {json.dumps(body)}")
    return f'"$(jq -cn --arg id "${variable}" {program})"'


def _quoted(body: Document) -> str:
    return shlex.quote(json.dumps(body, ensure_ascii=False))


def _resources(file: TenantFile) -> Iterator[str]:
    yield 'terraform {\n  required_providers {\n    auth0 = { source = "auth0/auth0" }\n  }\n}'
    if file.settings:
        yield _resource("auth0_tenant", "tenant", file.settings)
    for api in file.apis:
        yield from _api_resources(api)
    for client in file.clients:
        yield from _client_resources(client)
    for database in file.databases:
        label = _label(database["name"])
        body = {"strategy": "auth0", **without(database, "enabled_clients")}
        yield _resource("auth0_connection", label, body)
        if database.get("enabled_clients"):
            enabled = [_Reference(f"auth0_client.{_label(name)}.id") for name in database["enabled_clients"]]
            connection = _Reference(f"auth0_connection.{label}.id")
            yield _resource(
                "auth0_connection_clients", label, {"connection_id": connection, "enabled_clients": enabled}
            )
    apis = {api["identifier"] for api in file.apis}
    for number, grant in enumerate(file.grants, 1):
        body = {
            **without(grant, "scope"),
            "audience": _identifier(grant["audience"], apis),
            "scopes": grant.get("scope", []),
        }
        if "client_id" in body:
            body["client_id"] = _Reference(f"auth0_client.{_label(grant['client_id'])}.id")
        yield _resource("auth0_client_grant", f"grant_{number}", body)
    for role in file.roles:
        label = _label(role["name"])
        yield _resource("auth0_role", label, without(role, "permissions"))
        permissions = [
            {
                "resource_server_identifier": _identifier(entry["resource_server_identifier"], apis),
                "name": entry["permission_name"],
            }
            for entry in role.get("permissions") or []
        ]
        if permissions:
            body = {"role_id": _Reference(f"auth0_role.{label}.id"), "permissions": permissions}
            yield _resource("auth0_role_permissions", label, body)


def _api_resources(api: Document) -> Iterator[str]:
    label = _label(api["identifier"])
    yield _resource("auth0_resource_server", label, without(api, "scopes"))
    scopes = [
        {"name": scope["value"], **({"description": scope["description"]} if scope.get("description") else {})}
        for scope in api.get("scopes") or []
    ]
    if scopes:
        identifier = _Reference(f"auth0_resource_server.{label}.identifier")
        body = {"resource_server_identifier": identifier, "scopes": scopes}
        yield _resource("auth0_resource_server_scopes", label, body)


def _client_resources(client: Document) -> Iterator[str]:
    label = _label(client["name"])
    method = client.get("token_endpoint_auth_method")
    yield _resource("auth0_client", label, without(client, "token_endpoint_auth_method"))
    if method:
        credentials = {"client_id": _Reference(f"auth0_client.{label}.id"), "authentication_method": method}
        yield _resource("auth0_client_credentials", label, credentials)


class _Reference(str):
    """An expression of the Terraform language: it is written without quotes."""

    __slots__ = ()


def _identifier(identifier: str, apis: set[str]) -> str:
    return _Reference(f"auth0_resource_server.{_label(identifier)}.identifier") if identifier in apis else identifier


def _resource(kind: str, label: str, body: Mapping[str, Any]) -> str:
    return "\n".join([f'\nresource "{kind}" "{label}" {{', *_arguments(body, "  "), "}"])


def _arguments(body: Mapping[str, Any], indent: str) -> Iterator[str]:
    """In the Terraform language, mappings and lists of mappings are blocks; every other value is an argument."""
    for name, value in body.items():
        blocks = [value] if isinstance(value, Mapping) else value
        if isinstance(blocks, list) and blocks and all(isinstance(block, Mapping) for block in blocks):
            for block in blocks:
                yield f"{indent}{name} {{"
                yield from _arguments(block, f"{indent}  ")
                yield f"{indent}}}"
        else:
            yield f"{indent}{name} = {_value(value)}"


def _value(value: Any) -> str:  # noqa: ANN401 - a value of YAML
    if isinstance(value, _Reference):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # `${` and `%{` begin a template in the Terraform language.
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _label(name: str) -> str:
    label = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return label if label and not label[0].isdigit() else f"_{label}"


FORMATS: Final[Mapping[str, Callable[[TenantFile], str]]] = {
    "auth0-cli": as_auth0_cli,
    "terraform": as_terraform,
    "deploy-cli": as_deploy_cli,
}
