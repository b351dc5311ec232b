"""APIs: /api/v2/resource-servers. A path has an API's id or its identifier."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import documents, stated
from ..tenant.model import management_api
from ..tenant.tenant_schema import ResourceServerSection
from ..web.request import idp_of, issuer_of
from .bodies import check, read_object
from .errors import Conflict, Inexistent, NotSupported
from .paging import listed, shown_fields
from .state import Document, add, api_id, configure, remove

SECTION = "resourceServers"
READ_ONLY = frozenset({"id", "is_system", "client_id"})


async def list_resource_servers(request: Request) -> Response:
    wanted = request.query_params.getlist("identifiers")
    servers = _servers(idp_of(request)).values()
    shown = [_management(request), *(_shown(server) for server in servers)]
    return listed(request, "resource_servers", [s for s in shown if not wanted or s["identifier"] in wanted])


async def show_resource_server(request: Request) -> Response:
    management = _management(request)
    if request.path_params["id"] in (management["id"], management["identifier"]):
        return JSONResponse(shown_fields(request, management))
    return JSONResponse(shown_fields(request, _shown(_found(request))))


async def create_resource_server(request: Request) -> Response:
    body = await read_object(request, ResourceServerSection, read_only=READ_ONLY)
    body.setdefault("name", body.get("identifier"))
    check(ResourceServerSection, body)
    if body["identifier"] in _servers(idp_of(request)):
        raise Conflict("A resource server with the same identifier already exists.")
    add(request, SECTION, body, log="Create a resource server")
    return JSONResponse(_shown(_servers(idp_of(request))[body["identifier"]]), status_code=201)


async def update_resource_server(request: Request) -> Response:
    known = _found(request)
    body = await read_object(request, ResourceServerSection, read_only=READ_ONLY | {"identifier"})
    changed = {**stated(known), **body}
    check(ResourceServerSection, changed)
    _replace(idp_of(request), changed)
    idp_of(request).log.add("sapi", "Update a resource server")
    return JSONResponse(_shown(_servers(idp_of(request))[known.identifier]))


async def delete_resource_server(request: Request) -> Response:
    """Delete an API, its client grants, and its permissions in roles."""
    remove(request, SECTION, {"identifier": _found(request).identifier}, log="Delete a resource server")
    return Response(status_code=204)


def _replace(idp: Idp, changed: Document) -> None:
    """Replace an API. Removed scopes are also removed from grants and roles."""
    tenant, offline = documents(idp.configuration)
    identifier = changed["identifier"]
    scopes = {scope["value"] for scope in changed.get("scopes", [])}
    servers = tenant["resourceServers"]
    tenant["resourceServers"] = [changed if each["identifier"] == identifier else each for each in servers]
    for grant in tenant.get("clientGrants", []):
        if grant["audience"] == identifier and "scope" in grant:
            grant["scope"] = [scope for scope in grant["scope"] if scope in scopes]
    for role in tenant.get("roles", []):
        role["permissions"] = [
            each
            for each in role.get("permissions", [])
            if each["resource_server_identifier"] != identifier or each["permission_name"] in scopes
        ]
    configure(idp, tenant, offline)


def _servers(idp: Idp) -> dict[str, ResourceServerSection]:
    return {section.identifier: section for section in idp.configuration.tenant_file.resourceServers}


def _found(request: Request) -> ResourceServerSection:
    wanted = request.path_params["id"]
    for server in _servers(idp_of(request)).values():
        if wanted in (api_id(server.identifier), server.identifier):
            return server
    if wanted in (api_id(_management(request)["identifier"]), _management(request)["identifier"]):
        raise NotSupported("changes of the Management API itself")
    raise Inexistent("resource server")


def _shown(server: ResourceServerSection) -> Document:
    return {"id": api_id(server.identifier), "is_system": False, **server.model_dump(mode="json", exclude_none=True)}


def _management(request: Request) -> Document:
    api = management_api(issuer_of(request))
    return {
        "id": api_id(api.identifier),
        "name": api.name,
        "identifier": api.identifier,
        "is_system": True,
        "signing_alg": api.signing_alg,
        "token_lifetime": api.token_lifetime,
        "scopes": [{"value": scope} for scope in api.scopes],
    }
