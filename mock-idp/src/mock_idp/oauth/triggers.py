"""Running the Actions of a trigger, and what they change outside of tokens (Auth0: Actions Triggers)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ..actions.events import RequestFacts, SignInFacts, credentials_exchange_event, post_login_event
from ..actions.node import NodeError
from ..actions.outcome import Failure, Outcome, read_outcome
from ..state.idp import Idp
from ..tenant.merging import replaced, stated
from ..tenant.model import Action, Api, Client, Organization, User
from ..web.request import idp_of, sender_ip

logger = logging.getLogger(__name__)

POST_LOGIN = "post-login"
CREDENTIALS_EXCHANGE = "credentials-exchange"
HIDDEN = "[secret]"
# Shorter secrets are not replaced in a console line: they would hide harmless text.
SHORTEST_SECRET = 4


async def run_post_login(
    request: Request,
    client: Client,
    api: Api | None,
    organization: Organization | None,
    sign_in: SignInFacts,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, str] | None = None,
) -> Outcome:
    """The outcome of the post-login Actions. Their changes of the user's metadata are kept, also after a denial."""
    idp = idp_of(request)
    actions = idp.tenant.actions.get(POST_LOGIN, ())
    if not actions:
        return Outcome()
    facts = _request_facts(request, query or {}, body or {})
    event = post_login_event(idp.tenant, client, api, organization, facts, sign_in)
    outcome = await _run(idp, POST_LOGIN, actions, event, client, sign_in.user)
    if outcome.failed is None:
        _keep_metadata(idp, sign_in.user, outcome)
    return outcome


async def run_credentials_exchange(
    request: Request,
    client: Client,
    api: Api,
    organization: Organization | None,
    *,
    scopes: tuple[str, ...],
    requested: tuple[str, ...],
    body: Mapping[str, str],
) -> Outcome:
    """The outcome of the credentials-exchange Actions."""
    idp = idp_of(request)
    actions = idp.tenant.actions.get(CREDENTIALS_EXCHANGE, ())
    if not actions:
        return Outcome()
    facts = _request_facts(request, {}, body)
    event = credentials_exchange_event(client, api, organization, facts, scopes, requested)
    return await _run(idp, CREDENTIALS_EXCHANGE, actions, event, client, None)


async def _run(
    idp: Idp, trigger: str, actions: tuple[Action, ...], event: Mapping[str, Any], client: Client, user: User | None
) -> Outcome:
    if idp.node.problem:
        names = ", ".join(action.name for action in actions)
        idp.log.add("w", f"Actions that did not run: {names}", client=client, user=user, details=idp.node.problem)
        return Outcome()
    sent = [{"name": action.name, "code": action.code, "secrets": dict(action.secrets)} for action in actions]
    request = {"trigger": trigger, "actions": sent, "event": event}
    try:
        outcome = read_outcome(await run_in_threadpool(idp.node.run, request))
    except NodeError as error:
        outcome = Outcome(failed=Failure(str(error)))
    except (KeyError, TypeError, ValueError, AttributeError):
        outcome = Outcome(failed=Failure("the process of the Actions gave an answer that is not its own"))
    secrets = [value for action in actions for value in action.secrets.values() if len(value) >= SHORTEST_SECRET]
    for name, text in outcome.logs:
        logger.info("Action %r: %s", name, _without(secrets, text))
    return outcome


def _request_facts(request: Request, query: Mapping[str, str], body: Mapping[str, str]) -> RequestFacts:
    return RequestFacts(
        ip=sender_ip(request),
        method=request.method,
        hostname=request.url.hostname or "",
        user_agent=request.headers.get("user-agent", ""),
        language=request.headers.get("accept-language", ""),
        query=query,
        body=body,
    )


def _keep_metadata(idp: Idp, user: User, outcome: Outcome) -> None:
    known = idp.tenant.users.get(user.user_id)
    if known is None or not (outcome.app_metadata or outcome.user_metadata):
        return
    entry = stated(known)
    for name, changes in (("app_metadata", outcome.app_metadata), ("user_metadata", outcome.user_metadata)):
        if changes:
            merged = {**(getattr(known, name) or {}), **changes}
            entry[name] = {key: value for key, value in merged.items() if value is not None}
    idp.configure(replaced(idp.configuration, "users", {"email": known.email}, entry))


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
