"""Roles and their permissions: /api/v2/roles."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import changed, documents, renamed, stated
from ..tenant.tenant_schema import RolePermissionSection, RoleSection
from ..web.request import idp_of
from .bodies import check, read_members, read_object
from .errors import Conflict, Inexistent
from .paging import listed
from .state import Document, add, configure, new_role_id, remove, replace, role_id
from .users import assign, described_user, find_user

SECTION = "roles"
READ_ONLY = frozenset({"id", "permissions"})


async def list_roles(request: Request) -> Response:
    idp = idp_of(request)
    wanted = request.query_params.get("name_filter", "").casefold()
    roles = [role for role in _roles(idp).values() if wanted in role.name.casefold()]
    return listed(request, "roles", [_shown(idp, role) for role in roles])


async def show_role(request: Request) -> Response:
    return JSONResponse(_shown(idp_of(request), _found(request)))


async def create_role(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_object(request, RoleSection, read_only=READ_ONLY)
    check(RoleSection, body)
    name = body["name"]
    _check_name_is_free(idp, name)
    add(request, SECTION, body, log="Create a role")
    if new_role_id(name) in idp.configuration.offline_file.role_ids.values():
        idp.configure(changed(idp.configuration, {}, {"role_ids": {name: f"rol_{secrets.token_hex(8)}"}}))
    return JSONResponse(_shown(idp, _roles(idp)[name]))


async def update_role(request: Request) -> Response:
    """Change name and description. Users keep a renamed role."""
    idp, known = idp_of(request), _found(request)
    body = await read_object(request, RoleSection, read_only=READ_ONLY)
    role = {**stated(known), **body}
    check(RoleSection, role)
    name, kept_id = role["name"], role_id(idp, known.name)
    if name != known.name:
        _check_name_is_free(idp, name)
    tenant, offline = documents(idp.configuration)
    tenant["roles"] = [role if each["name"] == known.name else each for each in tenant["roles"]]
    renamed(SECTION, known.name, name, tenant, offline)
    for user in offline.get("users", []):
        user["roles"] = [name if held == known.name else held for held in user.get("roles", [])]
    ids = {role: value for role, value in offline.get("role_ids", {}).items() if role != known.name}
    offline["role_ids"] = ids if kept_id == new_role_id(name) else {**ids, name: kept_id}
    configure(idp, tenant, offline)
    idp.log.add("sapi", "Update a role")
    return JSONResponse(_shown(idp, _roles(idp)[name]))


async def delete_role(request: Request) -> Response:
    remove(request, SECTION, {"name": _found(request).name}, log="Delete a role")
    return Response(status_code=204)


async def list_permissions(request: Request) -> Response:
    idp = idp_of(request)
    return listed(request, "permissions", [_permission(idp, entry) for entry in _found(request).permissions])


async def list_permissions_of_user(request: Request) -> Response:
    """The permissions of the user's roles. Here a user has no permissions without a role."""
    idp = idp_of(request)
    user = find_user(idp, request.path_params["id"])
    roles = [role for role in _roles(idp).values() if role.name in user.roles]
    entries = [_permission(idp, entry) for role in roles for entry in role.permissions]
    return listed(request, "permissions", [entry for at, entry in enumerate(entries) if entry not in entries[:at]])


async def add_permissions(request: Request) -> Response:
    known, added = _found(request), await _sent_permissions(request)
    held = stated(known).get("permissions", [])
    for entry in added:
        _check_exists(idp_of(request), entry)
    role = {**stated(known), "permissions": [*held, *(entry for entry in added if entry not in held)]}
    replace(request, SECTION, {"name": known.name}, role, log="Associate permissions with a role")
    return Response(status_code=201)


async def remove_permissions(request: Request) -> Response:
    known, removed = _found(request), await _sent_permissions(request)
    rest = [entry for entry in stated(known).get("permissions", []) if entry not in removed]
    role = {**stated(known), "permissions": rest}
    replace(request, SECTION, {"name": known.name}, role, log="Remove permissions from a role")
    return Response(status_code=204)


async def list_members(request: Request) -> Response:
    idp, role = idp_of(request), _found(request)
    users = [user for user in idp.configuration.offline_file.users if role.name in user.roles]
    return listed(request, "users", [described_user(idp, user) for user in users])


async def add_members(request: Request) -> Response:
    body = await read_members(request, {"users": list}, required=("users",))
    role = _found(request)
    for user_id in body["users"]:
        assign(request, user_id, [role.name])
    return Response(status_code=200)


def _roles(idp: Idp) -> dict[str, RoleSection]:
    return {role.name: role for role in idp.configuration.tenant_file.roles}


def _found(request: Request) -> RoleSection:
    idp = idp_of(request)
    for role in _roles(idp).values():
        if role_id(idp, role.name) == request.path_params["id"]:
            return role
    raise Inexistent("role")


def _check_name_is_free(idp: Idp, name: str) -> None:
    if name in _roles(idp):
        raise Conflict(f"A role with the name {name} already exists.")


async def _sent_permissions(request: Request) -> list[Document]:
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
    shown = entry.model_dump(mode="json")
    if api is None:
        return shown
    description = api.scopes.get(entry.permission_name, "")
    return {**shown, "resource_server_name": api.name, "description": description}


def _shown(idp: Idp, role: RoleSection) -> Document:
    described = {name: value for name, value in stated(role).items() if name != "permissions"}
    return {"id": role_id(idp, role.name), "description": "", **described}
