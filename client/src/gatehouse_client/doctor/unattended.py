"""Ways to sign in that need nobody: the doctor goes them to the end, as the agent does, and has a token to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..account import Account
from ..causes.catalogue import check_of
from ..errors import ConfigurationError, GatehouseError, TokenRefused, UnreachableError
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.protocol.challenge import Challenge
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer
from ..signin.protocol.tokens import INVALID_GRANT, TokenEndpoint
from ..storage.grant import Grant
from .application import slips
from .findings import Record

# In the order in which a tenant looks at them: what it refuses for one has passed those before it.
_ORDER: Final = ("credentials", "grant-types", "assertion", "api", "client-grant")
_CHECKS: Final = ("application", *_ORDER)
_BY_CODE: Final = {
    "invalid_client": "credentials",
    "unauthorized_client": "grant-types",
    "unsupported_grant_type": "grant-types",
}


@dataclass(frozen=True)
class UnattendedSignIn:
    """A sign-in with the application's own credentials, or with an assertion."""

    fetch: Fetcher
    settings: Settings
    account: Account
    server: AuthorizationServer
    client: OAuthClient
    audience: str

    async def see(self, challenge: Challenge | None, record: Record) -> Grant | None:
        """Sign in, and keep nothing of it; None where no token was issued.

        Args:
            challenge: the server's, which names the permission to ask for.
        """
        asked = challenge or Challenge("bearer", {"scope": self.settings.required_permission})
        try:
            grant = await self.account.provider.sign_in(asked)
        except GatehouseError as error:
            if not self._is_at_identity_provider(error, record):
                await self._refused(error, record)
            record.unknown(_CHECKS, "no token was issued")
            return None
        self._passed(_CHECKS, record)
        return grant

    def _passed(self, checks: tuple[str, ...], record: Record) -> None:
        seen = {
            "application": self.client.client_id,
            "credentials": "The token endpoint accepts them.",
            "grant-types": ", ".join(self.account.provider.grant_types),
            "assertion": "The token endpoint accepts it.",
            "api": self.audience,
            "client-grant": "The token endpoint issues a token for the API.",
        }
        for check in checks:
            record.ok(check, seen[check])

    async def _refused(self, error: GatehouseError, record: Record) -> None:
        wrong = _cause(error)
        if wrong is None:
            record.unknown(_CHECKS, str(error))
            return
        if wrong == "api" and self.settings.gatehouse_sign_in == "machine":
            await self._see_other_apis(record)
        record.wrong(wrong, str(error))
        if wrong in _ORDER:
            self._passed(_ORDER[: _ORDER.index(wrong)], record)
            if wrong != "credentials":
                self._passed(("application",), record)

    def _is_at_identity_provider(self, error: GatehouseError, record: Record) -> bool:
        """The enterprise's identity provider comes first; what it answers says nothing of the tenant."""
        endpoint = self.settings.oauth_idp_token_endpoint
        if self.settings.gatehouse_sign_in != "assertion" or endpoint is None or endpoint not in str(error):
            return False
        if isinstance(error, UnreachableError):
            record.unknown("assertion", str(error))
        else:
            record.wrong("assertion", str(error))
        return True

    async def _see_other_apis(self, record: Record) -> None:
        """Whether there is an API whose Identifier is only a little different: one that refuses us is one, too."""
        for other, difference in slips(self.audience).items():
            form = {"grant_type": "client_credentials", "audience": other}
            try:
                await TokenEndpoint(self.fetch).request(self.client, self.server, form)
            except GatehouseError as error:
                if _cause(error) != "client-grant":
                    continue
            seen = f"The tenant has no API {self.audience!r}, but it has {other!r} ({difference})."
            record.wrong("api", seen, f"AUTH0_AUDIENCE={other}  # or make an API {self.audience}")
            return


def _cause(error: GatehouseError) -> str | None:
    """The check that the refusal is about."""
    if isinstance(error, ConfigurationError):
        return "credentials"
    if not isinstance(error, TokenRefused):
        return None
    if error.code == INVALID_GRANT:
        return "assertion"  # whatever it says of it, such as that it has expired
    return check_of(str(error)) or _BY_CODE.get(error.code)
