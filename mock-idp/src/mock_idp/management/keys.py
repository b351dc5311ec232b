"""Signing keys: /api/v2/keys/signing."""

from __future__ import annotations

import hashlib
import ssl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..state.signing_keys import SigningKey
from ..web.request import idp_of, issuer_of
from .access import needs
from .errors import Inexistent, ManagementError
from .state import Document


@needs("read:signing_keys")
async def list_keys(request: Request) -> Response:
    """A plain array, whatever the query says."""
    idp = idp_of(request)
    return JSONResponse([_shown(idp, key) for key in idp.keys.all()])


@needs("read:signing_keys")
async def show_key(request: Request) -> Response:
    return JSONResponse(_shown(idp_of(request), _found(request)))


@needs("create:signing_keys")
async def rotate(request: Request) -> Response:
    """Next becomes current, current becomes previous. The answer is the key that signs from now on."""
    idp = idp_of(request)
    idp.keys.rotate(issuer_of(request), idp.clock.now())
    idp.log.add("sapi", "Rotate the Application Signing Key")
    return JSONResponse(_brief(idp.keys.current), status_code=201)


@needs("update:signing_keys")
async def revoke(request: Request) -> Response:
    """Only a previous key can be revoked."""
    idp, key = idp_of(request), _found(request)
    if not idp.keys.revoke(key.kid):
        raise KeyInUse("Only a previous key can be revoked; rotate first.")
    idp.log.add("sapi", "Revoke an Application Signing Key by its key id")
    return JSONResponse(_brief(key), status_code=201)


class KeyInUse(ManagementError):
    error = "invalid_key_state"
    guess = "management_key_in_use"


def _found(request: Request) -> SigningKey:
    for key in idp_of(request).keys.all():
        if key.kid == request.path_params["kid"]:
            return key
    raise Inexistent("signing key")


def _brief(key: SigningKey) -> Document:
    return {"cert": ssl.DER_cert_to_PEM_cert(key.certificate), "kid": key.kid}


def _shown(idp: Idp, key: SigningKey) -> Document:
    state = "current" if key is idp.keys.current else "next" if key is idp.keys.next else "previous"
    thumbprint = hashlib.sha1(key.certificate, usedforsecurity=False).hexdigest().upper()
    fingerprint = ":".join(thumbprint[place : place + 2] for place in range(0, len(thumbprint), 2))
    return {**_brief(key), state: True, "fingerprint": fingerprint, "thumbprint": thumbprint, "revoked": False}
