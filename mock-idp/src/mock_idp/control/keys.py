from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..web.request import idp_of, issuer_of
from .bodies import Body, ControlError, read_body


class RotateBody(Body):
    """`publish: false` keeps the new signing key out of the JWKS. This simulates an outdated cache."""

    publish: bool = True


class WithholdBody(Body):
    withheld: bool = True


async def list_keys(request: Request) -> Response:
    keys = idp_of(request).keys
    states = [(keys.current, "current"), (keys.next, "next"), *((key, "previous") for key in keys.previous)]
    listed = [{"kid": key.kid, "state": state, "published": key.kid not in keys.withheld} for key, state in states]
    return JSONResponse({"keys": listed})


async def rotate_keys(request: Request) -> Response:
    """The same as Auth0's POST /api/v2/keys/signing/rotate: next becomes current, current becomes previous."""
    idp = idp_of(request)
    body = await read_body(request, RotateBody)
    idp.keys.rotate(issuer_of(request), idp.clock.now())
    if not body.publish:
        idp.keys.withheld.add(idp.keys.current.kid)
    idp.log.add("sapi", "Rotate the Application Signing Key")
    return await list_keys(request)


async def withhold_key(request: Request) -> Response:
    """Remove a key from the JWKS, or publish it again. A withheld key continues to sign."""
    idp, kid = idp_of(request), request.path_params["kid"]
    body = await read_body(request, WithholdBody)
    if kid not in {key.kid for key in idp.keys.all()}:
        raise ControlError("There is no such key.", 404)
    (idp.keys.withheld.add if body.withheld else idp.keys.withheld.discard)(kid)
    return await list_keys(request)


async def revoke_key(request: Request) -> Response:
    """The same as Auth0's PUT /api/v2/keys/signing/{kid}/revoke. Only a previous key can be revoked."""
    idp, kid = idp_of(request), request.path_params["kid"]
    if kid in (idp.keys.current.kid, idp.keys.next.kid):
        raise ControlError("Only a previous key can be revoked; rotate first.")
    if not idp.keys.revoke(kid):
        raise ControlError("There is no such key.", 404)
    idp.log.add("sapi", "Revoke an Application Signing Key by its key id")
    return await list_keys(request)
