"""Requests of the agent to the tenant, without a person: each shows which checks pass and which one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ..causes.catalogue import check_of
from ..errors import ConfigurationError, GatehouseError, TokenRefused, UnreachableError
from ..signin.flows.device import DEVICE_CODE
from ..signin.http.addresses import is_loopback
from ..signin.protocol.challenge import Challenge
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.silent import Answer, Asker, similar_identifiers
from ..signin.protocol.tokens import INVALID_GRANT, TokenEndpoint, refusal
from .context import Context
from .findings import Finding, not_needed, ok, unknown, wrong

_NONEXISTENT: Final = "gatehouse-doctor-probe"
_AT_SIGN_IN: Final = ("application", "callback", "connection", "scopes", "api", "client-grant")
_AT_TOKEN_ENDPOINT: Final = ("credentials", "grant-types", "assertion")
# The order in which a token endpoint checks them: if one is refused, those before it are accepted.
_IN_ORDER: Final = ("credentials", "grant-types", "assertion", "api", "client-grant")
_BY_CODE: Final = {
    "invalid_client": "credentials",
    "unauthorized_client": "grant-types",
    "unsupported_grant_type": "grant-types",
}


@dataclass(frozen=True)
class Attempt:
    """What an attempt shows.

    Attributes:
        said: what the tenant answered, for the checks that it does not decide.
        cause: the check that fails; None if nothing was refused, or if the refusal is unknown.
        passed: what was seen, by the checks that pass.
        needless: why a check has no meaning here, by check.
        audience: the Identifier of a similar API that exists, as a fix.
    """

    said: str
    cause: str | None = None
    passed: Mapping[str, str] = field(default_factory=dict)
    needless: Mapping[str, str] = field(default_factory=dict)
    audience: str | None = None
    guessed: bool = False

    def finding(self, check: str) -> Finding:
        if check == self.cause:
            return wrong(self.said, audience=self.audience)
        if check in self.passed:
            return ok(self.passed[check], guessed=self.guessed)
        return not_needed(self.needless[check]) if check in self.needless else unknown(self.said)


def _all_needless(why: str) -> Attempt:
    return Attempt(why, needless=dict.fromkeys([*_AT_SIGN_IN, *_AT_TOKEN_ENDPOINT, "resource-profile"], why))


async def sign_in(context: Context) -> Attempt:
    """The agent's sign-in, up to the point where a person is needed."""
    return await context.once("a sign-in", lambda: _sign_in(context))


async def _sign_in(context: Context) -> Attempt:
    client, method = context.client, context.settings.gatehouse_sign_in
    if context.account.token is not None:
        return _all_needless("a ready token is used, so nobody signs in")
    if client is None and context.settings.oauth_dynamic_registration:
        return _all_needless("the agent registers itself at its first sign-in")
    if client is None:
        return Attempt("AUTH0_CLIENT_ID is not set, and OAUTH_DYNAMIC_REGISTRATION is 0.", "application")
    if context.is_unattended:
        return await _unattended(context, client)
    if method == "device":
        return await _on_another_device(context, client)
    return await _in_a_browser(context, _asker(context, client))


def _asker(context: Context, client: OAuthClient) -> Asker:
    assert context.tenant is not None
    return Asker(context.fetch, context.tenant, client.client_id, context.settings.oauth_callback_uri)


def nonexistent_api(resource: str) -> str:
    """The Identifier of an API that does not exist. A tenant that refuses it checks the API before the sign-in."""
    return f"{resource.rstrip('/')}/{_NONEXISTENT}"


def _target(context: Context) -> dict[str, str]:
    """The parameters of a sign-in that say what the token is for: the scopes that the server asks for, and the API."""
    scopes = context.challenge.scopes if context.challenge else (context.permission,)
    audience = context.audience if context.profile.takes_resource else None
    return {**({"scope": " ".join(scopes)} if scopes else {}), **({"audience": audience} if audience else {})}


