"""The Actions of a token request: credentials-exchange for machines, post-login for users.

The Actions of a code or a device ran at the sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request

from ...actions.events import SignInFacts
from ...actions.outcome import Denial, Outcome
from ...errors import AccessDenied, OAuthError
from ...web.request import idp_of
from ..triggers import run_credentials_exchange, run_post_login
from .grants import Granted, client_credentials, password, refresh_token, token_exchange

PROTOCOLS = {
    refresh_token.GRANT_TYPE: "oauth2-refresh-token",
    token_exchange.GRANT_TYPE: "oauth2-token-exchange",
    password.PASSWORD: "oauth2-password",
    password.PASSWORD_REALM: "oauth2-password",
}
# The codes that an Action may choose (Auth0: credentials-exchange, API Object).
EXCHANGE_CODES = ("invalid_scope", "invalid_request", "server_error")


class ExchangeDenied(OAuthError):
    guess = "action_denied_exchange"

    def __init__(self, denied: Denial) -> None:
        super().__init__(denied.reason, why=f"Action {denied.action!r} denied access.")
        self.error = denied.code if denied.code in EXCHANGE_CODES else "server_error"
        self.status = 500 if self.error == "server_error" else 400


async def after_actions(request: Request, grant_type: str, granted: Granted, parameters: Mapping[str, str]) -> Granted:
    """The grant with the changes of the Actions. OAuthError if one denies access or throws an error."""
    if grant_type == client_credentials.GRANT_TYPE:
        outcome = await _for_machine(request, granted, parameters)
    elif grant_type in PROTOCOLS:
        outcome = await _for_user(request, PROTOCOLS[grant_type], granted, parameters)
    else:
        return granted
    if outcome.denied is not None and grant_type == client_credentials.GRANT_TYPE:
        raise ExchangeDenied(outcome.denied)
    if outcome.denied is not None:
        why = f"Action {outcome.denied.action!r} denied access."
        raise AccessDenied(outcome.denied.reason, guess="action_denied", why=why)
    if outcome.failed is not None:
        raise AccessDenied(outcome.failed.message, guess="action_failed", why=str(outcome.failed))
    authorization = granted.authorization.after(outcome)
    # An Action that removes offline_access prevents the refresh token of a sign-in with a password.
    keeps = grant_type not in password.GRANT_TYPES or "offline_access" in authorization.scopes
    return replace(granted, authorization=authorization, refresh_token=granted.refresh_token if keeps else None)


async def _for_machine(request: Request, granted: Granted, parameters: Mapping[str, str]) -> Outcome:
    authorization = granted.authorization
    assert authorization.api is not None
    return await run_credentials_exchange(
        request,
        authorization.client,
        authorization.api,
        authorization.organization,
        scopes=authorization.scopes,
        requested=granted.requested,
        body=parameters,
    )


async def _for_user(request: Request, protocol: str, granted: Granted, parameters: Mapping[str, str]) -> Outcome:
    idp, authorization = idp_of(request), granted.authorization
    assert authorization.user is not None
    now, user_id = idp.clock.now(), authorization.user.user_id
    if protocol == "oauth2-password":
        idp.store.logins[user_id] += 1
    sign_in = SignInFacts(
        user=authorization.user,
        now=now,
        auth_time=authorization.auth_time or now,
        session_id=authorization.session_id or "",
        logins_count=idp.store.logins[user_id],
        protocol=protocol,
        transaction={"requested_scopes": list(granted.requested)},
    )
    return await run_post_login(
        request, authorization.client, authorization.api, authorization.organization, sign_in, body=parameters
    )
