"""The authorization code grant (RFC 6749 section 4.1.3) with PKCE (RFC 7636)."""

from __future__ import annotations

import hashlib
import hmac

from joserfc.util import urlsafe_b64encode

from ....errors import InvalidGrant
from ....state.idp import Idp
from ....state.store import AuthorizationRequest, UsedCode
from . import Granted, TokenRequest, authorize_for_user
from .refresh_token import issue_refresh_token

GRANT_TYPE = "authorization_code"
INVALID_CODE = "Invalid authorization code"
INVALID_VERIFIER = "Failed to verify code verifier"


def redeem(request: TokenRequest) -> Granted:
    """Exchange a code for tokens: once, within 60 seconds, by the client that requested it."""
    idp, sent = request.idp, request.required("code")
    code = idp.store.codes.take(sent, idp.clock.now())
    if code is None:
        _end_tokens(idp, sent)
        raise InvalidGrant(INVALID_CODE, why="The code is unknown, was used before, or is older than 60 seconds.")
    _check_binding(request, code.request)
    _check_verifier(request, code.request)
    auth_request = code.request
    authorization = authorize_for_user(
        request,
        InvalidGrant(INVALID_CODE, why="The user or the API was removed after the sign-in."),
        user_id=code.user_id,
        audience=auth_request.audience,
        scopes=auth_request.scopes,
        auth_time=code.auth_time,
        session_id=code.session_id,
        nonce=auth_request.nonce,
        organization_id=auth_request.organization,
        outcome=code.outcome,
    )
    refresh_token = issue_refresh_token(idp, authorization)
    _remember(idp, sent, refresh_token)
    return Granted(authorization, refresh_token, requested=auth_request.scopes)


def _remember(idp: Idp, code: str, refresh_token: str | None) -> None:
    record = idp.store.refresh_tokens.get(refresh_token, idp.clock.now())
    if record is not None:
        idp.store.used_codes.put(code, UsedCode(record.family, record.expires_at))


def _end_tokens(idp: Idp, code: str) -> None:
    """A code that is sent twice may be stolen (RFC 6749 section 4.1.2)."""
    used = idp.store.used_codes.get(code, idp.clock.now())
    if used is not None and idp.behaviours.code_reuse_ends_tokens:
        idp.store.refresh_families.drop(used.family)


def _check_binding(request: TokenRequest, auth_request: AuthorizationRequest) -> None:
    if auth_request.client_id != request.client.client_id:
        raise InvalidGrant(INVALID_CODE, why="The code was issued to another client.")
    if auth_request.issuer != request.issuer:
        raise InvalidGrant(INVALID_CODE, why=f"The code was issued under the issuer {auth_request.issuer}.")
    redirect_uri = request.parameters.get("redirect_uri")
    if redirect_uri is None and not auth_request.redirect_uri_sent:
        return
    if redirect_uri != auth_request.redirect_uri:
        raise InvalidGrant(INVALID_CODE, why="redirect_uri is not the one that was sent to /authorize.")


def _check_verifier(request: TokenRequest, auth_request: AuthorizationRequest) -> None:
    verifier = request.parameters.get("code_verifier")
    if auth_request.code_challenge is None:
        if verifier is not None or request.client.auth_method == "none":
            # Without PKCE nothing binds the code to a public client (OAuth 2.1). Auth0's text is a guess.
            raise InvalidGrant(INVALID_VERIFIER, why="The request to /authorize had no code_challenge.")
        return
    if verifier is None or not hmac.compare_digest(_challenge_of(verifier, auth_request), auth_request.code_challenge):
        raise InvalidGrant(INVALID_VERIFIER, why="code_verifier is missing or does not match code_challenge.")


def _challenge_of(verifier: str, auth_request: AuthorizationRequest) -> str:
    if auth_request.code_challenge_method == "plain":
        return verifier if verifier.isascii() else ""
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).decode()
