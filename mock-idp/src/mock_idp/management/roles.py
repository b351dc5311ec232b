"""Roles and their permissions: /api/v2/roles."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.loading import checked_configuration
from ..tenant.merging import documents, stated
from ..tenant.tenant_file import RolePermissionSection, RoleSection
from ..web.request import idp_of
from .access import needs
from .bodies import check, read_members, read_object
from .errors import Conflict, Inexistent
from .ids import new_role_id, role_id
from .paging import listed
from .state import Document, add, change_offline, remove, replace
from .users import assign, described_user, roles_of

SECTION = "roles"
READ_ONLY = frozenset({"id", "permissions"})


@needs("read:roles")
async def list_roles(request: Request) -> Response:
    idp = idp_of(request)
    wanted = request.query_params.get("name_filter", "").casefold()
    roles = [role for role in idp.configuration.tenant_file.roles if wanted in role.name.casefold()]
    return listed(request, "roles", [_shown(idp, role) for role in roles])


@needs("read:roles")
async def show_role(request: Request) -> Response:
    return JSONResponse(_shown(idp_of(request), _found(request)))


@needs("create:roles")
async def create_role(request: Request) -> Response:
    body = await read_object(request, RoleSection, read_only=READ_ONLY)
    check(RoleSection, body)
    _check_name_is_free(idp_of(request), body["name"])
    add(request, SECTION, body, log="Create a role")
    if new_role_id(body["name"]) in idp_of(request).configuration.offline_file.role_ids.values():
        change_offline(request, {"role_ids": {body["name"]: f"rol_{secrets.token_hex(8)}"}})
    return JSONResponse(_shown(idp_of(request), _named(idp_of(request), body["name"])))


@needs("update:roles")
async def update_role(request: Request) -> Response:
    """Name and description. Who has the role has it still under a new name."""
    idp, known = idp_of(request), _found(request)
    body = await read_object(request, RoleSection, read_only=READ_ONLY)
    changed = {**stated(known), **body}
    check(RoleSection, changed)
    name, kept_id = changed["name"], role_id(idp, known.name)
    if name != known.name:
        _check_name_is_free(idp, name)
    tenant, offline = documents(idp.configuration)
    tenant["roles"] = [changed if each["name"] == known.name else each for each in tenant["roles"]]
    for user in offline.get("users", []):
        user["roles"] = [name if role == known.name else role for role in user.get("roles", [])]
    ids = {role: value for role, value in offline.get("role_ids", {}).items() if role != known.name}
    offline["role_ids"] = ids if kept_id == new_role_id(name) else {**ids, name: kept_id}
    idp.configure(checked_configuration(tenant, offline, names=("tenant", "offline")))
    idp.log.add("sapi", "Update a role")
    return JSONResponse(_shown(idp, _named(idp, name)))


@needs("delete:roles")
async def delete_role(request: Request) -> Response:
    remove(request, SECTION, {"name": _found(request).name}, log="Delete a role")
    return Response(status_code=204)


@needs("read:roles")
async def list_permissions(request: Request) -> Response:
    idp = idp_of(request)
    return listed(request, "permissions", [_permission(idp, entry) for entry in _found(request).permissions])


@needs("read:users")
async def list_permissions_of_user(request: Request) -> Response:
    """Those of the user's roles: here nobody has a permission without a role."""
    idp = idp_of(request)
    held = roles_of(idp, request.path_params["id"])
    roles = [role for role in idp.configuration.tenant_file.roles if role.name in held]
    entries = [_permission(idp, entry) for role in roles for entry in role.permissions]
    return listed(request, "permissions", [entry for at, entry in enumerate(entries) if entry not in entries[:at]])


@needs("update:roles")
async def add_permissions(request: Request) -> Response:
    known, asked = _found(request), await _asked(request)
    held = stated(known).get("permissions", [])
    for entry in asked:
        _check_exists(idp_of(request), entry)
    changed = {**stated(known), "permissions": [*held, *(entry for entry in asked if entry not in held)]}
    replace(request, SECTION, {"name": known.name}, changed, log="Associate permissions with a role")
    return Response(status_code=201)


@needs("update:roles")
async def remove_permissions(request: Request) -> Response:
    known, asked = _found(request), await _asked(request)
    rest = [entry for entry in stated(known).get("permissions", []) if entry not in asked]
    changed = {**stated(known), "permissions": rest}
    replace(request, SECTION, {"name": known.name}, changed, log="Remove permissions from a role")
    return Response(status_code=204)


@needs("read:users", "read:role_members")
async def list_members(request: Request) -> Response:
    idp, role = idp_of(request), _found(request)
    users = [user for user in idp.configuration.offline_file.users if role.name in user.roles]
    return listed(request, "users", [described_user(idp, user) for user in users])


@needs("update:roles", "create:role_members")
async def add_members(request: Request) -> Response:
    body = await read_members(request, {"users": list}, required=("users",))
    role = _found(request)
    for user_id in body["users"]:
        assign(request, user_id, [role.name])
    return Response(status_code=200)


def _named(idp: Idp, name: str) -> RoleSection:
    return next(role for role in idp.configuration.tenant_file.roles if role.name == name)


def _found(request: Request) -> RoleSection:
    idp = idp_of(request)
    for role in idp.configuration.tenant_file.roles:
        if role_id(idp, role.name) == request.path_params["id"]:
            return role
    raise Inexistent("role")


def _check_name_is_free(idp: Idp, name: str) -> None:
    if any(role.name == name for role in idp.configuration.tenant_file.roles):
        raise Conflict(f"A role with the name {name} already exists.")


async def _asked(request: Request) -> list[Document]:
    body = await read_members(request, {"permissions": list}, required=("permissions",))
    for entry in body["permissions"]:
        check(RolePermissionSection, entry if isinstance(entry, dict) else {})
    return list(body["permissions"])


def _check_exists(idp: Idp, entry: Document) -> None:
    api = idp.tenant.apis.get(entry["resource_server_identifier"])
    if api is None:
        raise Inexistent("resource server")
    if entry["permission_name"] not in api.scopes:
        raise Inexistent("permission")


def _permission(idp: Idp, entry: RolePermissionSection) -> Document:
    api = idp.tenant.apis.get(entry.resource_server_identifier)
    described = (
        {}
        if api is None
        else {
            "resource_server_name": api.name,
            "description": api.scopes.get(entry.permission_name, ""),
        }
    )
    return {**entry.model_dump(mode="json"), **described}


def _shown(idp: Idp, role: RoleSection) -> Document:
    described = {name: value for name, value in stated(role).items() if name != "permissions"}
    return {"id": role_id(idp, role.name), "description": "", **described}
