"""The connections of an organization: /organizations/{id}/enabled_connections, and /connections of newer clients."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...state.idp import Idp
from ...tenant.merging import stated
from ...tenant.model import Organization, connection_id
from ...web.request import idp_of
from ..bodies import read_members
from ..errors import Conflict, Inexistent
from ..paging import listed
from ..state import Document
from .entries import change, connection_name, find_organization, section_of

SETTINGS: dict[str, type] = {
    **dict.fromkeys(("assign_membership_on_login", "show_as_button", "is_signup_enabled", "is_enabled"), bool),
    **dict.fromkeys(
        ("organization_connection_name", "organization_access_level", "organization_member_access_level"), str
    ),
}


async def list_enabled_connections(request: Request) -> Response:
    return listed(request, "enabled_connections", _all(request))


async def list_connections(request: Request) -> Response:
    """The same list under the name that newer clients expect."""
    return listed(request, "connections", _all(request))


async def show_connection(request: Request) -> Response:
    return JSONResponse(_shown(idp_of(request), _found(request)))


async def add_connection(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    body = await read_members(request, {"connection_id": str, **SETTINGS}, required=("connection_id",))
    name = connection_name(idp, body.pop("connection_id"))
    entries = _entries(idp, organization)
    if any(each["name"] == name for each in entries):
        raise Conflict("The connection is already enabled for the organization.")
    added = {"name": name, "assign_membership_on_login": False, **body}
    _replace(idp, organization, [*entries, added])
    idp.log.add("sapi", "Add a connection to an Organization")
    return JSONResponse(_shown(idp, added), status_code=201)


async def update_connection(request: Request) -> Response:
    idp, organization, known = idp_of(request), find_organization(request), _found(request)
    changed = {**known, **await read_members(request, SETTINGS)}
    _replace(idp, organization, [changed if each == known else each for each in _entries(idp, organization)])
    idp.log.add("sapi", "Update a connection of an Organization")
    return JSONResponse(_shown(idp, changed))


async def remove_connection(request: Request) -> Response:
    idp, organization, known = idp_of(request), find_organization(request), _found(request)
    _replace(idp, organization, [each for each in _entries(idp, organization) if each != known])
    idp.log.add("sapi", "Remove a connection from an Organization")
    return Response(status_code=204)


def _entries(idp: Idp, organization: Organization) -> list[Document]:
    return [stated(each) for each in section_of(idp, organization).connections]


def _all(request: Request) -> list[Document]:
    """The databases. Connections of other kinds can be in the tenant file, but not in the tenant."""
    idp = idp_of(request)
    entries = _entries(idp, find_organization(request))
    return [_shown(idp, each) for each in entries if each["name"] in idp.tenant.connections]


def _found(request: Request) -> Document:
    for each in _entries(idp_of(request), find_organization(request)):
        if connection_id(each["name"]) == request.path_params["connection_id"]:
            return each
    raise Inexistent("connection")


def _replace(idp: Idp, organization: Organization, connections: list[Document]) -> None:
    change(idp, organization, {**stated(section_of(idp, organization)), "connections": connections})


def _shown(idp: Idp, entry: Document) -> Document:
    settings = {name: value for name, value in entry.items() if name in SETTINGS}
    return {
        "connection_id": connection_id(entry["name"]),
        "assign_membership_on_login": False,
        "is_enabled": True,
        **settings,
        "connection": {"name": entry["name"], "strategy": "auth0"},
    }
