"""Ways to sign in. A way gets a token for a task, and knows nothing of stores, locks or the MCP server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..protocol.client import OAuthClient
from ..protocol.discovery import AuthorizationServer
from ..protocol.tokens import TokenResponse

Say = Callable[[str], None]
"""Tells the person something, in a line; maybe from another thread."""


@dataclass(frozen=True)
class SignInTask:
    """What to get a token for, and as which client."""

    server: AuthorizationServer
    client: OAuthClient
    resource: str
    audience: str
    scope: str | None

    @property
    def target(self) -> dict[str, str]:
        """What a request for a token says of it. Auth0 looks at `audience`, RFC 8707 servers at `resource`: both go."""
        scope = {"scope": self.scope} if self.scope else {}
        return {**scope, "resource": self.resource, "audience": self.audience}


class SignInFlow(Protocol):
    """One way to sign in."""

    @property
    def grant_types(self) -> tuple[str, ...]:
        """The grant types that it uses, by their names of RFC 7591."""
        ...

    async def sign_in(self, task: SignInTask) -> TokenResponse:
        """Get a token.

        Raises:
            SignInError: the person or the tenant did not let it happen.
            UnreachableError: the tenant does not answer or fails.
            ConfigurationError: this way cannot be gone here as things are set.
        """
        ...
