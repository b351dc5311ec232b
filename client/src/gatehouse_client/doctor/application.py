"""The agent's own application, and the API that it asks for: by what the tenant answers to it."""

from __future__ import annotations

from typing import Final

from ..causes.catalogue import check_of
from ..errors import ConfigurationError, GatehouseError, SignInError, TokenRefused, UnreachableError
from ..settings import Settings
from ..signin.flows.device import DEVICE_CODE
from ..signin.http.fetch import Fetcher
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.tokens import TokenEndpoint, refusal
from .answers import Answer, Asker
from .findings import Record

_UNREAL: Final = "gatehouse-doctor-probe"
_BY_PAGE: Final = ("application", "callback")
_BY_CALLBACK: Final = ("connection", "api", "client-grant")


async def see_application(asker: Asker, permission: str, audience: str, record: Record) -> None:
    """Ask for a sign-in as the agent does."""
    try:
        answer = await asker.ask(audience=audience, scope=permission)
        unreal = await asker.ask(audience=unreal_api(audience))
        if answer.is_welcome:
            _welcome(asker, audience, record, tells=unreal.check == "api", answer=answer)
        elif answer.check == "api":
            await _see_other_apis(asker, audience, answer, record)
    except (UnreachableError, SignInError) as error:
        record.unknown((*_BY_PAGE, *_BY_CALLBACK), str(error))
        return
    _refused(asker, audience, answer, record)


def unreal_api(resource: str) -> str:
    """The Identifier of an API that cannot exist: a tenant that minds it minds any API before it asks a person."""
    return f"{resource.rstrip('/')}/{_UNREAL}"


def _welcome(asker: Asker, audience: str, record: Record, *, tells: bool, answer: Answer) -> None:
    """Only the person is missing.

    Args:
        tells: whether the tenant looks at the API at all before it looks for the person.
    """
    record.ok("application", asker.client_id)
    record.ok("callback", asker.redirect_uri)
    if tells:
        record.ok("connection", "The tenant would show its sign-in page.")
        record.ok("api", audience)
        record.ok("client-grant", "The tenant would issue a token for it.")
    else:
        record.unknown(_BY_CALLBACK, f"this tenant tells only a person who signs in (it answers {answer})")


def _refused(asker: Asker, audience: str, answer: Answer, record: Record) -> None:
    wrong = answer.check
    if wrong == "callback" or not answer.on_page:
        # A tenant sends its answer nowhere but to a callback that it knows of a client that it knows.
        record.ok("application", asker.client_id)
    if not answer.on_page:
        record.ok("callback", asker.redirect_uri)
    if wrong == "application":
        record.wrong(wrong, f"The tenant does not know the Client ID {asker.client_id!r} ({answer}).")
    elif wrong == "callback":
        record.wrong(wrong, f"The application does not allow {asker.redirect_uri!r} ({answer}).")
    elif wrong == "client-grant":
        record.ok("api", audience)
    if wrong is not None:
        record.wrong(wrong, f"The tenant answers {answer}.")
    record.unknown((*_BY_PAGE, *_BY_CALLBACK), f"the tenant answers {answer}")


async def see_device(
    fetch: Fetcher, server: AuthorizationServer, client: OAuthClient, permission: str, audience: str, record: Record
) -> None:
    """Ask for a code for another device, which nobody will use."""
    record.unknown("callback", "a sign-in on another device has none")
    record.unknown("connection", "this way to sign in tells only the person at the other device")
    if server.device_authorization_endpoint is None:
        record.unknown((*_BY_PAGE, *_BY_CALLBACK), "the tenant's metadata names no device_authorization_endpoint")
        return
    try:
        refused = await _device_refusal(fetch, server, client, {"audience": audience, "scope": permission})
        unreal = await _device_refusal(fetch, server, client, {"audience": unreal_api(audience)})
    except GatehouseError as error:
        record.unknown((*_BY_PAGE, *_BY_CALLBACK), str(error))
        return
    wrong = check_of(str(refused)) if refused else None
    if refused is None or wrong in ("grant-types", "api", "client-grant"):
        record.ok("application", client.client_id)
    if wrong is not None:
        record.wrong(wrong, str(refused))
    if unreal is not None and check_of(str(unreal)) == "api" and wrong != "grant-types":
        if refused is None or wrong == "client-grant":
            record.ok("api", audience)
        if refused is None:
            record.ok("client-grant", "The tenant gives a code for it.")
    record.unknown((*_BY_PAGE, *_BY_CALLBACK), str(refused or "this tenant tells only a person who signs in"))


