"""The post-login Actions of a sign-in at /authorize. They run once, after the login and before consent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from ...actions.events import SignInFacts
from ...errors import AuthorizationError
from ...explanations import Case
from ...state.store import AuthorizationRequest, Session, Transaction
from ...web.request import idp_of
from ..triggers import run_post_login
from .consent import client_and_api


async def run_actions(request: Request, transaction: Transaction, session: Session) -> None:
    """Keep the outcome in the transaction. AuthorizationError if an Action denies access or throws an error."""
    idp, asked = idp_of(request), transaction.request
    user = idp.tenant.users.get(session.user_id)
    if user is None or transaction.outcome_for == user.user_id:
        return
    client, api = client_and_api(idp, asked)
    organization = idp.tenant.organizations.get(asked.organization or "")
    idp.store.logins[user.user_id] += 1
    sign_in = SignInFacts(
        user=user,
        now=idp.clock.now(),
        auth_time=session.auth_time,
        session_id=session.session_id,
        logins_count=idp.store.logins[user.user_id],
        protocol="oidc-basic-profile" if transaction.device is None else "oauth2-device-code",
        connection=asked.connection,
        transaction=_transaction(asked),
    )
    outcome = await run_post_login(request, client, api, organization, sign_in, query=asked.query)
    transaction.outcome, transaction.outcome_for = outcome, user.user_id
    if outcome.denied is not None:
        denied = outcome.denied
        raise AuthorizationError("access_denied", denied.reason, Case("action_denied", action=denied.action))
    if outcome.failed is not None:
        case = Case("action_failed", problem=str(outcome.failed))
        raise AuthorizationError("access_denied", outcome.failed.message, case)


def _transaction(asked: AuthorizationRequest) -> Mapping[str, Any]:
    acr_values = asked.query.get("acr_values", "").split()
    return {
        "acr_values": acr_values,
        "login_hint": asked.login_hint,
        "prompt": sorted(asked.prompt),
        "redirect_uri": asked.redirect_uri or None,
        "requested_scopes": list(asked.scopes),
        "response_mode": asked.response_mode,
        "response_type": ["code"],
        "state": asked.state,
        "ui_locales": (asked.ui_locales or "").split(),
    }
