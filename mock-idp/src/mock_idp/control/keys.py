from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..state.idp import Idp
from ..state.signing_keys import SigningKey
from ..web.request import idp_of, issuer_of
from .bodies import BadBody, Body, bad_request, not_found, read_body


class RotateBody(Body):
    """`publish: false` leaves the new signing key out of the JWKS, as if a cache in between were stale."""

    publish: bool = True


class WithholdBody(Body):
    withheld: bool = True


async def list_keys(request: Request) -> Response:
    return _answer(idp_of(request))


async def rotate_keys(request: Request) -> Response:
    """What Auth0's POST /api/v2/keys/signing/rotate does: next becomes current, current becomes previous."""
    idp = idp_of(request)
    try:
        body = await read_body(request, RotateBody)
    except BadBody as error:
        return bad_request(error)
    idp.keys.rotate(issuer_of(request), idp.clock.now())
    if not body.publish:
        idp.keys.withheld.add(idp.keys.current.kid)
    idp.log.add("sapi", "Rotate the Application Signing Key")
    return _answer(idp)


async def withhold_key(request: Request) -> Response:
    """Leave a key out of the JWKS, or put it back; it goes on to sign."""
    idp, kid = idp_of(request), request.path_params["kid"]
    try:
        body = await read_body(request, WithholdBody)
    except BadBody as error:
        return bad_request(error)
    if kid not in {key.kid for key in idp.keys.all()}:
        return not_found("There is no such key.")
    (idp.keys.withheld.add if body.withheld else idp.keys.withheld.discard)(kid)
    return _answer(idp)


async def revoke_key(request: Request) -> Response:
    """What Auth0's PUT /api/v2/keys/signing/{kid}/revoke does; only a previous key can be revoked."""
    idp, kid = idp_of(request), request.path_params["kid"]
    if kid in (idp.keys.current.kid, idp.keys.next.kid):
        return bad_request(BadBody("Only a previous key can be revoked; rotate first."))
    if not idp.keys.revoke(kid):
        return not_found("There is no such key.")
    idp.log.add("sapi", "Revoke an Application Signing Key by its key id")
    return _answer(idp)


def _answer(idp: Idp) -> Response:
    states = [(idp.keys.current, "current"), (idp.keys.next, "next"), *((key, "previous") for key in idp.keys.previous)]
    return JSONResponse({"keys": [_described(idp, key, state) for key, state in states]})


def _described(idp: Idp, key: SigningKey, state: str) -> dict[str, object]:
    return {"kid": key.kid, "state": state, "published": key.kid not in idp.keys.withheld}
