"""User databases: /api/v2/connections."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..tenant.merging import stated
from ..tenant.model import connection_id
from ..tenant.tenant_schema import DatabaseSection
from ..web.request import idp_of
from .bodies import check, read_list, read_object
from .errors import Conflict, Inexistent, InvalidBody, NotSupported
from .paging import listed, shown_fields
from .state import Document, add, client_id_of, client_name, remove, replace

SECTION = "databases"
STRATEGY = "auth0"
READ_ONLY = frozenset({"id"})
FIXED = frozenset({"name", "strategy"})


async def list_connections(request: Request) -> Response:
    query, idp = request.query_params, idp_of(request)
    databases = list(_databases(idp).values())
    if "name" in query:
        databases = [each for each in databases if each.name == query["name"]]
    if "strategy" in query:
        databases = [each for each in databases if each.strategy in query.getlist("strategy")]
    return listed(request, "connections", [_shown(idp, each) for each in databases])


async def show_connection(request: Request) -> Response:
    return JSONResponse(shown_fields(request, _shown(idp_of(request), _found(request))))


async def create_connection(request: Request) -> Response:
    idp = idp_of(request)
    body = await read_object(request, DatabaseSection, read_only=READ_ONLY)
    if "strategy" not in body:
        raise InvalidBody("Missing required property: strategy")
    if body["strategy"] != STRATEGY:
        raise NotSupported(f"connections with the strategy {body['strategy']}, only {STRATEGY}")
    check(DatabaseSection, body)
    if body["name"] in _databases(idp):
        raise Conflict("A connection with the same name already exists")
    add(request, SECTION, _with_names(idp, body), log="Create a connection")
    return JSONResponse(_shown(idp, _databases(idp)[body["name"]]), status_code=201)


async def update_connection(request: Request) -> Response:
    """Change a database. `options` is replaced as a whole."""
    idp, known = idp_of(request), _found(request)
    body = await read_object(request, DatabaseSection, read_only=READ_ONLY | FIXED)
    changed = {**stated(known), **_with_names(idp, body)}
    check(DatabaseSection, changed)
    replace(request, SECTION, {"name": known.name}, changed, log="Update a connection")
    return JSONResponse(_shown(idp, _databases(idp)[known.name]))


async def delete_connection(request: Request) -> Response:
    """Delete a database and its users."""
    remove(request, SECTION, {"name": _found(request).name}, log="Delete a connection")
    return Response(status_code=204)


async def list_enabled_clients(request: Request) -> Response:
    idp = idp_of(request)
    enabled = [{"client_id": client_id_of(idp, name)} for name in _found(request).enabled_clients]
    query = dict(request.query_params)
    if "take" not in query and "from" not in query:
        return JSONResponse({"clients": enabled})
    return listed(request, "clients", enabled)


async def change_enabled_clients(request: Request) -> Response:
    """Enable or disable each client in the body. Other clients are not changed."""
    idp, known = idp_of(request), _found(request)
    enabled = list(known.enabled_clients)
    for entry in await read_list(request):
        if not isinstance(entry, dict) or set(entry) != {"client_id", "status"} or type(entry["status"]) is not bool:
            raise InvalidBody("Expected objects of client_id and status")
        name = client_name(idp, entry["client_id"])
        enabled = [each for each in enabled if each != name] + ([name] if entry["status"] else [])
    changed = {**stated(known), "enabled_clients": enabled}
    replace(request, SECTION, {"name": known.name}, changed, log="Update enabled clients of a connection")
    return Response(status_code=204)


def _with_names(idp: Idp, body: Document) -> Document:
    """The body with its enabled clients as names instead of ids."""
    if not isinstance(body.get("enabled_clients"), list):
        return body
    return {**body, "enabled_clients": [client_name(idp, each) for each in body["enabled_clients"]]}


def _databases(idp: Idp) -> dict[str, DatabaseSection]:
    return {database.name: database for database in idp.configuration.tenant_file.databases}


def _found(request: Request) -> DatabaseSection:
    for each in _databases(idp_of(request)).values():
        if connection_id(each.name) == request.path_params["id"]:
            return each
    raise Inexistent("connection")


def _shown(idp: Idp, database: DatabaseSection) -> Document:
    clients = [client_id_of(idp, name) for name in database.enabled_clients]
    shown = {"realms": [database.name], **database.model_dump(mode="json", exclude_none=True)}
    shown["options"] = stated(database.options)
    return {"id": connection_id(database.name), **shown, "enabled_clients": clients}
