"""The members of an organization, and the roles that they have in it only."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...state.idp import Idp
from ...tenant.merging import stated
from ...tenant.model import Organization, User
from ...web.request import idp_of
from ..bodies import read_members
from ..errors import Inexistent, InvalidBody
from ..paging import listed
from ..state import Document, role_id
from ..users import find_user, sent_roles
from .entries import change, find_organization, section_of

Members = dict[str, list[str]]


async def list_members(request: Request) -> Response:
    """The members. Their roles are shown only if `fields` names them."""
    idp, organization = idp_of(request), find_organization(request)
    users = [user for user in idp.tenant.users.values() if organization.has_member(user)]
    with_roles = "roles" in request.query_params.get("fields", "").split(",")
    return listed(request, "members", [_shown(idp, organization, user, with_roles=with_roles) for user in users])


async def add_members(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    members = _members(organization)
    for user in await _sent_users(request):
        members.setdefault(user.email.casefold(), [])
    _replace(idp, organization, members)
    idp.log.add("sapi", "Add members to an Organization")
    return Response(status_code=204)


async def remove_members(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    members = _members(organization)
    for user in await _sent_users(request):
        members.pop(user.email.casefold(), None)
    _replace(idp, organization, members)
    idp.log.add("sapi", "Delete members from an Organization")
    return Response(status_code=204)


async def list_roles(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    names = _members(organization)[_member(request, organization)]
    return listed(request, "roles", [{"id": role_id(idp, name), "name": name} for name in names])


async def add_roles(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    member, members = _member(request, organization), _members(organization)
    members[member] = list(dict.fromkeys([*members[member], *await sent_roles(request)]))
    _replace(idp, organization, members)
    idp.log.add("sapi", "Assign user roles to an Organization member")
    return Response(status_code=204)


async def remove_roles(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    member, members = _member(request, organization), _members(organization)
    removed = await sent_roles(request)
    members[member] = [name for name in members[member] if name not in removed]
    _replace(idp, organization, members)
    idp.log.add("sapi", "Delete user roles from an Organization member")
    return Response(status_code=204)


async def _sent_users(request: Request) -> list[User]:
    body = await read_members(request, {"members": list}, required=("members",))
    if not body["members"]:
        raise InvalidBody("Array is too short (0), minimum 1", "members")
    return [find_user(idp_of(request), each) for each in body["members"]]


def _member(request: Request, organization: Organization) -> str:
    """The e-mail address of the member that the path names. Raises Inexistent."""
    user = find_user(idp_of(request), request.path_params["user_id"])
    if not organization.has_member(user):
        raise Inexistent("organization member")
    return user.email.casefold()


def _members(organization: Organization) -> Members:
    return {email: list(roles) for email, roles in organization.members.items()}


def _replace(idp: Idp, organization: Organization, members: Members) -> None:
    change(idp, organization, stated(section_of(idp, organization)), {"members": members})


def _shown(idp: Idp, organization: Organization, user: User, *, with_roles: bool) -> Document:
    profile = user.profile
    shown = {"user_id": user.user_id, "email": user.email, "name": profile["name"], "picture": profile["picture"]}
    if not with_roles:
        return shown
    roles = organization.members[user.email.casefold()]
    return {**shown, "roles": [{"id": role_id(idp, name), "name": name} for name in roles]}
