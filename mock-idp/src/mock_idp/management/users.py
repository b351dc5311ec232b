"""Users and their roles: /api/v2/users."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import changed, replaced, stated
from ..tenant.model import User
from ..web.request import idp_of
from .bodies import check, read_members
from .errors import Conflict, Inexistent, InvalidQuery
from .paging import listed, shown_fields
from .state import Document, remove, role_id

PROVIDER = "auth0|"
MEMBERS: dict[str, type] = {
    **dict.fromkeys(("email", "password", "name", "given_name", "family_name", "nickname", "picture"), str),
    **dict.fromkeys(("user_metadata", "app_metadata"), dict),
    "email_verified": bool,
    "connection": str,
    "verify_email": bool,
}
# Members that are options of the request, not members of the user.
OPTIONS = ("connection", "verify_email")
QUERY = re.compile(r'(email|user_id|name):"?([^"*]+)"?')


async def list_users(request: Request) -> Response:
    """`q` supports one term: email, user_id or name."""
    idp = idp_of(request)
    users = list(idp.configuration.offline_file.users)
    query = request.query_params.get("q", "").strip()
    if query not in ("", "*"):
        term = QUERY.fullmatch(query)
        if term is None:
            raise InvalidQuery('The offline tenant supports email:"...", user_id:"..." and name:"..."', "q")
        users = [user for user in users if str(getattr(user, term[1])).casefold() == term[2].casefold()]
    return listed(request, "users", [described_user(idp, user) for user in users])


async def list_users_by_email(request: Request) -> Response:
    idp = idp_of(request)
    wanted = request.query_params.get("email", "")
    users = [user for user in idp.configuration.offline_file.users if user.email.casefold() == wanted.casefold()]
    return JSONResponse([shown_fields(request, described_user(idp, user)) for user in users])


async def show_user(request: Request) -> Response:
    user = find_user(idp_of(request), request.path_params["id"])
    return JSONResponse(shown_fields(request, described_user(idp_of(request), user)))


async def create_user(request: Request) -> Response:
    """Create a user of a database. The user can sign in at once."""
    idp = idp_of(request)
    required = ("connection", "email", "password")
    body = await read_members(request, {**MEMBERS, "user_id": str}, required=required)
    if body["connection"] not in idp.tenant.connections:
        raise Inexistent("connection")
    if idp.tenant.user_by_email(body["email"]) is not None:
        raise Conflict("The user already exists.")
    user_id = PROVIDER + body.get("user_id", secrets.token_hex(12)).removeprefix(PROVIDER)
    if user_id in idp.tenant.users:
        raise Conflict("The user already exists.")
    entry = {"email_verified": False, **_members(body), "user_id": user_id, "roles": []}
    check(User, entry)
    idp.configure(changed(idp.configuration, {}, {"users": [entry]}))
    idp.log.add("sapi", "Create a User")
    return JSONResponse(described_user(idp, find_user(idp, user_id)), status_code=201)


async def update_user(request: Request) -> Response:
    idp = idp_of(request)
    known = find_user(idp, request.path_params["id"])
    body = await read_members(request, MEMBERS)
    other = idp.tenant.user_by_email(body.get("email", known.email))
    if other is not None and other.user_id != known.user_id:
        raise Conflict("The specified new email already exists")
    _replace(idp, known, _members(body))
    idp.log.add("sapi", "Update a User")
    return JSONResponse(described_user(idp, find_user(idp, known.user_id)))


async def delete_user(request: Request) -> Response:
    known = find_user(idp_of(request), request.path_params["id"])
    remove(request, "users", {"email": known.email}, log="Delete a User")
    return Response(status_code=204)


async def list_roles_of_user(request: Request) -> Response:
    idp = idp_of(request)
    user = find_user(idp, request.path_params["id"])
    return listed(request, "roles", [{"id": role_id(idp, name), "name": name} for name in user.roles])


async def assign_roles(request: Request) -> Response:
    assign(request, request.path_params["id"], await _sent_roles(request))
    return Response(status_code=204)


async def remove_roles(request: Request) -> Response:
    idp, names = idp_of(request), await _sent_roles(request)
    known = find_user(idp, request.path_params["id"])
    _replace(idp, known, {"roles": [name for name in known.roles if name not in names]})
    idp.log.add("sapi", "Remove roles from a user")
    return Response(status_code=204)


def assign(request: Request, user_id: object, names: list[str]) -> None:
    """Assign roles to a user. Raises Inexistent if there is no such user."""
    idp = idp_of(request)
    known = find_user(idp, user_id)
    _replace(idp, known, {"roles": list(dict.fromkeys([*known.roles, *names]))})
    idp.log.add("sapi", "Assign roles to a user")


def described_user(idp: Idp, user: User) -> Document:
    """A user in Auth0's form. The model has no database per user, so each user is shown in the first database."""
    connection = next(iter(idp.tenant.connections), "")
    identity = {"user_id": user.user_id.removeprefix(PROVIDER), "provider": "auth0", "connection": connection}
    shown = user.model_dump(mode="json", exclude_none=True, exclude={"password", "roles"})
    return {
        "name": user.email,
        "nickname": user.email.partition("@")[0],
        **shown,
        "identities": [{**identity, "isSocial": False}],
    }


async def _sent_roles(request: Request) -> list[str]:
    body = await read_members(request, {"roles": list}, required=("roles",))
    idp = idp_of(request)
    by_id: dict[Any, str] = {role_id(idp, role.name): role.name for role in idp.configuration.tenant_file.roles}
    for each in body["roles"]:
        if not isinstance(each, str) or each not in by_id:
            raise Inexistent("role")
    return [by_id[each] for each in body["roles"]]


def _members(body: Document) -> Document:
    return {name: value for name, value in body.items() if name not in OPTIONS}


def find_user(idp: Idp, user_id: object) -> User:
    """Raises Inexistent if there is no such user."""
    for user in idp.configuration.offline_file.users:
        if user.user_id == user_id:
            return user
    raise Inexistent("user")


def _replace(idp: Idp, known: User, changes: Document) -> None:
    entry = {**stated(known), **changes}
    check(User, entry)
    idp.configure(replaced(idp.configuration, "users", {"email": known.email}, entry))
