"""The organizations themselves, in tenant.yaml; their ids and members are in offline.yaml."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...state.idp import Idp
from ...tenant.merging import documents, stated
from ...tenant.model import Organization, connection_id
from ...tenant.tenant_schema import OrganizationSection
from ...web.request import idp_of
from ..bodies import check, read_object
from ..errors import Conflict, Inexistent
from ..paging import listed, shown_fields
from ..state import Document, configure
from ..users import find_user

SECTION = "organizations"
# What has endpoints of its own, and what the tenant issues.
READ_ONLY = frozenset({"id", "connections", "client_grants", "clients", "discovery_domains"})


async def list_organizations(request: Request) -> Response:
    idp = idp_of(request)
    return listed(request, "organizations", [described(idp, each) for each in idp.tenant.organizations.values()])


async def show_organization(request: Request) -> Response:
    return JSONResponse(shown_fields(request, described(idp_of(request), find_organization(request))))


async def show_organization_by_name(request: Request) -> Response:
    idp = idp_of(request)
    for each in idp.tenant.organizations.values():
        if each.name == request.path_params["name"]:
            return JSONResponse(shown_fields(request, described(idp, each)))
    raise Inexistent("organization")


async def create_organization(request: Request) -> Response:
    """Create an organization. The body may name the connections that it gets (`enabled_connections`)."""
    idp = idp_of(request)
    more = frozenset({"enabled_connections"})
    body = await read_object(request, OrganizationSection, read_only=READ_ONLY, more=more)
    sent = body.pop("enabled_connections", [])
    connections = [_enabled(idp, each) for each in sent] if isinstance(sent, list) else sent
    section = {**body, "connections": connections}
    check(OrganizationSection, section)
    _check_name_is_free(idp, section["name"])
    org_id = f"org_{secrets.token_hex(8)}"
    change(idp, None, section, {"id": org_id, "members": {}})
    idp.log.add("sapi", "Create an Organization")
    answer = described(idp, idp.tenant.organizations[org_id])
    return JSONResponse({**answer, **({"enabled_connections": sent} if sent else {})}, status_code=201)


async def update_organization(request: Request) -> Response:
    """Change the members that the body has. A new name keeps the id and the members."""
    idp, known = idp_of(request), find_organization(request)
    body = await read_object(request, OrganizationSection, read_only=READ_ONLY)
    section = {**stated(section_of(idp, known)), **body}
    check(OrganizationSection, section)
    if section["name"] != known.name:
        _check_name_is_free(idp, section["name"])
    change(idp, known, section)
    idp.log.add("sapi", "Update an Organization")
    return JSONResponse(described(idp, idp.tenant.organizations[known.org_id]))


async def delete_organization(request: Request) -> Response:
    idp, known = idp_of(request), find_organization(request)
    tenant, offline = documents(idp.configuration)
    tenant[SECTION] = [each for each in tenant.get(SECTION, []) if each["name"] != known.name]
    offline.get(SECTION, {}).pop(known.name, None)
    configure(idp, tenant, offline)
    idp.log.add("sapi", "Delete an Organization")
    return Response(status_code=204)


async def list_organizations_of_user(request: Request) -> Response:
    idp = idp_of(request)
    user = find_user(idp, request.path_params["id"])
    return listed(request, "organizations", [described(idp, each) for each in idp.tenant.organizations_of(user)])


def find_organization(request: Request) -> Organization:
    """The organization with the id of the path. Raises Inexistent."""
    found = idp_of(request).tenant.organizations.get(request.path_params["id"])
    if found is None:
        raise Inexistent("organization")
    return found


def section_of(idp: Idp, organization: Organization) -> OrganizationSection:
    return next(each for each in idp.configuration.tenant_file.organizations if each.name == organization.name)


def change(idp: Idp, known: Organization | None, section: Document, issued: Document | None = None) -> None:
    """Add an organization to the two files, or replace `known`. `issued` replaces its part of offline.yaml."""
    tenant, offline = documents(idp.configuration)
    entries = tenant.setdefault(SECTION, [])
    if known is None:
        entries.append(section)
    else:
        tenant[SECTION] = [section if each["name"] == known.name else each for each in entries]
    kept = offline.setdefault(SECTION, {})
    before = kept.pop(known.name, {}) if known is not None else {}
    # The id must be stated: without it, another name would mean another id.
    own_id = {"id": known.org_id} if known is not None else {}
    kept[section["name"]] = {**before, **own_id, **(issued or {})}
    configure(idp, tenant, offline)


def described(idp: Idp, organization: Organization) -> Document:
    """An organization in Auth0's form."""
    section = section_of(idp, organization).model_dump(mode="json", exclude_none=True)
    shown = {name: value for name, value in section.items() if name not in READ_ONLY}
    return {"id": organization.org_id, **shown, "display_name": organization.display_name}


def _enabled(idp: Idp, entry: Any) -> Any:  # noqa: ANN401 - a JSON value
    """An entry of `enabled_connections` in the form of tenant.yaml. Its check finds what is no object."""
    if not isinstance(entry, dict):
        return entry
    return {"name": connection_name(idp, entry.get("connection_id")), **_without_id(entry)}


def connection_name(idp: Idp, connection: object) -> str:
    """The name of the database with this id. Raises Inexistent."""
    for name in idp.tenant.connections:
        if connection_id(name) == connection:
            return name
    raise Inexistent("connection")


def _without_id(entry: Document) -> Document:
    return {name: value for name, value in entry.items() if name != "connection_id"}


def _check_name_is_free(idp: Idp, name: str) -> None:
    if any(each.name == name for each in idp.tenant.organizations.values()):
        raise Conflict("An organization with this name already exists.")