async def _in_a_browser(context: Context, asker: Asker) -> Attempt:
    audience = context.audience
    answer = await asker.ask(**_target(context))
    passed: dict[str, str] = {}
    # A tenant redirects only to a callback that it knows, and refuses details only to a client that it knows.
    knows_client = answer.check in ("callback", "grant-types", "connection", "scopes", "api", "client-grant")
    if knows_client or not answer.on_page or answer.needs_only_the_person:
        passed["application"] = asker.client_id
    if not answer.on_page or answer.needs_only_the_person:
        passed["callback"] = asker.redirect_uri
    if answer.needs_only_the_person:
        passed["scopes"] = _target(context).get("scope") or "none is requested"
    said = f"the tenant answers {answer}"
    if audience is None:
        return Attempt("the server does not name its resource, and AUTH0_AUDIENCE is not set", None, passed)
    if answer.needs_only_the_person:
        said = f"this tenant tells this only after a sign-in (it answers {answer})"
        takes_audience = context.profile.takes_resource
        if takes_audience and (await asker.ask(audience=nonexistent_api(audience))).check == "api":
            passed["connection"] = "The tenant would show its sign-in page."
            passed |= {"api": audience, "client-grant": "The tenant would issue a token for the API."}
    elif answer.check == "client-grant":
        passed["api"] = audience
    elif answer.check == "api" and (similar := await asker.similar_api(audience)) is not None:
        return Attempt(_similar(audience, *similar), "api", passed, audience=similar[0])
    cause = answer.check if answer.check in (*_AT_SIGN_IN, *_AT_TOKEN_ENDPOINT) else None
    return Attempt(asker.described(answer) if cause else said, cause, passed)


def _similar(audience: str, similar: str, difference: str) -> str:
    return f"The tenant has no API {audience!r}, but it has {similar!r} ({difference})."


async def _on_another_device(context: Context, client: OAuthClient) -> Attempt:
    """Request a code for another device. Nobody uses the code."""
    assert context.tenant is not None
    needless = {
        "callback": "a sign-in on another device has no callback",
        "connection": "the tenant tells this only the person at the other device",
        "resource-profile": "only a sign-in with a local browser tells this",
    }
    audience = context.audience
    if context.tenant.device_authorization_endpoint is None:
        return Attempt("the tenant's metadata has no device_authorization_endpoint", needless=needless)
    if audience is None:
        return Attempt("the server does not name its resource, and AUTH0_AUDIENCE is not set", needless=needless)
    refused = await _device_refusal(context, context.tenant, client, _target(context))
    nonexistent = await _device_refusal(context, context.tenant, client, {"audience": nonexistent_api(audience)})
    cause = check_of(str(refused)) if refused else None
    passed = {"application": client.client_id} if cause in (None, "grant-types", "api", "client-grant") else {}
    passed = passed if cause or not refused else {}
    if nonexistent is not None and check_of(str(nonexistent)) == "api" and cause in (None, "client-grant"):
        passed |= {"api": audience, "client-grant": "The tenant issues a code for the API."}
    return Attempt(str(refused or "this tenant tells this only after a sign-in"), cause, passed, needless)


async def _device_refusal(
    context: Context, tenant: AuthorizationServer, client: OAuthClient, target: Mapping[str, str]
) -> TokenRefused | None:
    """The tenant's refusal of a device authorization request (RFC 8628 section 3.1); None if it issues a code."""
    endpoint = tenant.device_authorization_endpoint
    assert endpoint is not None
    method = client.authentication(tenant)
    reply = await TokenEndpoint(context.fetch).post(client, endpoint, target, method, tenant.issuer)
    if not reply.is_error:
        return None
    error = refusal(reply, tenant.issuer, client)
    if isinstance(error, UnreachableError):
        raise error
    return error


async def _unattended(context: Context, client: OAuthClient) -> Attempt:
    """Sign in with the application's own credentials or with an assertion, without storing the grant."""
    settings = context.settings
    why = f"GATEHOUSE_SIGN_IN is {settings.gatehouse_sign_in}: no person signs in"
    needless = dict.fromkeys(("callback", "connection", "resource-profile"), why)
    seen = {
        "application": client.client_id,
        "credentials": "The token endpoint accepts them.",
        "grant-types": ", ".join(context.account.provider.grant_types),
        "assertion": "The token endpoint accepts it.",
        "api": context.audience or "",
        "client-grant": "The token endpoint issues a token for the API.",
    }
    asked = context.challenge or Challenge("bearer", {"scope": context.permission})
    try:
        context.grant = await context.account.provider.sign_in(asked)
    except GatehouseError as error:
        said = str(error)
        endpoint = settings.oauth_idp_token_endpoint
        if settings.gatehouse_sign_in == "assertion" and endpoint is not None and endpoint in said:
            # The enterprise's identity provider comes before the tenant.
            return Attempt(said, None if isinstance(error, UnreachableError) else "assertion", needless=needless)
        cause = _cause(error)
        before = _IN_ORDER[: _IN_ORDER.index(cause)] if cause in _IN_ORDER else ()
        passed = {check: seen[check] for check in (*(["application"] if before else []), *before)}
        if cause == "api" and context.audience and settings.gatehouse_sign_in == "machine":
            similar = await _similar_api_of_machine(context, client, context.audience)
            if similar is not None:
                return Attempt(_similar(context.audience, *similar), cause, passed, needless, similar[0])
        return Attempt(said, cause, passed, needless)
    return Attempt("", None, seen, needless)


