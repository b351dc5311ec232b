"""Applications: /api/v2/clients."""

from __future__ import annotations

import secrets
import string
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import OAuthError
from ..oauth.clients.metadata_documents import import_by_administrator
from ..state.idp import Idp
from ..tenant.merging import documents, merged, renamed, stated
from ..tenant.model import Client
from ..tenant.tenant_schema import ClientSection
from ..web.request import idp_of
from .access import has_scope
from .bodies import check, read_members, read_object
from .errors import Conflict, Inexistent, InvalidBody, NotSupported
from .paging import TRUE, listed, shown_fields
from .state import Document, configure, remove

SECTION = "clients"
ALPHANUMERIC = string.ascii_letters + string.digits
READ_ONLY = frozenset(
    {
        *("client_id", "created_at", "external_client_id", "external_metadata_created_by", "external_metadata_status"),
        *("external_metadata_type", "global", "jwks_uri", "signing_keys", "tenant", "updated_at"),
    }
)
# Every tenant has a client that stands for all. The Deploy CLI looks for a login page there, and ends without it.
GLOBAL: Document = {
    "name": "All Applications",
    "client_id": "OfflineTenantAllApplications0000",
    "global": True,
    "app_type": "regular_web",
    "is_first_party": True,
}
# Members that a POST cannot have, and members that a PATCH cannot have.
ISSUED = frozenset({"client_secret"})
FIXED = frozenset({"resource_server_identifier"})


async def list_clients(request: Request) -> Response:
    query = request.query_params
    clients = [_shown(request, client) for client in idp_of(request).tenant.clients.values()]
    if query.get("is_global") in TRUE:
        clients = [GLOBAL]
    if "is_first_party" in query:
        clients = [each for each in clients if each["is_first_party"] == (query["is_first_party"] in TRUE)]
    if "app_type" in query:
        clients = [each for each in clients if each["app_type"] in query["app_type"].split(",")]
    if "external_client_id" in query:
        clients = [each for each in clients if each.get("external_client_id") == query["external_client_id"]]
    return listed(request, "clients", clients)


async def show_client(request: Request) -> Response:
    return JSONResponse(shown_fields(request, _shown(request, _found(request))))


async def create_client(request: Request) -> Response:
    """Create an application. The answer has its id and its secret."""
    idp = idp_of(request)
    body = await read_object(request, ClientSection, read_only=READ_ONLY | ISSUED)
    check(ClientSection, body)
    _check_name_is_free(idp, body["name"])
    strict = ClientSection.model_validate(body).is_strict
    issued = {"client_id": ("tpc_" if strict else "") + _random(32), "client_secret": _random(64)}
    _configure(idp, None, body, issued)
    idp.log.add("sapi", "Create a client", client=idp.tenant.clients[issued["client_id"]])
    return JSONResponse(_shown(request, idp.tenant.clients[issued["client_id"]], keys=True), status_code=201)


async def update_client(request: Request) -> Response:
    idp, client = idp_of(request), _file_client(request)
    body = await read_object(request, ClientSection, read_only=READ_ONLY | FIXED)
    known = _section(idp, client)
    secret = body.pop("client_secret", client.secret)
    if not isinstance(secret, str) or not secret:
        raise InvalidBody("Expected type string", "client_secret")
    changed = merged(stated(known), body)
    check(ClientSection, changed)
    if changed["name"] != client.name:
        _check_name_is_free(idp, changed["name"])
    _configure(idp, client.name, changed, {"client_id": client.client_id, "client_secret": secret})
    idp.log.add("sapi", "Update a client", client=idp.tenant.clients[client.client_id])
    return JSONResponse(_shown(request, idp.tenant.clients[client.client_id]))


async def rotate_secret(request: Request) -> Response:
    idp, client = idp_of(request), _file_client(request)
    known = stated(_section(idp, client))
    _configure(idp, client.name, known, {"client_id": client.client_id, "client_secret": _random(64)})
    idp.log.add("sapi", "Rotate a client secret", client=client)
    return JSONResponse(_shown(request, idp.tenant.clients[client.client_id], keys=True))


async def delete_client(request: Request) -> Response:
    """Delete an application and its client grants."""
    idp, client = idp_of(request), _found(request)
    if client.registration in ("dcr", "cimd"):
        del idp.tenant.clients[client.client_id]
        idp.log.add("sapi", "Delete a client", client=client)
    else:
        remove(request, SECTION, {"name": _file_client(request).name}, log="Delete a client")
    return Response(status_code=204)


