"""The sign-ins, log events and requests, as the console shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ..explanations import Explanation, explain
from ..formats.prose import Prose
from ..state.idp import Idp
from ..state.journal import Entry
from ..state.tenant_log import Event
from .refusals import case_of
from .signins import SignIn, answer_of, gives_tokens, sent_parameters, sign_ins
from .steps import Step, steps
from .view import Facts, Listing, Outcome, View, listing

# On one page.
MAX_SIGN_INS = 10
MAX_EVENTS = 50
MAX_REQUESTS = 50
MAX_VALUES = 24
MAX_LENGTH = 300
# By page: the field in which the person names an account.
NAMED_BY = {"/u/login": "username", "/u/signup": "email"}
# Explanations of answers that are no failures.
WAITING = ("device_waiting", "device_too_fast")

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StepView:
    """`location` is the redirect in the answer. `goes_to` is the same without its parameters.

    `tokens` has, by name, the header and the claims of each JWT.
    """

    step: Step
    parameters: Rows
    location: str
    goes_to: str
    answer: Rows
    tokens: dict[str, Rows]
    explanation: Explanation | None


@dataclass(frozen=True)
class SignInView:
    """`error` is the error text of the protocol. `key` does not change while the sign-in is shown."""

    key: int
    kind: str
    state: Outcome
    time: str
    client: str
    user: str
    error: str
    steps: tuple[StepView, ...]


@dataclass(frozen=True)
class EventView:
    """`reason` is in the language of the page; None if the event has no explanation."""

    event: Event
    reason: Prose | None


@dataclass(frozen=True)
class RequestView:
    """`client` is the name of the client, or its id if the tenant does not know it."""

    time: str
    client: str
    entry: Entry


def sign_in_list(idp: Idp, view: View, language: str) -> Listing[SignInView]:
    """The sign-ins, newest first."""
    found = [_sign_in(idp, one, language) for one in reversed(sign_ins(idp.journal.entries))]
    return listing(view, found, _facts_of_sign_in, MAX_SIGN_INS)


def event_list(idp: Idp, view: View, language: str) -> Listing[EventView]:
    """The events of the tenant's log, newest first."""
    found = [
        EventView(event, explain(event.case, language).why if event.case is not None else None)
        for event in reversed(idp.log.events)
    ]
    return listing(view, found, _facts_of_event, MAX_EVENTS)


def request_list(idp: Idp, view: View) -> Listing[RequestView]:
    """All requests, newest first."""
    found = [
        RequestView(clock_time(entry.time), _client_name(idp, entry.client), entry)
        for entry in reversed(idp.journal.entries)
    ]
    return listing(view, found, _facts_of_request, MAX_REQUESTS)


def _facts_of_sign_in(sign_in: SignInView) -> Facts:
    texts = [sign_in.client, sign_in.user, sign_in.error]
    for step in sign_in.steps:
        rows = (*step.parameters, *step.answer, *(row for rows in step.tokens.values() for row in rows))
        texts += [step.location, *(text for row in rows for text in row)]
        texts += [f"{step.step.entry.method} {step.step.entry.path}"] if step.step.entry else []
    return Facts(sign_in.client, sign_in.user, sign_in.state, texts)


def _facts_of_event(shown: EventView) -> Facts:
    """Auth0's codes of failures begin with f, those of warnings with w."""
    event, reason = shown.event, str(shown.reason or shown.event.details or "")
    outcome = {"f": "failed", "w": "surprising"}.get(event.type[:1], "worked")
    texts = (event.type, event.description, reason, event.user_name or "", event.client_name or "")
    return Facts(event.client_name or "", event.user_name or "", outcome, texts)


def _facts_of_request(request: RequestView) -> Facts:
    entry = request.entry
    failed = entry.status is None or entry.status >= 400
    texts = (f"{entry.method} {entry.path}", str(entry.status or ""), request.client)
    return Facts(request.client, "", "failed" if failed else "worked", texts)


def revision(idp: Idp) -> str:
    last_entry = idp.journal.entries[-1].entry_id if idp.journal.entries else 0
    last_event = idp.log.events[-1].log_id if idp.log.events else 0
    return f"{last_entry}-{last_event}-{len(idp.journal.entries)}-{len(idp.log.events)}"


def clock_time(moment: float) -> str:
    """The time of day in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S")


def _sign_in(idp: Idp, sign_in: SignIn, language: str) -> SignInView:
    views = tuple(_step(idp, step, language) for step in steps(sign_in.entries))
    problem = _problem(views)
    return SignInView(
        key=sign_in.entries[0].entry_id,
        kind=sign_in.kind,
        state=_state(sign_in, problem),
        time=clock_time(sign_in.entries[0].time),
        client=_client_name(idp, sign_in.client),
        user=_shortened(_user(idp, sign_in)),
        error=_error(problem),
        steps=views,
    )


def _client_name(idp: Idp, client_id: str | None) -> str:
    known = idp.tenant.clients.get(client_id or "")
    return _shortened(known.name if known else client_id or "")


def _problem(views: Sequence[StepView]) -> StepView | None:
    """The last step that failed. A device that waits has not failed, nor a question that the sign-in followed."""
    found = [view for view in views if view.explanation and view.explanation.code not in WAITING]
    problem = found[-1] if found else None
    followed = problem is not None and problem.step.kind == "authorize_silent" and problem is not views[-1]
    return None if followed else problem


def _state(sign_in: SignIn, problem: StepView | None) -> Outcome:
    if problem is None:
        return "worked" if sign_in.has_tokens else "waiting"
    entry = problem.step.entry
    return "surprising" if entry is not None and gives_tokens(entry) else "failed"


def _error(problem: StepView | None) -> str:
    entry = problem.step.entry if problem else None
    if entry is None:
        return ""
    answer = {**answer_of(entry), **(entry.outcome or {})}
    return _shortened(str(answer.get("error_description") or answer.get("error") or ""))


def _user(idp: Idp, sign_in: SignIn) -> str:
    subjects = [
        token.get("claims", {}).get("sub") for entry in sign_in.entries for token in entry.tokens.values() if token
    ]
    for subject in reversed(subjects):
        if user := idp.tenant.users.get(str(subject)):
            return user.email
    named = [sent_parameters(entry).get(NAMED_BY.get(entry.path, "")) for entry in sign_in.entries]
    return next((str(name) for name in reversed(named) if name), "")


def _step(idp: Idp, step: Step, language: str) -> StepView:
    entry = step.entry
    parameters = tuple((_shortened(name), _shortened(value)) for name, value in step.parameters[:MAX_VALUES])
    if entry is None:
        return StepView(step, parameters, "", "", (), {}, None)
    case = case_of(idp.tenant, entry)
    return StepView(
        step,
        parameters,
        _shortened(unquote(entry.location or "")),
        _shortened(re.split("[?#]", entry.location or "")[0]),
        tuple(_values(answer_of(entry))),
        {
            _shortened(name): (*_values(token.get("header")), *_values(token.get("claims")))
            for name, token in entry.tokens.items()
        },
        explain(case, language) if case else None,
    )


def _values(document: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    for name, value in list((document or {}).items())[:MAX_VALUES]:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield _shortened(str(name)), _shortened(text)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
