"""The explanations of failed requests, and of successful requests that granted less than expected."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..explanations import Case
from ..oauth.audience import not_found_case
from ..state.journal import Entry
from ..tenant.model import Api, Client, Tenant
from .signins import answer_of, gives_tokens, sent_parameters

Describe = Callable[[Tenant, Entry, re.Match[str]], Case]


def case_of(tenant: Tenant, entry: Entry) -> Case | None:
    """The case that explains a request and its answer. None if there is nothing to explain."""
    outcome = entry.outcome or {}
    if "explanation" in outcome:
        return Case(outcome["explanation"], **outcome.get("facts", {}))
    if entry.path == "/oauth/token" and gives_tokens(entry):
        return _token_case(tenant, entry)
    answer = answer_of(entry)
    if "error" not in answer:
        return None
    text = f"{answer['error']}: {answer.get('error_description', '')}"
    for pattern, describe in CASES:
        if match := re.match(pattern, text):
            return describe(tenant, entry, match)
    return None


def _token_case(tenant: Tenant, entry: Entry) -> Case | None:
    """The case of issued tokens that an API will refuse."""
    if "access_token" not in entry.tokens:
        ignored = tenant.settings.resource_parameter_profile == "audience"
        return Case("opaque_token_profile" if ignored else "opaque_token")
    sent = sent_parameters(entry)
    if sent.get("grant_type") == "refresh_token" and sent.get("audience") not in (None, "", _audience(entry)):
        return Case("refresh_other_api", client=_name(tenant, entry), sent=str(sent["audience"]))
    header = entry.tokens["access_token"].get("header") or {}
    if header.get("alg") == "HS256":
        return Case("hs256_token", api=_audience(entry))
    api = tenant.apis.get(_audience(entry))
    return _permission_case(tenant, entry, api) if api is not None else None


def _permission_case(tenant: Tenant, entry: Entry, api: Api) -> Case | None:
    claims = entry.tokens["access_token"].get("claims") or {}
    granted = str(answer_of(entry).get("scope", "")).split()
    if not api.scopes or claims.get("permissions") or any(scope in api.scopes for scope in granted):
        return None
    user = tenant.users.get(str(claims.get("sub")))
    rbac = "true" if api.enforce_policies else "false"
    return Case("no_permissions", api=api.identifier, user=user.email if user else "", rbac=rbac)


def _audience(entry: Entry) -> str:
    claims = entry.tokens["access_token"].get("claims") or {}
    audience = claims.get("aud")
    return str(audience[0] if isinstance(audience, list) and audience else audience)


def _client(tenant: Tenant, entry: Entry) -> Client | None:
    return tenant.clients.get(entry.client or "")


def _name(tenant: Tenant, entry: Entry) -> str:
    client = _client(tenant, entry)
    return client.name if client else entry.client or ""


def _case(code: str, fact: str | None = None) -> Describe:
    """A case with the client's name. `fact` is the name of the pattern's first group."""
    return lambda tenant, entry, match: Case(code, client=_name(tenant, entry), **({fact: match[1]} if fact else {}))


def _client_refused(tenant: Tenant, entry: Entry, match: re.Match[str]) -> Case:
    client = _client(tenant, entry)
    if client is None:
        return Case("unknown_client", sent=entry.client or "", clients=tuple(tenant.clients))
    return Case("client_refused", client=client.name, method=client.auth_method)


def _grant_refused(tenant: Tenant, entry: Entry, match: re.Match[str]) -> Case:
    client = _client(tenant, entry)
    allowed = tuple(sorted(client.grant_types)) if client else ()
    return Case("grant_type_not_allowed", client=_name(tenant, entry), grant=match[1], allowed=allowed)


def _user_refused(tenant: Tenant, entry: Entry, match: re.Match[str]) -> Case:
    client = _client(tenant, entry)
    return _no_client_grant(
        tenant, entry, match[1], "no_client_grant_third_party" if client and client.strict else "no_client_grant"
    )


def _no_client_grant(tenant: Tenant, entry: Entry, identifier: str, code: str) -> Case:
    api = tenant.apis.get(identifier)
    name, scopes = (api.name, tuple(api.scopes)) if api else (identifier, ())
    return Case(code, client=_name(tenant, entry), api=identifier, api_name=name, scopes=scopes)


# By the beginning of `error: error_description`. The first match counts.
CASES: list[tuple[str, Describe]] = [
    (r"invalid_grant: Invalid authorization code", _case("code_refused")),
    (r"invalid_grant: Failed to verify code verifier", _case("verifier_refused")),
    (r"invalid_grant: Unknown or invalid refresh token", _case("refresh_refused")),
    (r"(?:access_denied: Unauthorized|invalid_client: )", _client_refused),
    (r"[a-z_]+: Grant type '([^']+)' not allowed", _grant_refused),
    (r'[a-z_]+: Client is not authorized to access resource server "([^"]+)"', _user_refused),
    (
        r'[a-z_]+: Client is not authorized to access "([^"]+)"',
        lambda tenant, entry, match: _no_client_grant(tenant, entry, match[1], "machine_no_grant"),
    ),
    (
        r"[a-z_]+: Service not (?:found|enabled within domain): (.+)",
        lambda tenant, entry, match: not_found_case(tenant, match[1]),
    ),
    (r"access_denied: Non-global clients", _case("machine_no_audience")),
    (r"access_denied: Client has not been granted scopes: (.+)", _case("machine_scope_refused", "sent")),
    (r"access_denied: User cancelled", _case("consent_declined")),
    (r"authorization_pending: ", _case("device_waiting")),
    (r"slow_down: ", _case("device_too_fast")),
    (r"expired_token: ", _case("device_code_expired")),
    (r"[a-z_]+: Dynamic client registration is not enabled", _case("registration_off")),
    (r"(?:invalid_redirect_uri|invalid_client_metadata): (.+)", _case("registration_refused", "problem")),
    (r"invalid_token: ", _case("userinfo_refused")),
    (r"[a-z_]+: The offline tenant does not have the grant type (\S+),", _case("grant_type_unavailable", "sent")),
    (r"[a-z_]+: user is blocked", _case("user_blocked")),
    (r"too_many_attempts: ", _case("too_many_attempts")),
    (r"[a-z_]+: A token without proof of possession", _case("proof_required")),
    (r"[a-z_]+: Pushed authorization requests are not enabled", _case("par_off")),
    (r"[a-z_]+: The offline tenant does not have DPoP", _case("dpop_unavailable")),
    (r"unsupported_grant_type: (?:Unsupported grant type: )?(.*)", _case("grant_type_unknown", "sent")),
    (r"invalid_request: Missing required parameter: (.+)", _case("parameter_missing", "parameter")),
    (r"invalid_request: Parameter sent more than once: (.+)", _case("parameter_repeated", "parameter")),
]
