"""Sign-ins without a person: the doctor signs in as the agent does, and then examines the token."""

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
from ..signin.protocol.silent import similar_identifiers
from ..signin.protocol.tokens import INVALID_GRANT, TokenEndpoint
from ..storage.grant import Grant
from .findings import Findings

# The order in which a tenant checks them: if one is refused, those before it are accepted.
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

    async def check(self, challenge: Challenge | None, findings: Findings) -> Grant | None:
        """Sign in without storing the grant. Returns None if the tenant issues no token.

        Args:
            challenge: the server's challenge, which names the permission to request.
        """
        asked = challenge or Challenge("bearer", {"scope": self.settings.required_permission})
        try:
            grant = await self.account.provider.sign_in(asked)
        except GatehouseError as error:
            if not self._is_at_identity_provider(error, findings):
                await self._refused(error, findings)
            findings.unknown(_CHECKS, "no token was issued")
            return None
        self._passed(_CHECKS, findings)
        return grant

    def _passed(self, checks: tuple[str, ...], findings: Findings) -> None:
        seen = {
            "application": self.client.client_id,
            "credentials": "The token endpoint accepts them.",
            "grant-types": ", ".join(self.account.provider.grant_types),
            "assertion": "The token endpoint accepts it.",
            "api": self.audience,
            "client-grant": "The token endpoint issues a token for the API.",
        }
        for check in checks:
            findings.ok(check, seen[check])

    async def _refused(self, error: GatehouseError, findings: Findings) -> None:
        wrong = _cause(error)
        if wrong is None:
            findings.unknown(_CHECKS, str(error))
            return
        if wrong == "api" and self.settings.gatehouse_sign_in == "machine":
            await self._check_similar_apis(findings)
        findings.wrong(wrong, str(error))
        if wrong in _ORDER:
            self._passed(_ORDER[: _ORDER.index(wrong)], findings)
            if wrong != "credentials":
                self._passed(("application",), findings)

    def _is_at_identity_provider(self, error: GatehouseError, findings: Findings) -> bool:
        """Whether the enterprise's identity provider refused. It comes before the tenant in such a sign-in."""
        endpoint = self.settings.oauth_idp_token_endpoint
        if self.settings.gatehouse_sign_in != "assertion" or endpoint is None or endpoint not in str(error):
            return False
        if isinstance(error, UnreachableError):
            findings.unknown("assertion", str(error))
        else:
            findings.wrong("assertion", str(error))
        return True

    async def _check_similar_apis(self, findings: Findings) -> None:
        """Find an API with a similar Identifier. An API that refuses this application also exists."""
        for similar, difference in similar_identifiers(self.audience).items():
            form = {"grant_type": "client_credentials", "audience": similar}
            try:
                await TokenEndpoint(self.fetch).request(self.client, self.server, form)
            except GatehouseError as error:
                if _cause(error) != "client-grant":
                    continue
            findings.wrong_api(self.audience, similar, difference)
            return


def _cause(error: GatehouseError) -> str | None:
    """The check that the refusal belongs to."""
    if isinstance(error, ConfigurationError):
        return "credentials"
    if not isinstance(error, TokenRefused):
        return None
    if error.code == INVALID_GRANT:
        return "assertion"  # whatever the description says, such as that the assertion has expired
    return check_of(str(error)) or _BY_CODE.get(error.code)
