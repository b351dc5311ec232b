"""Ways to sign in that need nobody: the doctor goes them to the end, as the agent does, and looks at the token."""

from __future__ import annotations

from typing import Final

from ..account import Account
from ..errors import ConfigurationError, GatehouseError, SignInError, TokenRefused, UnreachableError
from ..grant import Grant
from ..settings import Settings
from ..signin.challenge import Challenge
from ..signin.client import OAuthClient
from ..signin.discovery import AuthorizationServer
from ..signin.fetch import Fetcher
from ..signin.tokens import INVALID_GRANT, TokenEndpoint
from .application import slips
from .entries import check_of
from .findings import Record

UNATTENDED: Final = frozenset({"machine", "assertion"})

_MACHINE: Final = "client_credentials"
# In the order in which a tenant looks at them: what it refuses for one, it has passed the others before it for.
_ORDER: Final = ("credentials", "grant-types", "assertion", "api", "client-grant")
_CHECKS: Final = ("application", *_ORDER)
_BY_CODE: Final = {
    "invalid_client": "credentials",
    "unauthorized_client": "grant-types",
    "unsupported_grant_type": "grant-types",
}
_PASSED: Final = {
    "credentials": "The token endpoint accepts them.",
    "assertion": "The token endpoint accepts it.",
    "client-grant": "The token endpoint issues a token for the API.",
}


async def see_unattended_sign_in(
    fetch: Fetcher,
    settings: Settings,
    account: Account,
    server: AuthorizationServer,
    client: OAuthClient,
    audience: str,
    challenge: Challenge | None,
    record: Record,
) -> Grant | None:
    """Sign in, and keep nothing of it; None where no token was issued.

    Args:
        challenge: the server's, which names the permission to ask for.
    """
    asked = challenge or Challenge("bearer", {"scope": settings.required_permission})
    try:
        grant = await account.provider.sign_in(asked)
    except (TokenRefused, ConfigurationError, UnreachableError, SignInError) as error:
        if not _is_at_identity_provider(settings, error, record):
            if settings.gatehouse_sign_in == "machine" and _cause(error) == "api":
                await _see_other_apis(fetch, server, client, audience, record)
            _refused(error, client, account.provider.grant_types, audience, record)
        record.unknown(_CHECKS, "no token was issued")
        return None
    record.ok("application", client.client_id)
    for check in _ORDER:
        record.ok(check, _passed(check, account.provider.grant_types, audience))
    return grant


def _passed(check: str, grant_types: tuple[str, ...], audience: str) -> str:
    special = {"grant-types": ", ".join(grant_types), "api": audience}
    return special.get(check, _PASSED.get(check, ""))


def _is_at_identity_provider(settings: Settings, error: GatehouseError, record: Record) -> bool:
    """The enterprise's identity provider comes first; what it answers says nothing of the tenant."""
    endpoint = settings.oauth_idp_token_endpoint
    if settings.gatehouse_sign_in != "assertion" or endpoint is None or endpoint not in str(error):
        return False
    if isinstance(error, UnreachableError):
        record.unknown("assertion", str(error))
    else:
        record.wrong("assertion", str(error))
    return True


def _refused(
    error: GatehouseError, client: OAuthClient, grant_types: tuple[str, ...], audience: str, record: Record
) -> None:
    wrong = _cause(error)
    if wrong is None:
        record.unknown(_CHECKS, str(error))
        return
    if wrong in _ORDER:
        for passed in _ORDER[: _ORDER.index(wrong)]:
            record.ok(passed, _passed(passed, grant_types, audience))
        if wrong != "credentials":
            record.ok("application", client.client_id)
    record.wrong(wrong, str(error))


def _cause(error: GatehouseError) -> str | None:
    """The check that the refusal is about."""
    if isinstance(error, ConfigurationError):
        return "credentials"
    if not isinstance(error, TokenRefused):
        return None
    if error.code == INVALID_GRANT:
        return "assertion"  # whatever it says of it, such as that it has expired
    return check_of(str(error)) or _BY_CODE.get(error.code)


async def _see_other_apis(
    fetch: Fetcher, server: AuthorizationServer, client: OAuthClient, audience: str, record: Record
) -> None:
    """Whether there is an API whose Identifier is only a little different: one that refuses us is one."""
    for other, difference in slips(audience).items():
        try:
            await TokenEndpoint(fetch).request(client, server, {"grant_type": _MACHINE, "audience": other})
        except TokenRefused as error:
            if _cause(error) != "client-grant":
                continue
        except GatehouseError:
            return
        seen = f"The tenant has no API {audience!r}, but it has {other!r} ({difference})."
        record.wrong("api", seen, f"AUTH0_AUDIENCE={other}  # or make an API {audience}")
        return