async def register_metadata_document(request: Request) -> Response:
    """Import a client from its metadata document."""
    body = await read_members(request, {"external_client_id": str}, required=("external_client_id",))
    try:
        imported = await import_by_administrator(idp_of(request), body["external_client_id"])
    except OAuthError as error:
        raise InvalidBody(error.description, "external_client_id") from error
    answer = {
        "client_id": imported.client.client_id,
        "mapped_fields": dict(imported.mapped),
        "validation": {"valid": True, "warnings": imported.warnings},
    }
    return JSONResponse(answer, status_code=201)


def _found(request: Request) -> Client:
    client = idp_of(request).tenant.clients.get(request.path_params["id"])
    if client is None:
        raise Inexistent("client")
    return client


def _file_client(request: Request) -> Client:
    """The client, if the tenant file has it. Raises NotSupported for other clients."""
    client = _found(request)
    if client.registration == "management":
        raise NotSupported("changes of the management clients of offline.yaml")
    if client.registration != "file":
        raise NotSupported("changes of clients that registered themselves")
    return client


def _section(idp: Idp, client: Client) -> ClientSection:
    return next(section for section in idp.configuration.tenant_file.clients if section.name == client.name)


def _check_name_is_free(idp: Idp, name: str) -> None:
    """In Auth0 two clients can have one name. In the tenant file names are unique."""
    if any(section.name == name for section in idp.configuration.tenant_file.clients):
        raise Conflict(f"The offline tenant has a client with the name {name} already.")


def _configure(idp: Idp, known: str | None, section: Document, issued: dict[str, str]) -> None:
    """Add a client to the two files, or replace the client with the name `known`. References get the new name."""
    tenant, offline = documents(idp.configuration)
    name, clients = section["name"], tenant.setdefault("clients", [])
    if known is None:
        clients.append(section)
    else:
        tenant["clients"] = [section if each["name"] == known else each for each in clients]
        renamed(SECTION, known, name, tenant, offline)
        for grant in tenant.get("clientGrants", []):
            if grant.get("client_id") == known:
                grant["client_id"] = name
        for database in tenant.get("databases", []):
            database["enabled_clients"] = [name if c == known else c for c in database.get("enabled_clients", [])]
    entries = offline.setdefault("clients", {})
    entries[name] = {**entries.pop(known or name, {}), **issued}
    configure(idp, tenant, offline)


def _shown(request: Request, client: Client, *, keys: bool = False) -> Document:
    """A client in Auth0's form. The secret is shown with `keys`, or if the caller has read:client_keys."""
    idp = idp_of(request)
    shown: dict[str, Any] = {"tenant": "offline", "global": False, "oidc_conformant": True}
    if client.registration == "file":
        shown |= _section(idp, client).model_dump(mode="json", exclude_none=True)
    shown |= {
        "name": client.name,
        "client_id": client.client_id,
        "app_type": client.app_type,
        "is_first_party": client.first_party,
        "callbacks": list(client.callbacks),
        "grant_types": shown.get("grant_types") or sorted(client.grant_types),
    }
    shown["refresh_token"] = _refresh_token(client)
    if client.auth_method != "private_key_jwt":
        shown["token_endpoint_auth_method"] = client.auth_method
        shown.pop("client_authentication_methods", None)
    if client.first_party:
        shown.pop("third_party_security_mode", None)
    else:
        shown["third_party_security_mode"] = "strict" if client.strict else "permissive"
        shown["redirection_policy"] = client.redirection_policy
    if client.registration == "cimd":
        shown["external_client_id"] = client.client_id
    if keys or has_scope(request, "read:client_keys"):
        shown["client_secret"] = client.secret
    return shown


def _refresh_token(client: Client) -> Document:
    policy = client.refresh
    expires = policy.lifetime is not None or policy.idle is not None
    shown = {
        "rotation_type": "rotating" if policy.rotates else "non-rotating",
        "expiration_type": "expiring" if expires else "non-expiring",
        "leeway": policy.leeway,
        "infinite_token_lifetime": policy.lifetime is None,
        "infinite_idle_token_lifetime": policy.idle is None,
    }
    limits = {"token_lifetime": policy.lifetime, "idle_token_lifetime": policy.idle}
    policies = [{"audience": api, "scope": sorted(scopes)} for api, scopes in client.refresh_apis.items()]
    more = {**limits, "policies": policies or None}
    return {**shown, **{name: value for name, value in more.items() if value is not None}}


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))
