"""Users and their roles: /api/v2/users."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..state.users import PROVIDER, UserExists, add_user, change_user, new_user_id
from ..tenant.merging import stated
from ..tenant.model import Connection, User
from ..tenant.passwords import PasswordRefused
from ..web.request import idp_of
from .bodies import check, read_members
from .errors import Inexistent, InvalidQuery, NotSupported, UserConflict, WeakPassword
from .paging import listed, shown_fields
from .state import Document, remove, role_id, shown_event

TEXTS = ("email", "password", "name", "given_name", "family_name", "nickname", "picture", "connection", "client_id")
FLAGS = ("blocked", "email_verified", "phone_verified", "verify_email", "verify_password", "verify_phone_number")
MEMBERS: dict[str, type] = {
    **dict.fromkeys((*TEXTS, "phone_number", "username"), str),
    **dict.fromkeys(FLAGS, bool),
    **dict.fromkeys(("user_metadata", "app_metadata"), dict),
}
# Members that are options of the request, not members of the user.
OPTIONS = ("connection", "client_id", "verify_email", "verify_password", "verify_phone_number")
# Members that users of a real tenant have. Here a user signs in with an e-mail address only.
ELSEWHERE = ("phone_number", "phone_verified", "username")
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
    database = _database(idp, body)
    user_id = PROVIDER + body["user_id"].removeprefix(PROVIDER) if "user_id" in body else new_user_id()
    entry = {**_members(body), "user_id": user_id, "roles": []}
    check(User, entry)
    try:
        user = add_user(idp, database, entry)
    except UserExists as error:
        raise UserConflict("The user already exists.") from error
    except PasswordRefused as error:
        raise WeakPassword(error) from error
    idp.log.add("sapi", "Create a User", user=user)
    return JSONResponse(described_user(idp, user), status_code=201)


async def update_user(request: Request) -> Response:
    idp = idp_of(request)
    known = find_user(idp, request.path_params["id"])
    body = await read_members(request, MEMBERS)
    other = idp.tenant.user_by_email(body.get("email", known.email))
    if other is not None and other.user_id != known.user_id:
        raise UserConflict("The specified new email already exists")
    changes = _members(body)
    check(User, {**stated(known), **changes})
    database = _database(idp, body) if "password" in changes else None
    try:
        user = change_user(idp, known, changes, database)
    except PasswordRefused as error:
        raise WeakPassword(error) from error
    idp.log.add("sapi", "Update a User", user=user)
    return JSONResponse(described_user(idp, user))


async def list_logs_of_user(request: Request) -> Response:
    """The events of the tenant log that name the user, newest first."""
    idp = idp_of(request)
    user = find_user(idp, request.path_params["id"])
    events = [shown_event(event) for event in reversed(idp.log.events) if event.user_id == user.user_id]
    return listed(request, "logs", events)


async def delete_user(request: Request) -> Response:
    known = find_user(idp_of(request), request.path_params["id"])
    remove(request, "users", {"email": known.email}, log="Delete a User")
    return Response(status_code=204)


async def list_roles_of_user(request: Request) -> Response:
    idp = idp_of(request)
    user = find_user(idp, request.path_params["id"])
    return listed(request, "roles", [{"id": role_id(idp, name), "name": name} for name in user.roles])


async def assign_roles(request: Request) -> Response:
    assign(request, request.path_params["id"], await sent_roles(request))
    return Response(status_code=204)


async def remove_roles(request: Request) -> Response:
    idp, names = idp_of(request), await sent_roles(request)
    known = find_user(idp, request.path_params["id"])
    change_user(idp, known, {"roles": [name for name in known.roles if name not in names]})
    idp.log.add("sapi", "Remove roles from a user")
    return Response(status_code=204)


def assign(request: Request, user_id: object, names: list[str]) -> None:
    """Assign roles to a user. Raises Inexistent if there is no such user."""
    idp = idp_of(request)
    known = find_user(idp, user_id)
    change_user(idp, known, {"roles": list(dict.fromkeys([*known.roles, *names]))})
    idp.log.add("sapi", "Assign roles to a user")


def described_user(idp: Idp, user: User) -> Document:
    """A user in Auth0's form. The model has no database per user, so each user is shown in the first database."""
    connection = next(iter(idp.tenant.connections), "")
    identity = {"user_id": user.user_id.removeprefix(PROVIDER), "provider": "auth0", "connection": connection}
    shown = user.model_dump(mode="json", exclude_none=True, exclude={"password", "roles"})
    if not user.blocked:
        del shown["blocked"]
    return {
        **user.profile,
        **shown,
        "identities": [{**identity, "isSocial": False}],
    }


async def sent_roles(request: Request) -> list[str]:
    """The names of the roles whose ids the body has. Raises Inexistent."""
    body = await read_members(request, {"roles": list}, required=("roles",))
    idp = idp_of(request)
    by_id: dict[Any, str] = {role_id(idp, role.name): role.name for role in idp.configuration.tenant_file.roles}
    for each in body["roles"]:
        if not isinstance(each, str) or each not in by_id:
            raise Inexistent("role")
    return [by_id[each] for each in body["roles"]]


def _members(body: Document) -> Document:
    """The members of the user. Raises NotSupported for those that users do not have here."""
    for name in ELSEWHERE:
        if name in body:
            raise NotSupported(f"the member {name} of users")
    return {name: value for name, value in body.items() if name not in OPTIONS}


def _database(idp: Idp, body: Document) -> Connection:
    """The database that the body names, else the first one. Raises Inexistent."""
    databases = idp.tenant.connections
    name = body.get("connection") or next(iter(databases), "")
    if name not in databases:
        raise Inexistent("connection")
    return databases[name]


def find_user(idp: Idp, user_id: object) -> User:
    """Raises Inexistent if there is no such user."""
    for user in idp.configuration.offline_file.users:
        if user.user_id == user_id:
            return user
    raise Inexistent("user")
