"""What the checks share: the settings, and what was already found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ..account import Account
from ..errors import ConfigurationError, SignInError, UnreachableError
from ..profiles import Profile
from ..settings import Settings
from ..signin.http.fetch import Fetcher
from ..signin.http.trace import Trace
from ..signin.protocol.challenge import Challenge
from ..signin.protocol.client import OAuthClient
from ..signin.protocol.discovery import AuthorizationServer, ProtectedResource
from ..storage.grant import Grant
from .findings import Finding, Mark
from .objects import Objects

T = TypeVar("T")

FAILURES: Final = (UnreachableError, SignInError, ConfigurationError)
"""Errors of a request: the check that needs its answer is then not possible, or fails."""


@dataclass
class Context:
    """The settings, and what was already found. A member that was not found is None.

    Attributes:
        register: whether to register a client, for the checks about such clients.
        findings: of the checks that already ran.
        challenge, metadata: the server's.
        tenant: the metadata of the authorization server.
        client: the agent's client in the tenant.
        grant: the sign-in to examine.
        objects: the tenant's objects.
        clock_offsets: how many seconds each party's clock is ahead of this machine's.
    """

    settings: Settings
    account: Account
    trace: Trace
    register: bool = False
    findings: dict[str, Finding] = field(default_factory=dict)
    challenge: Challenge | None = None
    metadata: ProtectedResource | None = None
    tenant: AuthorizationServer | None = None
    client: OAuthClient | None = None
    grant: Grant | None = None
    objects: Objects | None = None
    clock_offsets: dict[str, float] = field(default_factory=dict)
    _outcomes: dict[str, Any] = field(default_factory=dict)

    async def once(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the first call with this name.

        Raises:
            UnreachableError, SignInError, ConfigurationError: what the first call raised.
        """
        if name not in self._outcomes:
            try:
                self._outcomes[name] = await work()
            except FAILURES as error:
                self._outcomes[name] = error
        outcome = self._outcomes[name]
        if isinstance(outcome, FAILURES):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def is_ok(self, check: str) -> bool:
        return check in self.findings and self.findings[check].mark is Mark.OK

    @property
    def fetch(self) -> Fetcher:
        return self.account.fetch

    @property
    def url(self) -> str:
        """The MCP server's URL."""
        return self.settings.mcp_public_url

    @property
    def resource(self) -> str | None:
        """The server's own identifier, which other clients request."""
        return self.metadata.resource if self.metadata else None

    @property
    def issuer(self) -> str | None:
        """The tenant: the configured one, else the one that the server names."""
        named = self.metadata.authorization_servers[0] if self.metadata else None
        return self.settings.issuer or named

    @property
    def audience(self) -> str | None:
        """The Identifier of the API that the agent requests."""
        return self.settings.auth0_audience or self.resource

    @property
    def profile(self) -> Profile:
        """What a token of the tenant grants, and in which words the tenant is spoken of."""
        return self.settings.profile.at(self.issuer, self.resource or "")

    @property
    def permission(self) -> str:
        """The permission that each call needs."""
        return self.settings.required_permission

    @property
    def is_unattended(self) -> bool:
        """Whether the agent signs in without a person."""
        return self.settings.gatehouse_sign_in in ("machine", "assertion")

    def fix_values(self) -> dict[str, str]:
        """Values for fix lines. Only values whose check passed: a value that may be wrong is no fix."""
        parts = urlsplit(self.url)
        by_check: dict[str, dict[str, str | None]] = {
            "server": {"host": parts.netloc, "origin": f"{parts.scheme}://{parts.netloc}"},
            "resource-metadata": {"resource": self.resource},
            "required-permission": {"permission": self.permission},
            "issuer": {"issuer": self.issuer},
            "application": {"client_id": self.client.client_id if self.client else None},
            "api": {"audience": self.audience},
        }
        always: dict[str, str | None] = {
            "callback": self.settings.oauth_callback_uri,
            "user_id": self.grant.subject if self.grant else None,
            "subject_type": "client" if self.settings.gatehouse_sign_in == "machine" else "user",
        }
        sure = [values for check, values in by_check.items() if self.is_ok(check)]
        return {name: value for values in [always, *sure] for name, value in values.items() if value}
