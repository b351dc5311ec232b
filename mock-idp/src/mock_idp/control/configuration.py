"""The tenant's configuration at run time, in the words of tenant.yaml and offline.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..tenant.loading import ConfigurationError
from ..tenant.merging import changed, documents, without
from ..tenant.presets import PRESETS, with_preset
from ..web.request import idp_of
from .bodies import BadBody, Body, bad_request, not_found, read_body

# By path segment: the section of the files and the member that names an entry.
COLLECTIONS = {
    "users": ("users", "email"),
    "clients": ("clients", "name"),
    "roles": ("roles", "name"),
    "databases": ("databases", "name"),
    "resource-servers": ("resourceServers", "identifier"),
}


class PatchBody(Body):
    """Pieces of the two files. Entries of a list are found by their key and changed, or added."""

    tenant: dict[str, Any] = Field(default_factory=dict)
    offline: dict[str, Any] = Field(default_factory=dict)


class RemoveGrantBody(Body):
    client_id: str | None = None
    default_for: str | None = None
    audience: str
    subject_type: str = "client"


async def show_configuration(request: Request) -> Response:
    tenant, offline = documents(idp_of(request).configuration)
    return JSONResponse({"tenant": tenant, "offline": offline})


async def patch_configuration(request: Request) -> Response:
    idp = idp_of(request)
    try:
        body = await read_body(request, PatchBody)
        idp.configure(changed(idp.configuration, body.tenant, body.offline))
    except BadBody as error:
        return bad_request(error)
    except ConfigurationError as error:
        return _refused(error)
    idp.log.add("sapi", "Update tenant configuration")
    return await show_configuration(request)


async def put_entry(request: Request) -> Response:
    """Add or change one user, client, role, database or API; the path names it, the body has its other members."""
    idp = idp_of(request)
    section, member = COLLECTIONS[_collection(request)]
    try:
        entry = {**await _any_object(request), member: request.path_params["name"]}
        idp.configure(_with_entry(request, section, entry))
    except BadBody as error:
        return bad_request(error)
    except ConfigurationError as error:
        return _refused(error)
    idp.log.add("sapi", f"Update {section}: {entry[member]}")
    return Response(status_code=204)


async def delete_entry(request: Request) -> Response:
    """Remove an entry and what refers to it."""
    idp = idp_of(request)
    section, member = COLLECTIONS[_collection(request)]
    name = request.path_params["name"]
    rest = without(idp.configuration, section, {member: name})
    if rest is None:
        return not_found(f"There is no such entry in {section}.")
    idp.configure(rest)
    idp.log.add("sapi", f"Delete {section}: {name}")
    return Response(status_code=204)


async def delete_client_grant(request: Request) -> Response:
    idp = idp_of(request)
    try:
        body = await read_body(request, RemoveGrantBody)
    except BadBody as error:
        return bad_request(error)
    rest = without(idp.configuration, "clientGrants", body.model_dump())
    if rest is None:
        return not_found("There is no such client grant.")
    idp.configure(rest)
    idp.log.add("sapi", "Delete client grant", audience=body.audience)
    return Response(status_code=204)


async def list_presets(request: Request) -> Response:
    return JSONResponse({"presets": [{"name": name, "description": p.description} for name, p in PRESETS.items()]})


async def apply_preset(request: Request) -> Response:
    """Misconfigure the tenant as it now is; a reset takes it back."""
    idp, name = idp_of(request), request.path_params["preset"]
    if name not in PRESETS:
        return not_found(f"There is no such preset; there are: {', '.join(PRESETS)}.")
    idp.configure(with_preset(idp.configuration, name))
    idp.log.add("sapi", f"Apply preset {name}")
    return Response(status_code=204)


def _with_entry(request: Request, section: str, entry: dict[str, Any]) -> Any:  # noqa: ANN401 - a Configuration
    configuration = idp_of(request).configuration
    if section == "users":
        return changed(configuration, {}, {"users": [entry]})
    issued = {name: entry.pop(name) for name in ("client_id", "client_secret", "public_key") if name in entry}
    if section != "clients" or not issued:
        return changed(configuration, {section: [{**entry, **issued}]}, {})
    return changed(configuration, {section: [entry]}, {"clients": {entry["name"]: issued}})


async def _any_object(request: Request) -> dict[str, Any]:
    class Anything(Body):
        model_config = Body.model_config | {"extra": "allow"}

    return (await read_body(request, Anything)).model_dump()


def _refused(error: ConfigurationError) -> Response:
    return bad_request(BadBody(" ".join(f"{line}." for line in error.lines)))


def _collection(request: Request) -> str:
    """The path segment behind the prefix: /__mock__/users/... is of the collection `users`."""
    return str(request.url.path).split("/")[2]
