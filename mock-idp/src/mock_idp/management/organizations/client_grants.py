"""The client grants with which applications get tokens for an organization: /organizations/{id}/client-grants.

The model keeps the application, so that all its grants for machines are associated together.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...state.idp import Idp
from ...tenant.merging import stated
from ...tenant.model import ClientGrant, Organization
from ...web.request import idp_of
from ..bodies import read_members
from ..client_grants import described_grant
from ..errors import Inexistent
from ..paging import listed
from ..state import client_name, grant_id
from .entries import change, find_organization, section_of


async def list_grants(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    shown = [described_grant(request, each) for each in _associated(idp, organization)]
    for name in ("audience", "client_id"):
        if name in request.query_params:
            shown = [each for each in shown if each.get(name) == request.query_params[name]]
    return listed(request, "client_grants", shown)


async def add_grant(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    body = await read_members(request, {"grant_id": str}, required=("grant_id",))
    grant = _grant(idp, body["grant_id"])
    name = client_name(idp, grant.client_id)
    _replace(idp, organization, [*(each for each in organization.client_grants if each != name), name])
    idp.log.add("sapi", "Associate a client grant with an Organization")
    return JSONResponse(described_grant(request, grant), status_code=201)


async def remove_grant(request: Request) -> Response:
    idp, organization = idp_of(request), find_organization(request)
    name = client_name(idp, _grant(idp, request.path_params["grant_id"]).client_id)
    _replace(idp, organization, [each for each in organization.client_grants if each != name])
    idp.log.add("sapi", "Remove a client grant from an Organization")
    return Response(status_code=204)


def _associated(idp: Idp, organization: Organization) -> list[ClientGrant]:
    ids = {client.client_id for client in idp.tenant.clients.values() if client.name in organization.client_grants}
    return [each for each in idp.tenant.client_grants if each.client_id in ids and each.subject_type == "client"]


def _grant(idp: Idp, wanted: str) -> ClientGrant:
    for each in idp.tenant.client_grants:
        if grant_id(each) == wanted and each.client_id is not None:
            return each
    raise Inexistent("client grant")


def _replace(idp: Idp, organization: Organization, names: list[str]) -> None:
    grants = [{"client_id": name} for name in sorted(names)]
    change(idp, organization, {**stated(section_of(idp, organization)), "client_grants": grants})
