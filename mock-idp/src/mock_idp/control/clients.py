from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import OAuthError
from ..oauth.clients.metadata_documents import import_by_hand
from ..web.request import idp_of
from .bodies import BadBody, Body, bad_request, read_body


class ImportBody(Body):
    """The body of Auth0's POST /api/v2/clients/cimd/register."""

    external_client_id: str = Field(min_length=1)


async def import_metadata_document(request: Request) -> Response:
    """Import a client by its metadata document; answers as Auth0's Management API does."""
    try:
        body = await read_body(request, ImportBody)
        imported = await import_by_hand(idp_of(request), body.external_client_id)
    except BadBody as error:
        return bad_request(error)
    except OAuthError as error:
        return bad_request(BadBody(f"{error.description}."))
    answer = {
        "client_id": imported.client.client_id,
        "mapped_fields": dict(imported.mapped),
        "validation": {"valid": True, "warnings": imported.warnings},
    }
    return JSONResponse(answer, status_code=201)
