"""Client grants: /api/v2/client-grants."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import stated
from ..tenant.model import MANAGEMENT_SCOPES, ClientGrant, is_management, management_identifier
from ..tenant.tenant_schema import ClientGrantSection
from ..web.request import idp_of, issuer_of
from .bodies import check, read_object
from .errors import Conflict, DanglingReference, Inexistent, NoResource, NotSupported
from .paging import listed
from .state import Document, add, client_id_of, client_name, grant_id, remove, replace

SECTION = "clientGrants"
READ_ONLY = frozenset({"id", "is_system"})
FIXED = frozenset({"client_id", "default_for", "audience", "subject_type"})
FILTERS = ("audience", "client_id", "subject_type", "default_for")


async def list_client_grants(request: Request) -> Response:
    shown = [described_grant(request, grant) for grant in idp_of(request).tenant.client_grants]
    for name in FILTERS:
        if name in request.query_params:
            shown = [each for each in shown if each.get(name) == request.query_params[name]]
    return listed(request, "client_grants", shown)


async def show_client_grant(request: Request) -> Response:
    return JSONResponse(described_grant(request, _found(request)))


async def create_client_grant(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_object(request, ClientGrantSection, read_only=READ_ONLY)
    check(ClientGrantSection, body)
    key = (body.get("client_id"), body["audience"], body.get("subject_type", "client"))
    if any(_key(grant) == key for grant in idp.tenant.client_grants):
        raise Conflict("A client grant for this client, audience and subject type already exists.")
    _check_scopes(request, body["audience"], body.get("scope", []))
    if body.get("client_id") is not None:
        body = {**body, "client_id": client_name(idp, body["client_id"])}
    add(request, SECTION, body, log="Create a client grant")
    grant = next(each for each in idp.tenant.client_grants if _key(each) == key)
    return JSONResponse(described_grant(request, grant), status_code=201)


async def update_client_grant(request: Request) -> Response:
    grant = _changeable(request)
    body = await read_object(request, ClientGrantSection, read_only=READ_ONLY | FIXED)
    known = _entry(idp_of(request), grant)
    if body.get("allow_all_scopes"):
        known.pop("scope", None)
    changed = {**known, **body}
    check(ClientGrantSection, changed)
    _check_scopes(request, grant.audience, changed.get("scope", []))
    replace(request, SECTION, known, changed, log="Update a client grant")
    return JSONResponse(described_grant(request, _found(request)))


async def delete_client_grant(request: Request) -> Response:
    remove(request, SECTION, _entry(idp_of(request), _changeable(request)), log="Delete a client grant")
    return Response(status_code=204)


def _key(grant: ClientGrant) -> tuple[str | None, str, str]:
    return grant.client_id, grant.audience, grant.subject_type


def _check_scopes(request: Request, audience: str, scopes: list[str]) -> None:
    api = idp_of(request).tenant.apis.get(audience)
    if api is None and audience != management_identifier(issuer_of(request)):
        raise NoResource(f"No resource with identifier {audience}")
    for scope in scopes:
        if scope not in (MANAGEMENT_SCOPES if api is None else api.scopes):
            raise DanglingReference(f"The resource server {audience} has no scope {scope}")


def _found(request: Request) -> ClientGrant:
    for grant in idp_of(request).tenant.client_grants:
        if grant_id(grant) == request.path_params["id"]:
            return grant
    raise Inexistent("client grant")


def _changeable(request: Request) -> ClientGrant:
    """The grant. Raises NotSupported if offline.yaml declares it."""
    idp, grant = idp_of(request), _found(request)
    client = idp.tenant.clients.get(grant.client_id or "")
    if client is not None and client.registration == "management":
        raise NotSupported("changes of the management clients of offline.yaml")
    return grant


def _entry(idp: Idp, grant: ClientGrant) -> Document:
    """The grant's entry in the tenant file, with the client's name."""
    for section in idp.configuration.tenant_file.clientGrants:
        holder = None if section.client_id is None else client_id_of(idp, section.client_id)
        if (holder, section.audience, section.subject_type) == _key(grant):
            return stated(section)
    raise Inexistent("client grant")


def described_grant(request: Request, grant: ClientGrant) -> Document:
    """A client grant in Auth0's form."""
    audience = management_identifier(issuer_of(request)) if is_management(grant.audience) else grant.audience
    holder = {"default_for": "third_party_clients"} if grant.client_id is None else {"client_id": grant.client_id}
    shown: Document = {"id": grant_id(grant), **holder, "audience": audience, "subject_type": grant.subject_type}
    shown["scope"] = list(MANAGEMENT_SCOPES if grant.all_scopes and is_management(grant.audience) else grant.scopes)
    if grant.all_scopes and not is_management(grant.audience):
        shown["allow_all_scopes"] = True
    if grant.organization_usage != "deny" or grant.any_organization:
        shown |= {"organization_usage": grant.organization_usage, "allow_any_organization": grant.any_organization}
    return shown
