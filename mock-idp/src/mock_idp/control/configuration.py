"""The tenant's configuration at run time, with the names of tenant.yaml and offline.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..formats.masking import hidden
from ..oauth.clients.metadata_documents import import_by_administrator
from ..tenant.loading import Configuration
from ..tenant.merging import changed, documents, without
from ..tenant.presets import PRESETS, with_preset
from ..web.request import idp_of
from .bodies import Body, ControlError, read_body

# By path segment: the section in the files, and the member that identifies an entry.
COLLECTIONS = {
    "users": ("users", "email"),
    "clients": ("clients", "name"),
    "roles": ("roles", "name"),
    "databases": ("databases", "name"),
    "resource-servers": ("resourceServers", "identifier"),
}


class PatchBody(Body):
    """Parts of the two files. An entry of a list replaces members of the entry with the same key, or is added."""

    tenant: dict[str, Any] = Field(default_factory=dict)
    offline: dict[str, Any] = Field(default_factory=dict)


class EntryBody(Body):
    """An entry of a section. The section's model checks it."""

    model_config = Body.model_config | {"extra": "allow"}


class RemoveGrantBody(Body):
    client_id: str | None = None
    default_for: str | None = None
    audience: str
    subject_type: str = "client"


class ImportBody(Body):
    """The body of Auth0's POST /api/v2/clients/cimd/register."""

    external_client_id: str = Field(min_length=1)


async def show_configuration(request: Request) -> Response:
    """The two files. The values of the Actions' secrets are not shown: they may come from the environment."""
    tenant, offline = documents(idp_of(request).configuration)
    for action in tenant.get("actions", []):
        for secret in action.get("secrets", []):
            secret["value"] = hidden(secret.get("value", ""))
    return JSONResponse({"tenant": tenant, "offline": offline})


async def patch_configuration(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_body(request, PatchBody)
    _refuse_code(body.tenant)
    idp.configure(changed(idp.configuration, body.tenant, body.offline))
    idp.log.add("sapi", "Update tenant configuration")
    return await show_configuration(request)


async def put_entry(request: Request) -> Response:
    """Add or change one user, client, role, database or API. The path has its name, the body its other members."""
    idp = idp_of(request)
    section, member = COLLECTIONS[_collection(request)]
    body = await read_body(request, EntryBody)
    entry = {**body.model_dump(), member: request.path_params["name"]}
    idp.configure(_with_entry(idp.configuration, section, entry))
    idp.log.add("sapi", f"Update {section}: {entry[member]}")
    return Response(status_code=204)


async def delete_entry(request: Request) -> Response:
    """Remove an entry, and all references to it."""
    section, member = COLLECTIONS[_collection(request)]
    name = request.path_params["name"]
    _remove(request, section, {member: name}, f"There is no such entry in {section}.")
    idp_of(request).log.add("sapi", f"Delete {section}: {name}")
    return Response(status_code=204)


async def delete_client_grant(request: Request) -> Response:
    body = await read_body(request, RemoveGrantBody)
    _remove(request, "clientGrants", body.model_dump(), "There is no such client grant.")
    idp_of(request).log.add("sapi", "Delete client grant", audience=body.audience)
    return Response(status_code=204)


async def import_metadata_document(request: Request) -> Response:
    """Import a client from its metadata document. The answer is that of Auth0's Management API."""
    body = await read_body(request, ImportBody)
    imported = await import_by_administrator(idp_of(request), body.external_client_id)
    answer = {
        "client_id": imported.client.client_id,
        "mapped_fields": dict(imported.mapped),
        "validation": {"valid": True, "warnings": imported.warnings},
    }
    return JSONResponse(answer, status_code=201)


async def list_presets(request: Request) -> Response:
    return JSONResponse({"presets": [{"name": name, "description": p.description} for name, p in PRESETS.items()]})


async def apply_preset(request: Request) -> Response:
    """Add a misconfiguration to the current configuration. A reset removes it."""
    idp, name = idp_of(request), request.path_params["preset"]
    if name not in PRESETS:
        raise ControlError(f"There is no such preset; there are: {', '.join(PRESETS)}.", 404)
    idp.configure(with_preset(idp.configuration, name))
    idp.log.add("sapi", f"Apply preset {name}")
    return Response(status_code=204)


def _refuse_code(tenant: dict[str, Any]) -> None:
    """The control API runs no code of its caller."""
    if stated := sorted({"actions", "triggers"} & tenant.keys()):
        raise ControlError(f"{stated[0]}: only the tenant file has Actions; change it and start again.")


def _with_entry(configuration: Configuration, section: str, entry: dict[str, Any]) -> Configuration:
    if section == "users":
        return changed(configuration, {}, {"users": [entry]})
    issued = {name: entry.pop(name) for name in ("client_id", "client_secret", "public_key") if name in entry}
    if section != "clients" or not issued:
        return changed(configuration, {section: [{**entry, **issued}]}, {})
    return changed(configuration, {section: [entry]}, {"clients": {entry["name"]: issued}})


def _remove(request: Request, section: str, entry: dict[str, Any], missing: str) -> None:
    idp = idp_of(request)
    rest = without(idp.configuration, section, entry)
    if rest is None:
        raise ControlError(missing, 404)
    idp.configure(rest)


def _collection(request: Request) -> str:
    """The path segment after the prefix: `users` in /__mock__/users/..."""
    return str(request.url.path).split("/")[2]