async def _similar_api_of_machine(context: Context, client: OAuthClient, audience: str) -> tuple[str, str] | None:
    """An API with a similar Identifier. An API that refuses this application also exists."""
    assert context.tenant is not None
    for similar, difference in similar_identifiers(audience).items():
        form = {"grant_type": "client_credentials", "audience": similar}
        try:
            await TokenEndpoint(context.fetch).request(client, context.tenant, form)
        except GatehouseError as error:
            if _cause(error) != "client-grant":
                continue
        return similar, difference
    return None


def _cause(error: GatehouseError) -> str | None:
    """The check that a refusal of the token endpoint belongs to."""
    if isinstance(error, ConfigurationError):
        return "credentials"
    if not isinstance(error, TokenRefused):
        return None
    if error.code == INVALID_GRANT:
        return "assertion"  # whatever the description says, such as that the assertion has expired
    return check_of(str(error)) or _BY_CODE.get(error.code)


async def token_request(context: Context) -> Attempt:
    """Requests to the token endpoint with invalid grants; or the sign-in itself, if it consists of such a request."""
    needs_no_more = context.client is None or context.account.token is not None or context.is_unattended
    if needs_no_more:
        return await sign_in(context)
    return await context.once("token requests", lambda: _invalid_grants(context))


async def _invalid_grants(context: Context) -> Attempt:
    """Exchange invalid grants. The answer `invalid_grant` means that everything else was right."""
    client, tenant = context.client, context.tenant
    assert client is not None
    assert tenant is not None
    verifier = _NONEXISTENT * 2
    redirect_uri = context.settings.oauth_callback_uri
    code = {"code": _NONEXISTENT, "redirect_uri": redirect_uri, "code_verifier": verifier}
    device = context.settings.gatehouse_sign_in == "device"
    forms = {
        **({DEVICE_CODE: {"device_code": _NONEXISTENT}} if device else {"authorization_code": code}),
        "refresh_token": {"refresh_token": _NONEXISTENT},
    }
    refused: list[str] = []
    for grant_type, form in forms.items():
        try:
            await TokenEndpoint(context.fetch).request(client, tenant, {"grant_type": grant_type, **form})
        except TokenRefused as error:
            if error.code in ("invalid_client", "access_denied"):
                return Attempt(f"The token endpoint answers {error.code}.", "credentials")
            refused += [grant_type] if error.code == "unauthorized_client" else []
        except ConfigurationError as error:
            return Attempt(str(error), "credentials")
    has_credentials = client.secret is not None or client.key is not None
    seen = "The token endpoint accepts them." if has_credentials else "The application has none and needs none."
    if refused:
        return Attempt(f"Not allowed: {', '.join(refused)}.", "grant-types", {"credentials": seen})
    return Attempt("", None, {"credentials": seen, "grant-types": ", ".join(forms)}, guessed=True)


async def silent_answer(context: Context, **target: str) -> Answer | None:
    """The answer to another authorization request of the agent; None if the agent has no client."""
    return await _asker(context, context.client).ask(**target) if context.client is not None else None


def shown_by_sign_in(check: str) -> Callable[[Context], Awaitable[Finding]]:
    """The function of a check that the agent's sign-in decides."""

    async def look(context: Context) -> Finding:
        return (await sign_in(context)).finding(check)

    return look


async def credentials(context: Context) -> Finding:
    """Whether the tenant accepts the application's credentials."""
    return (await token_request(context)).finding("credentials")


async def grant_types(context: Context) -> Finding:
    """Whether the application may use the grant types of the sign-in."""
    attempt = await sign_in(context)
    return (attempt if attempt.cause == "grant-types" else await token_request(context)).finding("grant-types")


async def callback_port(context: Context) -> Finding:
    """Whether the agent listens where the tenant sends the browser."""
    settings = context.settings
    if context.account.token is not None or settings.gatehouse_sign_in not in ("auto", "browser", "paste"):
        return not_needed("no browser comes back to the agent")
    uri, port = urlsplit(settings.oauth_callback_uri), settings.callback_port
    named = uri.port or (443 if uri.scheme == "https" else 80)
    if port == named:
        return ok(str(port))
    if not is_loopback(uri.hostname or ""):
        return ok(f"The agent listens on port {port}; {uri.netloc} has to forward to it.")
    seen = f"OAUTH_CALLBACK_PORT is {port}, but OAUTH_CALLBACK_URI is {settings.oauth_callback_uri!r}."
    return wrong(f"{seen} The browser goes to port {named}, where nobody listens.", callback_port=str(named))