async def _device_refusal(
    fetch: Fetcher, server: AuthorizationServer, client: OAuthClient, target: dict[str, str]
) -> TokenRefused | None:
    """What the tenant says to a request for a code (RFC 8628 section 3.1); None if it gives one."""
    assert server.device_authorization_endpoint is not None
    method = client.authentication(server)
    endpoint = server.device_authorization_endpoint
    reply = await TokenEndpoint(fetch).post(client, endpoint, target, method, server.issuer)
    if reply.status == 200:
        return None
    error = refusal(reply, server.issuer)
    if isinstance(error, UnreachableError):
        raise error
    return error


async def _see_other_apis(asker: Asker, audience: str, answer: Answer, record: Record) -> None:
    """Whether there is an API whose Identifier is only a little different."""
    for other, difference in slips(audience).items():
        if (await asker.ask(audience=other)).check != "api":
            seen = f"The tenant has no API {audience!r}, but it has {other!r} ({difference})."
            record.wrong("api", seen, f"AUTH0_AUDIENCE={other}  # or make an API {audience}")
            return
    record.wrong("api", f"The tenant answers {answer}.")


def slips(identifier: str) -> dict[str, str]:
    """What people write in place of an identifier, and what is different in it."""
    slashed = identifier.rstrip("/") if identifier.endswith("/") else f"{identifier}/"
    found = {slashed: "the final slash"}
    scheme, colon, rest = identifier.partition("://")
    other = {"http": "https", "https": "http"}.get(scheme)
    return {**found, f"{other}{colon}{rest}": f"{other}, not {scheme}"} if other else found


async def see_token_endpoint(asker: Asker, client: OAuthClient, settings: Settings, record: Record) -> None:
    """Exchange what cannot be valid: `invalid_grant` says that all but that was right."""
    code = {"code": _UNREAL, "redirect_uri": asker.redirect_uri, "code_verifier": _UNREAL * 2}
    device = settings.gatehouse_sign_in == "device"
    forms = {
        **({DEVICE_CODE: {"device_code": _UNREAL}} if device else {"authorization_code": code}),
        "refresh_token": {"refresh_token": _UNREAL},
    }
    refused: list[str] = []
    for grant_type, form in forms.items():
        try:
            await TokenEndpoint(asker.fetch).request(client, asker.server, {"grant_type": grant_type, **form})
        except TokenRefused as error:
            if error.code in ("invalid_client", "access_denied"):
                record.wrong("credentials", f"The token endpoint answers {error.code}.")
                record.unknown("grant-types", "the tenant does not accept the application's credentials")
                return
            refused += [grant_type] if error.code == "unauthorized_client" else []
        except ConfigurationError as error:
            record.wrong("credentials", str(error))
            record.unknown("grant-types", "the application has no credentials to ask with")
            return
        except GatehouseError as error:
            record.unknown(("credentials", "grant-types"), str(error))
            return
    has_credentials = client.secret is not None or client.key is not None
    record.ok("credentials", "The token endpoint accepts them." if has_credentials else "It has none, as it may.")
    if refused:
        record.wrong("grant-types", f"Not allowed: {', '.join(refused)}.")
    else:
        record.ok("grant-types", ", ".join(forms), guessed=True)
