"""The tenant's settings, log and signing keys: /api/v2/tenants/settings, /api/v2/logs, /api/v2/keys/signing."""

from __future__ import annotations

import hashlib
import ssl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..state.signing_keys import SigningKey
from ..tenant.merging import changed, documents, merged
from ..tenant.tenant_schema import TenantSection
from ..web.request import idp_of, issuer_of
from .bodies import check, read_object
from .errors import Inexistent, InvalidQuery, KeyInUse
from .paging import listed, shown_fields
from .state import Document, shown_event

READ_ONLY = frozenset({"sandbox_versions_available"})


async def show_settings(request: Request) -> Response:
    return JSONResponse(shown_fields(request, _settings(idp_of(request))))


async def change_settings(request: Request) -> Response:
    """Change the members that the body has. This also holds for the members of `flags`."""
    idp = idp_of(request)
    body = await read_object(request, TenantSection, read_only=READ_ONLY)
    check(TenantSection, merged(documents(idp.configuration)[0].get("tenant", {}), body))
    idp.configure(changed(idp.configuration, {"tenant": body}, {}))
    idp.log.add("sapi", "Update tenant settings")
    return JSONResponse(_settings(idp))


async def list_logs(request: Request) -> Response:
    """The log, newest first. A search (`q`) is refused, because its language is not here."""
    if request.query_params.get("q", "").strip():
        raise InvalidQuery("The offline tenant lists the whole log, without a search", "q")
    return listed(request, "logs", [shown_event(event) for event in reversed(idp_of(request).log.events)])


async def show_log(request: Request) -> Response:
    events = [event for event in idp_of(request).log.events if event.log_id == request.path_params["id"]]
    if not events:
        raise Inexistent("log")
    return JSONResponse(shown_fields(request, shown_event(events[0])))


async def list_keys(request: Request) -> Response:
    """All keys as a plain array. The query is ignored."""
    idp = idp_of(request)
    return JSONResponse([_shown(idp, key) for key in idp.keys.all()])


async def show_key(request: Request) -> Response:
    return JSONResponse(_shown(idp_of(request), _found(request)))


async def rotate(request: Request) -> Response:
    """Next becomes current, current becomes previous. The answer has the new current key."""
    idp = idp_of(request)
    idp.keys.rotate(issuer_of(request), idp.clock.now())
    idp.log.add("sapi", "Rotate the Application Signing Key")
    return JSONResponse(_brief(idp.keys.current), status_code=201)


async def revoke(request: Request) -> Response:
    """Only a previous key can be revoked."""
    idp, key = idp_of(request), _found(request)
    if not idp.keys.revoke(key.kid):
        raise KeyInUse("Only a previous key can be revoked; rotate first.")
    idp.log.add("sapi", "Revoke an Application Signing Key by its key id")
    return JSONResponse(_brief(key), status_code=201)


def _settings(idp: Idp) -> Document:
    settings = idp.configuration.tenant_file.tenant.model_dump(mode="json", exclude_none=True)
    return {"enabled_locales": ["en"], **settings}


def _found(request: Request) -> SigningKey:
    for key in idp_of(request).keys.all():
        if key.kid == request.path_params["kid"]:
            return key
    raise Inexistent("signing key")


def _brief(key: SigningKey) -> Document:
    return {"cert": ssl.DER_cert_to_PEM_cert(key.certificate), "kid": key.kid}


def _shown(idp: Idp, key: SigningKey) -> Document:
    state = "current" if key is idp.keys.current else "next" if key is idp.keys.next else "previous"
    thumbprint = hashlib.sha1(key.certificate, usedforsecurity=False)
    fingerprint = thumbprint.digest().hex(":").upper()
    described = {"fingerprint": fingerprint, "thumbprint": thumbprint.hexdigest().upper(), "revoked": False}
    return {**_brief(key), state: True, **described}
