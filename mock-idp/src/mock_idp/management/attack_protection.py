"""Brute-force protection: /api/v2/attack-protection/brute-force-protection and /api/v2/user-blocks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..state.logins import blocks_of, unblock
from ..tenant.merging import changed, documents, merged
from ..tenant.tenant_schema import BruteForceSection
from ..web.request import idp_of
from .bodies import check, read_object
from .errors import InvalidQuery
from .paging import TRUE
from .state import Document
from .users import find_user

SECTION, KEY = "attackProtection", "bruteForceProtection"


async def show_brute_force(request: Request) -> Response:
    return JSONResponse(_settings(idp_of(request)))


async def change_brute_force(request: Request) -> Response:
    """Change the members that the body has."""
    idp = idp_of(request)
    body = await read_object(request, BruteForceSection, read_only=frozenset())
    known = documents(idp.configuration)[0].get(SECTION, {}).get(KEY, {})
    check(BruteForceSection, merged(known, body))
    idp.configure(changed(idp.configuration, {SECTION: {KEY: body}}, {}))
    idp.log.add("sapi", "Update Brute-force settings")
    return JSONResponse(_settings(idp))


async def list_blocks(request: Request) -> Response:
    """The blocks of an e-mail address."""
    return _listed(request, _identifier(request))


async def list_blocks_of_user(request: Request) -> Response:
    return _listed(request, find_user(idp_of(request), request.path_params["id"]).email)


async def remove_blocks(request: Request) -> Response:
    return _unblocked(request, _identifier(request))


async def remove_blocks_of_user(request: Request) -> Response:
    return _unblocked(request, find_user(idp_of(request), request.path_params["id"]).email)


def _identifier(request: Request) -> str:
    identifier = request.query_params.get("identifier", "")
    if not identifier:
        raise InvalidQuery("Missing required property: identifier", "identifier")
    return identifier


def _listed(request: Request, identifier: str) -> Response:
    idp = idp_of(request)
    found = blocks_of(idp, identifier)
    if request.query_params.get("consider_brute_force_enablement") in TRUE:
        protection = idp.tenant.brute_force
        found = [each for each in found if protection.blocks and protection.covers(each.ip)]
    connection = next(iter(idp.tenant.connections), "")
    shown = [
        {"identifier": each.identifier, **({"ip": each.ip} if each.ip else {}), "connection": connection}
        for each in found
    ]
    return JSONResponse({"blocked_for": shown})


def _unblocked(request: Request, identifier: str) -> Response:
    idp = idp_of(request)
    unblock(idp, identifier)
    idp.log.add("sapi", "Unblock a user")
    return Response(status_code=204)


def _settings(idp: Idp) -> Document:
    return idp.configuration.tenant_file.attackProtection.bruteForceProtection.model_dump(mode="json")
