"""The interface of a sign-in flow. A flow gets a token for a task. It does not use the store, locks or MCP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..protocol.client import OAuthClient
from ..protocol.discovery import AuthorizationServer
from ..protocol.tokens import TokenResponse

Say = Callable[[str], None]
"""Shows a message to the person; possibly from another thread."""


@dataclass(frozen=True)
class SignInTask:
    """The target of the token, and the client.

    Attributes:
        takes_resource: whether the server takes the API as a parameter. Otherwise the scopes name it.
    """

    server: AuthorizationServer
    client: OAuthClient
    resource: str
    audience: str
    scope: str | None
    takes_resource: bool = True

    @property
    def target(self) -> dict[str, str]:
        """The parameters of a token request. Auth0 uses `audience`, RFC 8707 servers use `resource`: both are sent."""
        scope = {"scope": self.scope} if self.scope else {}
        return {**scope, **self.resource_parameter, **({"audience": self.audience} if self.takes_resource else {})}

    @property
    def resource_parameter(self) -> dict[str, str]:
        """The parameter `resource` (RFC 8707)."""
        return {"resource": self.resource} if self.takes_resource else {}

    @property
    def question(self) -> dict[str, str]:
        """The target, for a person. A provider may ignore `offline_access` and issue no refresh token unless the person
        is asked for consent (OpenID Connect Core section 11)."""
        asks_to_stay = "offline_access" in (self.scope or "").split()
        return {**self.target, "prompt": "consent"} if asks_to_stay else self.target


class SignInFlow(Protocol):
    """A sign-in flow."""

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grant types that it uses, by their names in RFC 7591."""
        ...

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        """Get a token.

        Raises:
            SignInError: the person declined, or the tenant refused.
            UnreachableError: the tenant does not answer, or fails.
            ConfigurationError: this flow is not possible with the current settings.
        """
        ...
