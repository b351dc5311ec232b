"""A sign-in as a sequence of messages between the client, the browser, the tenant and the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ..state.journal import Entry
from ..tenant.model import GRANT_DEVICE
from .signins import DISCOVERY, JWKS, answer_of, gives_tokens, is_silent_question, location_parameters, sent_parameters

Party = Literal["client", "browser", "tenant", "server"]
MAX_STEPS = 60
BROWSER_KINDS = {
    ("GET", "/u/login"): "login_page",
    ("GET", "/u/signup"): "signup_page",
    ("POST", "/u/signup"): "signup",
    ("GET", "/u/reset-password"): "reset_page",
    ("POST", "/u/reset-password"): "reset",
    ("GET", "/u/organization"): "organization_page",
    ("POST", "/u/organization"): "organization",
    ("GET", "/u/consent"): "consent_page",
    ("GET", "/authorize/resume"): "resume",
    ("GET", "/activate"): "activate_page",
    ("POST", "/activate"): "activate",
}
CLIENT_KINDS = {
    "/oidc/register": "register",
    "/oauth/par": "push",
    "/oauth/device/code": "device_code",
    "/oauth/revoke": "revoke",
    "/userinfo": "userinfo",
}
GRANT_KINDS = {
    "authorization_code": "token_code",
    "refresh_token": "token_refresh",
    "client_credentials": "token_machine",
    GRANT_DEVICE: "token_device",
    "urn:ietf:params:oauth:grant-type:token-exchange": "token_exchange",
}


@dataclass(frozen=True)
class Step:
    """One message and its answer. `step.<kind>` is the key of its texts. `times` is the number of repetitions.

    A step without an entry is a message between other parties, which the tenant does not receive.
    """

    kind: str
    sender: Party
    receiver: Party
    entry: Entry | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    times: int = 1


def steps(entries: Iterable[Entry]) -> list[Step]:
    found: list[Step] = []
    for entry in entries:
        for step in _steps_of(entry):
            if step.kind == "jwks" and found and found[-1].kind == "discovery":
                # A server that needs the keys requests their address first.
                found[-1] = replace(found[-1], kind="discovery_by_server", sender="server")
            if found and _repeats(found[-1], step):
                found[-1] = replace(step, times=found[-1].times + 1)
            else:
                found.append(step)
    if any(step.entry and gives_tokens(step.entry) and "access_token" in step.entry.tokens for step in found):
        found.append(Step("call_api", "client", "server"))
    return found[:MAX_STEPS]


def _steps_of(entry: Entry) -> Iterator[Step]:
    if entry.path == "/authorize" and not is_silent_question(entry):
        yield Step("open", "client", "browser")
    kind, sender = _kind(entry)
    yield Step(kind, sender, "tenant", entry, tuple(_shown_parameters(entry)))
    if sender == "browser" and _leaves_tenant(entry):
        parameters = tuple(location_parameters(entry).items())
        kind = "callback_error" if "error" in dict(parameters) else "callback"
        yield Step(kind, "browser", "client", None, parameters)


def _kind(entry: Entry) -> tuple[str, Party]:
    if entry.path == JWKS:
        return "jwks", "server"
    if entry.path in DISCOVERY:
        return "discovery", "client"
    if is_silent_question(entry):
        return "authorize_silent", "client"
    if entry.path == "/oauth/token":
        return GRANT_KINDS.get(str(sent_parameters(entry).get("grant_type")), "token"), "client"
    if entry.path in CLIENT_KINDS:
        return CLIENT_KINDS[entry.path], "client"
    return _browser_kind(entry), "browser"


def _browser_kind(entry: Entry) -> str:
    if entry.path == "/authorize":
        return "authorize"
    if entry.path == "/u/login" and entry.method == "POST":
        return "login_wrong" if entry.status == 400 and (entry.outcome or {}).get("page") == "login" else "login"
    if entry.path == "/u/consent" and entry.method == "POST":
        return "consent_deny" if sent_parameters(entry).get("action") == "deny" else "consent"
    return BROWSER_KINDS.get((entry.method, entry.path), "other")


def _leaves_tenant(entry: Entry) -> bool:
    """Whether the answer redirects the browser to a callback. A redirect to the tenant's own pages has only a path."""
    return bool(urlsplit(entry.location or "").scheme)


def _shown_parameters(entry: Entry) -> Iterator[tuple[str, str]]:
    """The parameters of the query and of the body, without repetitions."""
    yield from entry.query
    body = entry.parameters if isinstance(entry.parameters, dict) else {}
    pairs = ((str(name), _as_text(value)) for name, value in body.items())
    yield from (pair for pair in pairs if pair not in entry.query)


def _as_text(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, list):
        return ", ".join(_as_text(one) for one in value)
    return value if isinstance(value, str) else str(value)


def _repeats(before: Step, step: Step) -> bool:
    """Whether a step repeats the one before: the same document again, or a device that polls."""
    if before.entry is None or step.entry is None or before.kind != step.kind:
        return False
    if step.kind in ("discovery", "jwks"):
        return before.entry.path == step.entry.path
    if step.kind != "token_device":
        return False
    return answer_of(before.entry).get("error") == answer_of(step.entry).get("error") is not None
