"""The agent's application and the API that it requests, judged by the tenant's answers."""

from __future__ import annotations

from typing import Final

from ..causes.catalogue import check_of
from ..errors import ConfigurationError, GatehouseError, SignInError, TokenRefused, UnreachableError
from ..settings import Settings
from ..signin.flows.device import DEVICE_CODE
from ..signin.http.fetch import Fetcher
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.silent import Asker
from ..signin.protocol.tokens import TokenEndpoint, refusal
from .findings import Findings

_NONEXISTENT: Final = "gatehouse-doctor-probe"
_AT_CALLBACK: Final = ("connection", "api", "client-grant")
_ALL: Final = ("application", "callback", *_AT_CALLBACK)


async def check_application(asker: Asker, permission: str, audience: str, findings: Findings) -> None:
    """Send the agent's authorization request."""
    try:
        answer = await asker.ask(audience=audience, scope=permission)
        nonexistent = await asker.ask(audience=nonexistent_api(audience))
        if answer.check == "api":
            similar = await asker.similar_api(audience)
            if similar is not None:
                findings.wrong_api(audience, *similar)
    except (UnreachableError, SignInError) as error:
        findings.unknown(_ALL, str(error))
        return
    if answer.check == "callback" or not answer.on_page:
        # A tenant redirects only to a callback that it knows, of a client that it knows.
        findings.ok("application", asker.client_id)
    if not answer.on_page or answer.needs_only_the_person:
        findings.ok("application", asker.client_id)
        findings.ok("callback", asker.redirect_uri)
    if answer.needs_only_the_person and nonexistent.check == "api":
        findings.ok("connection", "The tenant would show its sign-in page.")
        findings.ok("api", audience)
        findings.ok("client-grant", "The tenant would issue a token for the API.")
    elif answer.needs_only_the_person:
        findings.unknown(_AT_CALLBACK, f"this tenant tells this only after a sign-in (it answers {answer})")
    if answer.check is not None:
        if answer.check == "client-grant":
            findings.ok("api", audience)
        findings.wrong(answer.check, asker.described(answer))
    findings.unknown(_ALL, f"the tenant answers {answer}")


def nonexistent_api(resource: str) -> str:
    """The Identifier of an API that does not exist. A tenant that refuses it checks the API before the sign-in."""
    return f"{resource.rstrip('/')}/{_NONEXISTENT}"


async def check_device_sign_in(
    fetch: Fetcher, server: AuthorizationServer, client: OAuthClient, permission: str, audience: str, findings: Findings
) -> None:
    """Request a code for another device. Nobody uses the code."""
    findings.unknown("callback", "a sign-in on another device has no callback")
    findings.unknown("connection", "the tenant tells this only the person at the other device")
    if server.device_authorization_endpoint is None:
        findings.unknown(_ALL, "the tenant's metadata has no device_authorization_endpoint")
        return
    try:
        refused = await _device_refusal(fetch, server, client, {"audience": audience, "scope": permission})
        nonexistent = await _device_refusal(fetch, server, client, {"audience": nonexistent_api(audience)})
    except GatehouseError as error:
        findings.unknown(_ALL, str(error))
        return
    wrong = check_of(str(refused)) if refused else None
    if refused is None or wrong in ("grant-types", "api", "client-grant"):
        findings.ok("application", client.client_id)
    if wrong is not None:
        findings.wrong(wrong, str(refused))
    if nonexistent is not None and check_of(str(nonexistent)) == "api" and wrong != "grant-types":
        if refused is None or wrong == "client-grant":
            findings.ok("api", audience)
        if refused is None:
            findings.ok("client-grant", "The tenant issues a code for the API.")
    findings.unknown(_ALL, str(refused or "this tenant tells this only after a sign-in"))


async def _device_refusal(
    fetch: Fetcher, server: AuthorizationServer, client: OAuthClient, target: dict[str, str]
) -> TokenRefused | None:
    """The tenant's refusal of a device authorization request (RFC 8628 section 3.1); None if it issues a code."""
    endpoint = server.device_authorization_endpoint
    assert endpoint is not None
    reply = await TokenEndpoint(fetch).post(client, endpoint, target, client.authentication(server), server.issuer)
    if not reply.is_error:
        return None
    error = refusal(reply, server.issuer, client)
    if isinstance(error, UnreachableError):
        raise error
    return error


async def check_token_endpoint(asker: Asker, client: OAuthClient, settings: Settings, findings: Findings) -> None:
    """Exchange invalid grants. The answer `invalid_grant` means that everything else was right."""
    code = {"code": _NONEXISTENT, "redirect_uri": asker.redirect_uri, "code_verifier": _NONEXISTENT * 2}
    device = settings.gatehouse_sign_in == "device"
    forms = {
        **({DEVICE_CODE: {"device_code": _NONEXISTENT}} if device else {"authorization_code": code}),
        "refresh_token": {"refresh_token": _NONEXISTENT},
    }
    refused: list[str] = []
    for grant_type, form in forms.items():
        try:
            await TokenEndpoint(asker.fetch).request(client, asker.server, {"grant_type": grant_type, **form})
        except TokenRefused as error:
            if error.code in ("invalid_client", "access_denied"):
                findings.wrong("credentials", f"The token endpoint answers {error.code}.")
                findings.unknown("grant-types", "the tenant does not accept the application's credentials")
                return
            refused += [grant_type] if error.code == "unauthorized_client" else []
        except ConfigurationError as error:
            findings.wrong("credentials", str(error))
            findings.unknown("grant-types", "the application has no credentials for the token endpoint")
            return
        except GatehouseError as error:
            findings.unknown(("credentials", "grant-types"), str(error))
            return
    has_credentials = client.secret is not None or client.key is not None
    seen = "The token endpoint accepts them." if has_credentials else "The application has none and needs none."
    findings.ok("credentials", seen)
    if refused:
        findings.wrong("grant-types", f"Not allowed: {', '.join(refused)}.")
    else:
        findings.ok("grant-types", ", ".join(forms), guessed=True)
